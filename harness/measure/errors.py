"""The error that every measuring component raises when it can no longer measure."""


class MeasurementError(Exception):
    """A measuring component failed; the message begins with its name and says what happened."""

    def __init__(self, component: str, what: str) -> None:
        super().__init__(f"{component}: {what}")
        self.component = component
        self.what = what
