"""Errors with their alerts."""

import pytest

from impl.tls13.alerts import TLSError, decode_error, illegal_parameter, unexpected_message
from impl.tls13.registries import AlertDescription


@pytest.mark.parametrize(
    ("error", "alert"),
    [
        (decode_error("why"), AlertDescription.DECODE_ERROR),
        (illegal_parameter("why"), AlertDescription.ILLEGAL_PARAMETER),
        (unexpected_message("why"), AlertDescription.UNEXPECTED_MESSAGE),
    ],
)
def test_says_what_and_why(error: TLSError, alert: AlertDescription) -> None:
    assert error.alert is alert
    assert error.reason == "why"
    assert str(error) == f"{alert.name.lower()}: why"
