"""Measures TLS 1.3 against the bare AEAD and Python's ssl: ``python -m benchmarks.tls13`` (about four minutes).

Writes ``docs/tls13-performance.md``. The parts can be run alone: ``benchmarks.tls13_records``, ``tls13_handshakes`` and
``bulk``.
"""

import argparse
import os
import platform
import ssl
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

import cryptography
from cryptography.hazmat.backends.openssl import backend
from jinja2 import Environment, StrictUndefined

from benchmarks import bulk, tls13_handshakes, tls13_records
from benchmarks.element_accuracy import busy_before
from impl.tls13.cipher_suites import CIPHER_SUITES

TEMPLATE = Path(__file__).with_suffix(".md.j2")
VISITS = 5


@dataclass(frozen=True)
class Description:
    """Where it was measured, and how busy others kept the machine before, in cores."""

    cpus: int
    cpu: str
    kernel: str
    python: str
    cryptography: str
    library: str
    ssl: str
    others: float


def describe() -> Description:
    """Look at the machine for two seconds."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return Description(
        cpus=os.cpu_count() or 1,
        cpu=models[0] if models else platform.machine(),
        kernel=platform.release(),
        python=platform.python_version(),
        cryptography=cryptography.__version__,
        library=backend.openssl_version_text(),
        ssl=ssl.OPENSSL_VERSION,
        others=busy_before(),
    )


def record_rows(rounds: int) -> list[tuple[str, ...]]:
    """Measure records; each point at several times, of which the medians count: others on the machine come and go."""
    points = [(suite, size) for suite in CIPHER_SUITES.values() for size in tls13_records.RECORD_SIZES]
    visits = [
        [tls13_records.measure(suite, size, rounds=rounds // VISITS) for suite, size in points] for _ in range(VISITS)
    ]
    rows: list[tuple[str, ...]] = []
    for (suite, size), found in zip(points, zip(*visits, strict=True), strict=True):
        bare_seal, seal, bare_open, opened = (
            f"{statistics.median(times) * 1e6:.2f}"
            for times in zip(
                *[(one.bare_seal, one.seal_into, one.bare_open, one.open_into) for one in found], strict=True
            )
        )
        sealed, unsealed = (
            f"{statistics.median(ratios):.0%}"
            for ratios in zip(*[(one.seal_ratio, one.open_ratio) for one in found], strict=True)
        )
        name = suite.name.removeprefix("TLS_")
        rows.append((name, f"{size:,}", bare_seal, seal, sealed, bare_open, opened, unsealed))
    return rows


def handshake_rows(rounds: int) -> list[tuple[str, ...]]:
    """Measure handshakes."""
    results = tls13_handshakes.measure(count=300, rounds=rounds)
    return [(one.kind, f"{one.ours:,.0f}", f"{one.theirs:,.0f}", f"{one.ratio:.2f}") for one in results]


def bulk_rows(suite: str, mib: int, rounds: int) -> list[tuple[str, ...]]:
    """Measure bulk transfers with one suite."""
    results = bulk.measure(suite, mib << 20, rounds, (bulk.OURS, bulk.BLOCKING, bulk.ASYNCIO))
    rows: list[tuple[str, ...]] = []
    for variant in results[0]:
        speeds = [each[variant].gbps for each in results]
        ratio = statistics.median(each[variant].gbps / each[bulk.BLOCKING].gbps for each in results)
        rows.append((
            suite.removeprefix("TLS_"), variant,
            f"{statistics.median(speeds):.2f}", f"{min(speeds):.2f}", f"{max(speeds):.2f}", f"{ratio:.2f}",
            bulk.cost([each[variant].sender for each in results]),
            bulk.cost([each[variant].receiver for each in results]),
        ))  # fmt: skip
    return rows


def main() -> int:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of handshakes and bulk transfers")
    parser.add_argument("--mib", type=int, default=2048, help="size of a bulk transfer, MiB")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the page")
    arguments = parser.parse_args()
    machine = describe()
    # The page is Markdown: nothing in it is to be escaped.
    environment = Environment(trim_blocks=True, undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701
    target = arguments.out / "tls13-performance.md"
    target.write_text(
        environment.from_string(TEMPLATE.read_text()).render(
            machine=machine,
            call=tls13_records.CALL,
            records=record_rows(rounds=VISITS * tls13_records.ROUNDS // 2),
            handshakes=handshake_rows(arguments.rounds),
            bulk=[
                row
                for suite in CIPHER_SUITES.values()
                for row in bulk_rows(suite.name, arguments.mib, arguments.rounds)
            ],
            mib=arguments.mib,
        )
    )
    print(f"wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
