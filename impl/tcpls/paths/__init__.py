"""Path management of the client (draft-piraux-tcpls-00, section 4.2.1): which connections to open, and when.

Only the client opens connections. The draft has it do so with a token from the server, and leaves when and where to
the endpoint.
"""

from impl.tcpls.paths.candidates import Candidate, pair_up, without_crossing
from impl.tcpls.paths.manager import Cancel, Connect, PathManager, Refusal
from impl.tcpls.paths.settings import PathSettings, Policy

__all__ = [
    "Cancel",
    "Candidate",
    "Connect",
    "PathManager",
    "PathSettings",
    "Policy",
    "Refusal",
    "pair_up",
    "without_crossing",
]
