"""What the errors say."""

import errno

from impl.tcpls.sockets.errors import AllFailed, ConnectFailed, because


class TestBecause:
    def test_the_system_words_and_what_they_mean(self) -> None:
        assert (
            because(OSError(errno.ECONNREFUSED, "Connection refused")) == "Connection refused (nothing listens there)"
        )
        assert because(OSError(errno.EIO, "Input/output error")) == "Input/output error"

    def test_without_number_or_words(self) -> None:
        assert because(TimeoutError()) == "TimeoutError"
        assert because(OSError("odd")) == "odd"


class TestFailures:
    def test_all_are_in_one_message(self) -> None:
        errors = [ConnectFailed(errno.EIO, "cannot connect to a: b"), OSError("c")]
        failure = AllFailed(errors)
        assert str(failure) == "no connection could be made: cannot connect to a: b; c"
        assert failure.errors == tuple(errors)
        assert errors[0].errno == errno.EIO
