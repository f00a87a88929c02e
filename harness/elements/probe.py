"""Tries in a namespace of its own which elements this kernel has: ``python -m harness.elements.probe`` prints JSON.

It really makes each of them, since modules may be missing, built in or loaded on demand. It must run in a network
namespace that goes with it (``choose`` sees to that), because it leaves what it made.
"""

import json
import os
import subprocess
import sys
import tempfile

from impl.nfqueue import Queue


def _attempt(*argv: str, **environment: str) -> str | None:
    """Run a command; return ``None`` or what is wrong."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    except FileNotFoundError:
        return f"the program {argv[0]} is missing"
    return None if done.returncode == 0 else (done.stderr.strip() or f"{argv[0]}: exit status {done.returncode}")


def probe_netem() -> tuple[str | None, bool]:
    """Return what is wrong with netem, or ``None``, and whether it takes a seed."""
    netem = ("dev", "lo", "root", "netem", "delay", "1ms")
    error = _attempt("tc", "qdisc", "add", *netem)
    if error is not None:
        return f"the kernel has no sch_netem ({error}); load or build it (CONFIG_NET_SCH_NETEM)", False
    if _attempt("tc", "qdisc", "change", *netem, "seed", "1") is not None:
        return None, False
    # A kernel that does not know seeds ignores them silently, so ask it.
    shown = subprocess.run(("tc", "qdisc", "show", "dev", "lo"), capture_output=True, text=True, check=False).stdout
    return None, "seed 1" in shown


def probe_nfqueue() -> str | None:
    """Return what is wrong with NFQUEUE, or ``None``."""
    try:
        Queue(0).close()
    except OSError as error:
        return f"the kernel has no nfnetlink_queue ({error}); load or build it (CONFIG_NETFILTER_NETLINK_QUEUE)"
    for program in ("iptables", "ip6tables"):
        with tempfile.NamedTemporaryFile() as lock:
            rule = ("-w", "-t", "mangle", "-A", "FORWARD", "-i", "lo", "-j", "NFQUEUE", "--queue-num", "0")
            problem = _attempt(program, *rule, XTABLES_LOCKFILE=lock.name)
        if problem is not None:
            return f"{program} cannot queue packets ({problem}); install iptables, and load xt_NFQUEUE"
    return None


def main() -> int:
    """Print what was found."""
    netem, seeded = probe_netem()
    print(json.dumps({"netem": netem, "netem_seed": seeded, "nfqueue": probe_nfqueue()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
