"""Tests of harness.spec.errors."""

from harness.spec.errors import Misfit, Problem, SpecificationError


class TestProblem:
    def test_with_and_without_line_and_key(self) -> None:
        assert str(Problem("a.toml", "x.y", "is missing", 3)) == "a.toml:3: x.y: is missing"
        assert str(Problem("a.toml", "", "no such file")) == "a.toml: no such file"
        assert str(Problem("--set", "x", "is missing")) == "--set: x: is missing"

    def test_is_one_line_whatever_the_user_wrote(self) -> None:
        assert str(Problem("a.toml", "a\nb", "'x\r\ny' is wrong")) == "a.toml: a b: 'x y' is wrong"


class TestSpecificationError:
    def test_has_a_line_for_each_problem(self) -> None:
        error = SpecificationError([Problem("a", "", "one"), Problem("b", "", "two")])
        assert str(error) == "a: one\nb: two"

    def test_of_one(self) -> None:
        assert SpecificationError.one("a", "k", "wrong", 2).problems == [Problem("a", "k", "wrong", 2)]


def test_misfit_leads_to_what_is_wrong() -> None:
    assert Misfit("is wrong", "path", 0).key == ("path", 0)
    assert str(Misfit("is wrong", "path", 0)) == "is wrong"
