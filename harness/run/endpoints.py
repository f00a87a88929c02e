"""Setting up the endpoints of a run: payload, certificates, path manager, and the two processes."""

import datetime
import os
import sys
import tempfile
from pathlib import Path

from harness.endpoints import mptcp
from harness.endpoints.certificate import make_certificates
from harness.endpoints.environment import Objects, Setting, environment
from harness.endpoints.listening import listening
from harness.endpoints.payload import write_payload
from harness.endpoints.process import EndpointProcess
from harness.network.emulation import Emulation
from harness.network.paths import PathInstance
from harness.network.routing import family_of
from harness.run.order import Order
from harness.spec.endpoint import Role
from harness.spec.loader import PROJECT
from harness.spec.scenario import Workload

PORT = 4433
READY_LIMIT_S = 30.0


class Endpoints:
    """Both ends of the transfer: what they are told, how they are started, and the kernel's path manager for them.

    Attributes:
        setting: what both are told.
        sha256: of the payload.

    """

    def __init__(self, order: Order, emulation: Emulation) -> None:
        """Write payload and certificates into the sandbox's temporary folder."""
        self._order = order
        self._emulation = emulation
        self._endpoint = order.endpoint
        self._scenario = scenario = order.scenario
        self._folder = Path(tempfile.mkdtemp(prefix="endpoints-"))
        payload = self._folder / "payload"
        self.sha256 = write_payload(payload, scenario.seed, scenario.workload.bytes)
        listen = emulation.addresses_of(emulation.topology.server.name)
        tls = None
        if self._endpoint.certificate:
            now = datetime.datetime.now(datetime.UTC)
            tls = make_certificates(self._folder, addresses=listen, names=[emulation.topology.server.name], now=now)
        self.setting = Setting(
            testcase=scenario.workload.kind,
            listen=tuple(listen),
            connect=tuple(self._connect_addresses(listen)),
            local=tuple(emulation.client_addresses().values()),
            port=PORT,
            bytes=scenario.workload.bytes,
            seed=scenario.seed,
            folder=Path(order.directory),
            streams=scenario.workload.streams,
            multipath=scenario.multipath.mode,
            congestion=scenario.workload.congestion,
            payload=payload,
            tls=tls,
            migrate=tuple(scenario.multipath.migrate_at),
            record_size=scenario.workload.record_size,
            objects=_objects(scenario.workload),
        )

    def manage_paths(self) -> None:
        """Tell the kernel's path manager of the addresses that are there from the start, where it is in charge.

        Raises:
            MissingFeature: kernel or tool lack Multipath TCP.
            CommandFailed: the kernel refused.

        """
        if self._endpoint.path_manager != "kernel":
            return
        emulation, topology = self._emulation, self._emulation.topology
        addresses = emulation.client_addresses()
        there = [
            (addresses[path.name], emulation.client_interface(path.name))
            for path in topology.access_paths
            if path.initially == "up"
        ]
        mptcp.set_up_node(self._manager("client"), there, mode=self._scenario.multipath.mode)
        server = self._manager("server")
        server.set_limits()
        # The client opens subflows to the address that it knows, from each of its own. An address of another family
        # must be announced by the server, or nothing leads there.
        listen = self.setting.listen
        for address in listen[1:]:
            if family_of(address) != family_of(listen[0]):
                server.add(address, self._server_interface(address), signal=True)

    def announce(self, path: PathInstance) -> None:
        """Tell the kernel's path manager that the client's end of a path has come up, where it is in charge."""
        if self._endpoint.path_manager == "kernel":
            backup = self._scenario.multipath.mode == "backup"
            address = self._emulation.client_addresses()[path.name]
            self._manager("client").add(address, self._emulation.client_interface(path.name), backup=backup)

    def counters(self) -> dict[str, dict[str, int]]:
        """Return the kernel's Multipath TCP counters of both ends; empty for other endpoints."""
        if self._endpoint.path_manager != "kernel":
            return {}
        return {role: mptcp.read_counters(self._pid(role)) for role in ("client", "server")}

    def start(self, role: Role) -> EndpointProcess:
        """Start a process.

        Raises:
            EndpointFailed: it cannot be executed.

        """
        folder, python = Path(self._order.endpoint_folder), sys.executable
        additions = self._endpoint.variables(folder=folder, project=PROJECT, python=python)
        return EndpointProcess.start(
            role,
            self._endpoint.command(role, folder=folder, project=PROJECT, python=python),
            node_pid=self._pid(role),
            environment=environment(role, self.setting, additions=additions, inherited=os.environ),
            log=self.setting.log(role),
            folder=self._folder,
        )

    async def wait_ready(self, server: EndpointProcess) -> None:
        """Wait until the server can be connected to.

        Raises:
            EndpointFailed: it ended instead, or does not listen in time.

        """
        kind, pid = self._endpoint.ready, self._pid("server")
        events = self.setting.events("server")

        def ready() -> bool:
            if kind == "event":
                return events.exists() and b'"listening"' in events.read_bytes()
            return listening(pid, self.setting.listen, PORT, protocol=kind)

        what = "ready (event 'listening')" if kind == "event" else f"listening on port {PORT} ({kind})"
        await server.ready(ready, limit=READY_LIMIT_S, what=what)

    def _pid(self, role: Role) -> int:
        return self._emulation.client_pid if role == "client" else self._emulation.server_pid

    def _manager(self, role: Role) -> mptcp.PathManager:
        topology = self._emulation.topology
        node = topology.client if role == "client" else topology.server
        return mptcp.PathManager.for_process(self._pid(role), node.name)

    def _server_interface(self, address: str) -> str:
        name = self._emulation.topology.server.name
        for path in self._emulation.paths.values():
            for end, there in ((path.from_, path.from_address), (path.to, path.to_address)):
                if end.node == name and there == address:
                    return end.interface
        return "lo"

    def _connect_addresses(self, listen: list[str]) -> list[str]:
        """For each of the client's paths the server's address to use on it: that of the path's end if it is there."""
        found = []
        for path in self._emulation.topology.access_paths:
            own = self._emulation.paths[path.name]
            ends = [own.from_address, own.to_address]
            direct = [address for address in listen if address in ends]
            same_family = [address for address in listen if family_of(address) == path.family]
            found.append((direct or same_family or listen)[0])
        return found


def _objects(workload: Workload) -> Objects | None:
    if workload.kind != "objects":
        return None
    return Objects(size=workload.object_bytes, interval=workload.object_interval, placement=workload.placement)
