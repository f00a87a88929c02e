"""Traces of a session as qlog: JSON text sequences (RFC 7464; draft-ietf-quic-qlog-main-schema), and their reader.

A trace has one header record and then one record for each event. Events are of the namespace ``tcpls``:

========================  ==========================================================================================
event                     data
========================  ==========================================================================================
``session_started``       ``tcpls`` (false: the server does not speak it), ``cipher_suite``
``connection_started``    ``connection_id``, ``local``, ``remote`` (addresses with ports): its socket is there
``connection_joined``     ``connection_id``, ``mode`` (``apparent`` or ``direct``)
``connection_suspected``  ``connection_id``, ``reason``, ``bytes`` (that go on other connections as well)
``connection_recovered``  ``connection_id``
``connection_closed``     ``connection_id``, ``reason``, ``failed``
``record_sent``           ``connection_id``, ``sequence``, ``length`` (bytes of content), ``frames``
``record_received``       the same
``ack_received``          ``connection_id`` (whose records are acknowledged), ``sequence`` (the highest one), ``via``
``stream_opened``         ``stream_id``, ``by`` (``local`` or ``remote``)
``stream_finished``       ``stream_id``
``token_issued``          ``sequence``; the tokens themselves are secrets, and never in a trace
``token_used``            ``connection_id``, ``mode``
``migration``             ``connection_id``, over which stream data go from now on
``key_update``            ``connection_id``, ``direction`` (``send`` or ``receive``)
``session_closed``        ``reason``, ``clean``
========================  ==========================================================================================

Each may have more fields. ``merge_faults`` puts the faults of a harness run into a trace, as events ``harness:fault``.

**Time.** ``time`` is in milliseconds since the trace's reference, on CLOCK_MONOTONIC, the clock of the harness and of
its endpoints' event lines. The header's common fields have ``reference_monotonic_ns``, that moment on the clock, and
``reference_time.wall_clock_time``, when it was.
"""

from impl.tcpls.qlog.format import SUFFIX, QlogError
from impl.tcpls.qlog.frames import FrameData, describe
from impl.tcpls.qlog.merging import merge_faults
from impl.tcpls.qlog.reader import read_qlog
from impl.tcpls.qlog.writer import QlogWriter, Role

__all__ = [
    "SUFFIX",
    "FrameData",
    "QlogError",
    "QlogWriter",
    "Role",
    "describe",
    "merge_faults",
    "read_qlog",
]
