"""The errors of elements: one base, so that a caller can tell what is lacking from what went wrong."""

import pytest

from harness.elements import ElementDied, ElementError, ElementUnsupported


@pytest.mark.parametrize("kind", [ElementDied, ElementUnsupported])
def test_all_are_element_errors_with_their_message(kind: type[ElementError]) -> None:
    with pytest.raises(ElementError, match=r"^path upper, forward: no$"):
        raise kind("path upper, forward: no")


def test_neither_is_taken_for_the_other() -> None:
    assert not issubclass(ElementDied, ElementUnsupported)
    assert not issubclass(ElementUnsupported, ElementDied)
