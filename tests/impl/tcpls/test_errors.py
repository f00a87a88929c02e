"""Which alert goes with which kind of error."""

from collections.abc import Callable

import pytest

from impl.tcpls.errors import limit_exceeded, malformed, protocol_violation
from impl.tls13.alerts import TLSError
from impl.tls13.registries import AlertDescription


@pytest.mark.parametrize(
    ("make", "alert"),
    [
        (protocol_violation, AlertDescription.ILLEGAL_PARAMETER),
        (malformed, AlertDescription.DECODE_ERROR),
        (limit_exceeded, AlertDescription.INTERNAL_ERROR),
    ],
)
def test_alerts(make: Callable[[str], TLSError], alert: AlertDescription) -> None:
    error = make("because")
    assert (error.alert, error.reason) == (alert, "because")
