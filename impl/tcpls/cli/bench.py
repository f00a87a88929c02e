"""``tcpls bench``: how fast sessions are between here and a server, by default one on this machine."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from impl.tcpls.cli import options, report, units
from impl.tcpls.cli.client import Setup, make_setup
from impl.tcpls.cli.errors import run
from impl.tcpls.cli.measuring import Bench, Times
from impl.tcpls.cli.ping import parse_server
from impl.tcpls.joining import JoinMode
from impl.tcpls.paths import Candidate, Policy, pair_up
from impl.tcpls.sockets import SocketError, resolve
from impl.tls13.cli.errors import failed, usage

_LOCALHOST: Final = "127.0.0.1"
_START_LIMIT: Final = 20.0


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(
        "bench",
        epilog="Examples: tcpls bench · tcpls bench --connections 4 --seconds 5 --json · "
        "tcpls bench server.example:4433 --ca ca.pem --local 192.0.2.1 --local 198.51.100.1",
    )(bench)


def bench(
    server: Annotated[
        str | None,
        typer.Argument(
            metavar="HOST[:PORT]", help="a tcpls serve; when absent one is started here, with a process of its own"
        ),
    ] = None,
    connections: Annotated[
        int, typer.Option("--connections", "-n", metavar="N", min=1, max=64, help="measure with 1 to N connections")
    ] = 3,
    seconds: Annotated[
        float, typer.Option("--seconds", "-t", metavar="S", min=0.05, help="how long each measurement lasts")
    ] = 2.0,
    local: options.LocalAddresses = None,
    remote: options.RemoteAddresses = None,
    scheduler: options.SchedulerName = None,
    record_size: options.RecordSize = "16384",
    padding: options.Padding = "none",
    ca: options.CaFile = None,
    insecure: options.Insecure = False,
    congestion: options.Congestion = None,
    json: options.Json = False,
) -> None:
    """Measure downloads and uploads over 1 to N connections, handshakes, joins of connections, and round trips.

    Without a host the server runs on this machine, and the connections go from 127.0.0.1, 127.0.0.2 and so on. Exit
    code: 0 measured, 1 something failed, 2 bad usage, 130 interrupted.
    """
    if server is None and (ca is not None or insecure or local or remote):
        raise usage("--ca, --insecure, --local and --remote: are for a server elsewhere: name it")
    host, port = (_LOCALHOST, 0) if server is None else parse_server(server)
    setup = make_setup(
        host,
        port,
        ca=ca,
        insecure=insecure or server is None,
        local=local,
        remote=remote,
        policy=Policy.ALL,
        scheduler=scheduler,
        join=JoinMode.DIRECT,
        record_size=record_size,
        padding=padding,
        congestion=congestion,
    )
    run(_bench(setup, connections, seconds, padding=padding, own=server is None, json=json))


async def _bench(setup: Setup, connections: int, seconds: float, *, padding: str, own: bool, json: bool) -> None:
    status = Console(stderr=True, highlight=False, markup=False)
    if not own:
        await _measure(setup, await _candidates(setup, connections), connections, seconds, status, json=json)
        return
    async with _server(setup, connections, padding) as (port, ca):
        served = make_setup(
            setup.host,
            port,
            ca=ca,
            insecure=False,
            local=None,
            remote=None,
            policy=Policy.ALL,
            scheduler=setup.settings.scheduler,
            join=JoinMode.DIRECT,
        )
        setup = replace(setup, port=port, config=served.config)
        pairs = [Candidate(f"127.0.0.{i + 1}", _LOCALHOST) for i in range(max(connections, 2))]
        await _measure(setup, pairs, connections, seconds, status, json=json)


async def _measure(
    setup: Setup, pairs: list[Candidate], connections: int, seconds: float, status: Console, *, json: bool
) -> None:
    measured = Bench(setup, pairs, seconds)
    rows: list[tuple[str, str, str]] = []
    result: dict[str, Any] = {"server": setup.place, "scheduler": setup.settings.scheduler, "seconds": seconds}
    with status.status("") as spinner:
        for direction, measure in (("download", measured.download), ("upload", measured.upload)):
            for number in range(1, connections + 1):
                what = f"{direction}, {number} connection{'' if number == 1 else 's'}"
                spinner.update(f"{what} …")
                goodput = await measure(number)
                rows.append((what, units.rate(goodput), ""))
                result.setdefault(direction, []).append({"connections": number, "rate": round(goodput)})
        for name, resumed in (("full", False), ("resumed", True)):
            spinner.update(f"handshakes, {name} …")
            times = await measured.handshakes(resumed=resumed)
            rate = 1 / (sum(times.values) / len(times.values))
            rows.append((f"handshakes, {name}", f"{rate:.0f} /s", _spread(times)))
            result[f"handshakes_{name}"] = {"per_second": round(rate, 1), **_times_json(times)}
        for mode in JoinMode:
            spinner.update(f"joins, {mode.value} …")
            joined = await measured.joins(mode)
            rows.append(
                (
                    f"join, {mode.value}",
                    *(("–", "needs a second pair of addresses") if joined is None else _shown(joined)),
                )
            )
            result[f"join_{mode.value}"] = None if joined is None else _times_json(joined)
        spinner.update("Pings …")
        round_trips = await measured.pings()
        rows.append(("round trip of a Ping", *_shown(round_trips)))
        result["ping"] = _times_json(round_trips)
    if json:
        report.print_json(result)
        return
    shown = report.table("measured", "result", "median (least to most)", right=(1,))
    for row in rows:
        shown.add_row(*row)
    console = report.console()
    console.print(f"TCPLS with {setup.place}, scheduler {setup.settings.scheduler}, {seconds:g} s each\n")
    console.print(shown)


def _shown(times: Times) -> tuple[str, str]:
    return units.seconds(times.median), _spread(times)


def _spread(times: Times) -> str:
    least, median, most = (units.seconds(value) for value in (times.least, times.median, times.most))
    return f"{median} ({least} to {most}), {len(times.values)} times"


def _times_json(times: Times) -> dict[str, Any]:
    return {
        "count": len(times.values),
        "median": round(times.median, 9),
        "min": round(times.least, 9),
        "max": round(times.most, 9),
    }


async def _candidates(setup: Setup, connections: int) -> list[Candidate]:
    """As many pairs of addresses as there shall be connections."""
    try:
        found = [a for host in (setup.host, *setup.remote) for a in await resolve(host, setup.port)]
        if not setup.local and found[0].startswith("127."):
            return [Candidate(f"127.0.0.{i + 1}", found[0]) for i in range(max(connections, 2))]
        pairs = list(pair_up(setup.local, found))
    except SocketError as error:
        raise failed(setup.place, str(error)) from None
    except ValueError as error:
        raise usage(str(error)) from None
    if len(pairs) < connections:
        raise usage(
            f"--connections: {connections} are wanted, and there are {len(pairs)} pairs of addresses; "
            "name more with --local or --remote"
        )
    return pairs


@asynccontextmanager
async def _server(setup: Setup, connections: int, padding: str) -> AsyncIterator[tuple[int, Path]]:
    """A server with a process of its own: its port, and the file of its certificate."""
    settings = setup.settings
    with TemporaryDirectory(prefix="tcpls-bench-") as folder:
        ca = Path(folder) / "ca.pem"
        command = [sys.executable, "-m", "impl.tcpls.cli", "serve", _LOCALHOST, "--port", "0", "--quiet"]
        command += ["--ca-out", str(ca), "--scheduler", settings.scheduler, "--connections", str(connections + 2)]
        command += ["--record-size", str(settings.record_size), "--padding", padding]
        if setup.congestion is not None:
            command += ["--congestion", setup.congestion]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, start_new_session=True
        )
        assert process.stderr is not None
        try:
            yield await _port(process.stderr), ca
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(_START_LIMIT):
                    await process.communicate()


async def _port(stderr: asyncio.StreamReader) -> int:
    """The port that a server says it listens on."""
    said = ""
    try:
        async with asyncio.timeout(_START_LIMIT):
            while line := (await stderr.readline()).decode():
                said = line.strip()
                if "listening on" in said:
                    return int(said.rpartition(":")[2])
    except TimeoutError:
        pass
    raise failed("bench", "the server does not start", said.removeprefix("tcpls: "))
