"""Which elements this machine has, which one a run takes, and what an element refuses."""

import functools
import json
import os
import subprocess
import sys
from dataclasses import dataclass

from harness.elements import netem
from harness.elements.errors import ElementUnsupported
from harness.spec.link import Link

NAMES = ("netem", "nfqueue")


@dataclass(frozen=True)
class Availability:
    """What this kernel has.

    Attributes:
        netem: why there is no netem, or ``None`` when there is.
        netem_seed: whether netem's choices can be seeded (Linux 6.6 and iproute2 6.6).
        nfqueue: why there is no NFQUEUE, or ``None`` when there is.

    """

    netem: str | None
    netem_seed: bool
    nfqueue: str | None

    def names(self) -> list[str]:
        """Return the elements that there are, the preferred first."""
        return [name for name in NAMES if getattr(self, name) is None]


@functools.cache
def available_elements() -> Availability:
    """Try both elements in a network namespace made for it; asks the kernel once in a process.

    Raises:
        ElementUnsupported: no network namespace can be made.

    """
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *user, "--net", sys.executable, "-P", "-m", "harness.elements.probe"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise ElementUnsupported(f"cannot try the elements in a network namespace: {said}")
    return Availability(**json.loads(done.stdout))


def resolve(name: str) -> str:
    """Return the element to take for ``auto``, ``netem`` or ``nfqueue``: auto is netem where the kernel has it.

    Raises:
        ElementUnsupported: this machine lacks it; the message names the missing part of the kernel.
        ValueError: no such element.

    """
    if name not in ("auto", *NAMES):
        raise ValueError(f"{name!r} is no element; allowed: auto, {', '.join(NAMES)}")
    found = available_elements()
    if name != "auto":
        missing = getattr(found, name)
        if missing is not None:
            raise ElementUnsupported(f"element {name}: {missing}")
        return name
    if not found.names():
        raise ElementUnsupported(f"no element for delay and loss: {found.netem}; {found.nfqueue}")
    return found.names()[0]


def refuse(link: Link, element: str) -> list[str]:
    """Return what the element cannot do of a link; empty when it can do all. Needs no privileges and no kernel."""
    return netem.refusals(link) if element == "netem" else []


def refuse_change(old: Link, new: Link, element: str) -> list[str]:
    """Return what the element cannot do of a change during a run; empty when it can do all."""
    return netem.change_refusals(old, new) if element == "netem" else []
