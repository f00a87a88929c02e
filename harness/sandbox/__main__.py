"""Runs any command in a sandbox, for looking around and for tests: ``python -m harness.sandbox -- ip link``."""

import argparse
import sys
from pathlib import Path

from harness.sandbox import EXIT_UNAVAILABLE, SandboxError, SandboxUnavailable, check, run

EXIT_USAGE = 2


def main() -> int:
    """Parse the command line, run the command, and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.sandbox",
        description="Run a command in private user, network, mount, PID and IPC namespaces.",
        epilog="example: python -m harness.sandbox -- bash. Exit code: the command's; 128 + n if signal n killed it;"
        " 2 for a wrong command line or folder; 4 if this machine allows no sandbox.",
    )
    parser.add_argument("--check", action="store_true", help="say what this machine allows, and run nothing")
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="DIR",
        type=Path,
        help="a folder below /run or /dev/shm that must be visible inside",
    )
    parser.add_argument("command", nargs="*", metavar="COMMAND", help="program and arguments, after --")
    options = parser.parse_args()
    if options.check:
        findings = check()
        for finding in findings:
            remedy = f" -> {finding.remedy}" if finding.remedy else ""
            print(f"{'yes' if finding.ok else 'no ':3}  {finding.name}: {finding.detail}{remedy}")
        return EXIT_UNAVAILABLE if any(finding.required and not finding.ok for finding in findings) else 0
    if not options.command:
        parser.error("no command given; for example: -- ip link")
    try:
        return run(options.command, keep=options.keep)
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return EXIT_UNAVAILABLE if isinstance(error, SandboxUnavailable) else EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
