"""What can go wrong with elements."""


class ElementError(Exception):
    """An element cannot be set up or changed; the message names the direction and the reason."""


class ElementUnsupported(ElementError):
    """This machine lacks the element, or the element cannot do what a link asks for; the message says which."""


class ElementDied(ElementError):
    """The element process ended or does not answer; the message has the end of its log. The run is invalid."""
