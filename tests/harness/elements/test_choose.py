"""Tests of harness.elements.choose: what is available, resolved and refused."""

import pytest

from harness.elements import (
    Availability,
    ElementUnsupported,
    available_elements,
    choose,
    refuse,
    refuse_change,
    resolve,
)
from harness.spec.link import Link

INDEXED = Link.model_validate({"loss": {"model": "indexes", "packets": [1]}})


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Availability:
    monkeypatch.setattr(choose, "available_elements", lambda: request.param)
    return request.param  # type: ignore[no-any-return]


BOTH = Availability(netem=None, netem_seed=True, nfqueue=None)
NO_NETEM = Availability(netem="the kernel has no sch_netem", netem_seed=False, nfqueue=None)
NEITHER = Availability(netem="the kernel has no sch_netem", netem_seed=False, nfqueue="no nfnetlink_queue")


class TestResolve:
    @pytest.mark.parametrize(("kernel", "element"), [(BOTH, "netem"), (NO_NETEM, "nfqueue")], indirect=["kernel"])
    def test_auto_prefers_netem(self, kernel: Availability, element: str) -> None:
        assert resolve("auto") == element

    @pytest.mark.parametrize("kernel", [NO_NETEM], indirect=True)
    def test_what_the_kernel_lacks_is_named(self, kernel: Availability) -> None:
        assert resolve("nfqueue") == "nfqueue"
        with pytest.raises(ElementUnsupported, match="sch_netem"):
            resolve("netem")

    @pytest.mark.parametrize("kernel", [NEITHER], indirect=True)
    def test_without_any_all_reasons_are_named(self, kernel: Availability) -> None:
        with pytest.raises(ElementUnsupported, match=r"sch_netem.*nfnetlink_queue"):
            resolve("auto")

    def test_another_name_is_refused_with_those_allowed(self) -> None:
        with pytest.raises(ValueError, match="auto, netem, nfqueue"):
            resolve("dummynet")


class TestRefusals:
    def test_netem_refuses_by_name_what_nfqueue_does(self) -> None:
        assert "indexes" in refuse(INDEXED, "netem")[0]
        assert refuse(INDEXED, "nfqueue") == []

    def test_a_change_is_refused_for_the_same_reasons(self) -> None:
        assert refuse_change(Link(), INDEXED, "netem")
        assert refuse_change(Link(), INDEXED, "nfqueue") == []


@pytest.mark.sandbox
class TestThisKernel:
    def test_it_has_at_least_one(self) -> None:
        found = available_elements()
        assert found.names()
        assert resolve("auto") == found.names()[0]
