"""Measures what our Python adds to the AEAD when many TLS 1.3 records are sealed and opened.

    python -m benchmarks.tls13_records                          # a table, some seconds
    python -m benchmarks.tls13_records --json > records.json    # for docs

The bare AEAD is a loop over encrypt_into or decrypt_into with nonces and views made beforehand. All work on the same
memory, one after the other in every round, and what counts is the median.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from impl.tls13.cipher_suites import CIPHER_SUITES, TAG_SIZE, CipherSuite
from impl.tls13.key_schedule import TrafficKeys
from impl.tls13.records import HEADER_SIZE, MAX_PLAINTEXT, OVERHEAD, Opener, Sealer

RECORD_SIZES = (1, 64, 256, 1500, 4096, MAX_PLAINTEXT)
CALL = 2**20
MOST_RECORDS = 1024
ROUNDS = 101


@dataclass(frozen=True)
class Measurement:
    """Seconds that one record takes, of `records` in one call, each with `size` bytes of content."""

    suite: str
    size: int
    records: int
    bare_seal: float
    seal_into: float
    bare_open: float
    open_into: float

    @property
    def seal_ratio(self) -> float:
        """The rate of seal_into against that of the bare AEAD."""
        return self.bare_seal / self.seal_into

    @property
    def open_ratio(self) -> float:
        """The rate of open_into against that of the bare AEAD."""
        return self.bare_open / self.open_into


class Case:
    """One suite and size of records, with memory for them."""

    def __init__(self, suite: CipherSuite, size: int, call: int) -> None:
        self.size = size
        self.records = min(max(call // size, 2), MOST_RECORDS)
        keys = TrafficKeys(key=os.urandom(suite.key_size), iv=os.urandom(12))
        self.sealer, self.opener = Sealer(suite, keys), Opener(suite, keys)
        self.content = bytearray(os.urandom(self.records * size))
        self.sealed = bytearray(self.records * (size + OVERHEAD))
        self.opened = bytearray(max(self.records * size, MAX_PLAINTEXT) + 1)
        aead = suite.aead(keys.key)
        self._encrypt, self._decrypt = aead.encrypt_into, aead.decrypt_into
        self._header = b"\x17\x03\x03" + (size + 1 + TAG_SIZE).to_bytes(2, "big")
        self._nonces = [i.to_bytes(12, "big") for i in range(self.records)]
        content, sealed, opened = memoryview(self.content), memoryview(self.sealed), memoryview(self.opened)
        # The last view begins a byte earlier, as there is no place for a content type behind the content.
        starts = [*range(0, (self.records - 1) * size, size), (self.records - 1) * size - 1]
        self._contents = [content[start : start + size + 1] for start in starts]
        self._opened = [opened[i * size : (i + 1) * size + 1] for i in range(self.records)]
        stride = size + OVERHEAD
        self._fragments = [sealed[i * stride + HEADER_SIZE : (i + 1) * stride] for i in range(self.records)]

    def bare_seal(self) -> None:
        """Seal without anything but the AEAD."""
        encrypt, header = self._encrypt, self._header
        for nonce, content, fragment in zip(self._nonces, self._contents, self._fragments, strict=True):
            encrypt(nonce, content, header, fragment)

    def bare_open(self) -> None:
        """Open what bare_seal has sealed without anything but the AEAD."""
        decrypt, header = self._decrypt, self._header
        for nonce, fragment, content in zip(self._nonces, self._fragments, self._opened, strict=True):
            decrypt(nonce, fragment, header, content)

    def seal_into(self) -> None:
        """Seal as a connection does."""
        self.sealer.seal_into(self.content, self.sealed, self.size)

    def open_into(self) -> None:
        """Open what seal_into has sealed as a connection does."""
        result = self.opener.open_into(self.sealed, self.opened)
        if result.consumed != len(self.sealed):
            raise RuntimeError(f"of {len(self.sealed)} bytes, {result.consumed} were opened")


def seconds(action: Callable[[], None]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(suite: CipherSuite, size: int, call: int = CALL, rounds: int = ROUNDS) -> Measurement:
    """Measure calls of about `call` bytes, at most MOST_RECORDS records."""
    case = Case(suite, size, call)
    actions = (case.seal_into, case.open_into, case.bare_seal, case.bare_open)
    times = [[seconds(action) for action in actions] for _ in range(rounds)]
    sealing, opening, bare_sealing, bare_opening = (
        statistics.median(column) / case.records for column in zip(*times, strict=True)
    )
    return Measurement(suite.name, size, case.records, bare_sealing, sealing, bare_opening, opening)


def measure_all(call: int = CALL, rounds: int = ROUNDS) -> list[Measurement]:
    """Measure all suites and sizes."""
    return [measure(suite, size, call, rounds) for suite in CIPHER_SUITES.values() for size in RECORD_SIZES]


def table(measurements: list[Measurement]) -> Table:
    """Lay the measurements out."""
    result = Table(title="µs a record (Gbit/s of content)")
    for name in ("suite", "content", "records a call", "AEAD", "seal_into", "of AEAD", "AEAD", "open_into", "of AEAD"):
        result.add_column(name, justify="left" if name == "suite" else "right")
    for one in measurements:

        def cell(value: float, size: int = one.size) -> str:
            return f"{value * 1e6:.2f} ({size * 8e-9 / value:.2f})"

        result.add_row(
            one.suite.removeprefix("TLS_"),
            f"{one.size}",
            f"{one.records}",
            cell(one.bare_seal),
            cell(one.seal_into),
            f"{one.seal_ratio:.0%}",
            cell(one.bare_open),
            cell(one.open_into),
            f"{one.open_ratio:.0%}",
            end_section=one.size == RECORD_SIZES[-1],
        )
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--call", type=int, default=CALL, metavar="BYTES", help="content of one call (default: 1 MiB)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds, of which the medians are taken")
    options = parser.parse_args()
    if options.call < 1 or options.rounds < 1:
        parser.error("--call and --rounds must be at least 1")
    measurements = measure_all(options.call, options.rounds)
    if options.json:
        rows = [asdict(one) | {"seal_ratio": one.seal_ratio, "open_ratio": one.open_ratio} for one in measurements]
        print(json.dumps(rows, indent=1))
    else:
        Console().print(table(measurements))


if __name__ == "__main__":
    main()
