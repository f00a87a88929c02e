"""What is said when there is no session, and how an interruption ends a command."""

import asyncio
import os
import signal

import pytest

from impl.tcpls.cli.errors import run, session_failed
from impl.tcpls.errors import SessionOver
from impl.tls13.cli.errors import CommandFailed
from impl.tls13.events import Failed
from impl.tls13.registries import AlertDescription


class TestSessionFailed:
    def test_what_was_found_here(self) -> None:
        failure = Failed(alert=AlertDescription.UNKNOWN_CA, reason="nobody knows it", by="local")
        error = session_failed("host:1", SessionOver("nobody knows it"), failure)
        assert str(error).startswith("host:1: unknown_ca: nobody knows it; name the file of its authority with --ca")
        assert error.code == 1

    def test_what_the_server_found(self) -> None:
        failure = Failed(alert=AlertDescription.CERTIFICATE_REQUIRED, reason="the peer says it", by="peer")
        assert "none can be shown here" in str(session_failed("host:1", SessionOver("x"), failure))

    def test_what_has_no_alert(self) -> None:
        failure = Failed(alert=None, reason="the end", by="transport")
        assert str(session_failed("host:1", SessionOver("the end"), failure)) == "host:1: the end"

    def test_a_handshake_without_end(self) -> None:
        assert "takes too long" in str(session_failed("host:1", TimeoutError()))

    def test_an_error_of_the_system(self) -> None:
        assert str(session_failed("host:1", OSError(5, "Input/output error"))) == "host:1: Input/output error"


class TestRun:
    def test_a_result(self) -> None:
        assert run(asyncio.sleep(0, "done")) == "done"

    def test_an_interruption_cancels_and_is_told(self) -> None:
        ended = []

        async def wait() -> None:
            os.kill(os.getpid(), signal.SIGINT)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.append(True)

        with pytest.raises(CommandFailed, match="interrupted") as failed:
            run(wait())
        assert failed.value.code == 130
        assert ended == [True]
