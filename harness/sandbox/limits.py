"""Resource limits that must be raised before entering a user namespace, where root is root no more."""

import resource
from collections.abc import Mapping

# A thread of real-time priority in the sandbox asks the limit, not the capability, which counts only in the
# initial user namespace. Nice 20 - 40 = -20. Each queue, node and endpoint holds a few descriptors.
WANTED: Mapping[str, tuple[int, int]] = {
    "rtprio": (resource.RLIMIT_RTPRIO, 99),
    "nice": (resource.RLIMIT_NICE, 40),
    "nofile": (resource.RLIMIT_NOFILE, 65536),
    "memlock": (resource.RLIMIT_MEMLOCK, 256 * 1024 * 1024),
}


def raise_limits() -> dict[str, int]:
    """Raise each limit of ``WANTED`` as far as allowed: to the wanted value, or else to the hard limit.

    Returns:
        What was reached, by name; -1 is "no limit".
    """
    reached = {}
    for name, (which, wanted) in WANTED.items():
        soft, hard = resource.getrlimit(which)
        for candidate in candidates(soft, hard, wanted):
            try:
                resource.setrlimit(which, candidate)
            except (OSError, ValueError):
                continue
            break
        reached[name] = resource.getrlimit(which)[0]
    return reached


def candidates(soft: int, hard: int, wanted: int) -> list[tuple[int, int]]:
    """Return the limits to try, best first; none when what is set is enough."""

    def less(one: int, other: int) -> bool:
        return one != resource.RLIM_INFINITY and (other == resource.RLIM_INFINITY or one < other)

    if not less(soft, wanted):
        return []
    if less(hard, wanted):
        return [(wanted, wanted), (hard, hard)]
    return [(wanted, hard)]
