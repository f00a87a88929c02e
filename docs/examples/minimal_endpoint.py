"""A complete endpoint in few lines: downloads the payload over one TCP connection."""

import hashlib
import json
import os
import socket
import sys
import time


def tell(event: str, **fields: object) -> None:
    """Append one event line; the time is CLOCK_MONOTONIC in nanoseconds."""
    line = json.dumps({"time": time.monotonic_ns(), "event": event, **fields})
    with open(os.environ["HARNESS_EVENTS"], "a") as events:
        events.write(line + "\n")


def server(port: int) -> None:
    """Send the payload to whoever connects, until SIGTERM."""
    address = os.environ["HARNESS_LISTEN"].split(",")[0]
    with socket.create_server((address, port)) as listener, open(os.environ["HARNESS_PAYLOAD"], "rb") as payload:
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.sendfile(payload)


def client(port: int) -> None:
    """Receive, hash and report."""
    local, remote = (os.environ[name].split(",")[0] for name in ("HARNESS_LOCAL", "HARNESS_CONNECT"))
    digest, size = hashlib.sha256(), 0
    with socket.create_connection((remote, port), timeout=15, source_address=(local, 0)) as connection:
        connection.settimeout(None)
        tell("connected", path=local)
        while data := connection.recv(1 << 18):
            if not size:
                tell("first_byte")
            tell("received", bytes=len(data), path=local)
            size += len(data)
            digest.update(data)
    if size != int(os.environ["HARNESS_BYTES"]):
        sys.exit(f"the connection ended after {size} bytes")
    tell("done", sha256=digest.hexdigest(), bytes=size)


if (
    os.environ["HARNESS_TESTCASE"] != "download"
    or os.environ["HARNESS_STREAMS"] != "1"
    or "HARNESS_MIGRATE" in os.environ
):
    sys.exit(127)
{"server": server, "client": client}[os.environ["HARNESS_ROLE"]](int(os.environ["HARNESS_PORT"]))
