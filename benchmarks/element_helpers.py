"""Small programs that benchmarks/element_accuracy.py starts: a TCP sink and source, and a bare timer. Light to load."""

import contextlib
import json
import random
import socket
import sys
import time

_PORT = 9001


def sink(address: str, warm_up: float, seconds: float) -> float:
    """Take one TCP connection; return the bits per second that arrived in ``seconds`` after the warm-up."""
    with socket.create_server((address, _PORT)) as listener:
        print("listening", flush=True)
        connection, _ = listener.accept()
    buffer = bytearray(1 << 20)
    with connection:
        count, first, last = 0, 0.0, 0.0
        start = time.monotonic() + warm_up
        while last < start + seconds and (received := connection.recv_into(buffer)):
            last = time.monotonic()
            if first:
                count += received
            elif last >= start:
                first = last  # what had arrived by now is not of this time
        return count * 8 / (last - first)


def source(address: str) -> None:
    """Send on one TCP connection until the other side ends it."""
    data = bytes(1 << 18)
    with socket.socket() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        connection.connect((address, _PORT))
        with contextlib.suppress(ConnectionError):
            while True:
                connection.sendall(data)


def timer_lateness(seconds: float) -> list[float]:
    """Sleep again and again for about 5 ms, and return how many ms late each wake-up was."""
    numbers = random.Random()
    late = []
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        planned = now + numbers.uniform(0.002, 0.008)
        time.sleep(planned - now)
        late.append((time.monotonic() - planned) * 1e3)
    return late


def main() -> int:
    """Run the one that the first argument names."""
    name, *values = sys.argv[1:]
    if name == "sink":
        print(sink(values[0], float(values[1]), float(values[2])))
    elif name == "source":
        source(values[0])
    else:
        print(json.dumps(timer_lateness(float(values[0]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
