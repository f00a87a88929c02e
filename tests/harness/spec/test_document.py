"""Tests of harness.spec.document."""

from pathlib import Path

import pytest

from harness.spec.document import Assignment, Document, place, problem_at, show, validate
from harness.spec.errors import SpecificationError
from harness.spec.topology import Topology
from tests.support.specs import TOPOLOGY


def message(path: Path) -> str:
    with pytest.raises(SpecificationError) as caught:
        Document.read(path, shown="f.toml")
    return str(caught.value)


def document(text: str, tmp_path: Path, name: str = "f.toml") -> Document:
    (tmp_path / name).write_text(text)
    return Document.read(tmp_path / name, shown=name)


class TestReading:
    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (b"", "f.toml: is empty;"),
            (b"# nothing\n", "f.toml: is empty;"),
            (b"\xff\xfe\x00a", "f.toml: cannot be read: it is not UTF-8 text"),
            (b"a = 1\nrate = 25mbit\n", "f.toml:2: not TOML: something follows a value; text stands in quotes"),
            (b"a = 1\nb =\n", "f.toml:2: not TOML: a value is missing or is not TOML"),
            (b"a = 1\na = 2\n\n", "f.toml:2: not TOML: a key is given twice"),
            (
                b"[path]\n[path]\n",
                "f.toml:2: not TOML: the table [path] is there twice; one of several is written [[path]]",
            ),
            (b'a = "x\n', "f.toml:1: not TOML: Illegal character '\\n'"),
            (b"\n\na = 1\nb = [1,\n", "f.toml:4: not TOML: a value is missing"),
            (b"a = " + b"[" * 5000, "f.toml: not TOML: lists or tables are nested too deeply"),
            (b"a = " + b"9" * 5000, "f.toml: not TOML: a number has too many digits"),
            (b"\x00\x01\x02", "f.toml:1: not TOML: Invalid statement"),
        ],
    )
    def test_what_is_no_specification(self, tmp_path: Path, content: bytes, expected: str) -> None:
        (tmp_path / "f.toml").write_bytes(content)
        found = message(tmp_path / "f.toml")
        assert found.startswith(expected)
        assert "\n" not in found

    def test_missing_and_folder(self, tmp_path: Path) -> None:
        assert message(tmp_path / "none.toml") == "f.toml: cannot be read: No such file or directory"
        assert message(tmp_path) == "f.toml: cannot be read: Is a directory"

    def test_a_byte_order_mark_is_no_part_of_it(self, tmp_path: Path) -> None:
        (tmp_path / "f.toml").write_bytes(b"\xef\xbb\xbfa = 1\n")
        assert Document.read(tmp_path / "f.toml").data == {"a": 1}

    def test_is_named_as_seen_from_the_working_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "f.toml").write_text("a = 1\n")
        monkeypatch.chdir(tmp_path)
        read = Document.read(tmp_path / "f.toml")
        assert read.file == "f.toml"
        assert read.folder == tmp_path


class TestPlaces:
    def test_line_of_a_key_or_of_what_is_around_it(self, tmp_path: Path) -> None:
        read = document("[a]\nb = { c = 1 }\n", tmp_path)
        assert read.line(("a", "b", "c")) == 2
        assert read.line(("a", "x", "y")) == 1
        assert read.line(("z",)) is None

    def test_the_first_document_that_has_the_key_is_named(self, tmp_path: Path) -> None:
        own = document("[a]\nb = 1\n", tmp_path, "own.toml")
        base = document("[a]\n\n\nc = 1\n", tmp_path, "base.toml")
        assert place(("a", "b"), [own, base]) == ("own.toml", 2)
        assert place(("a", "c"), [own, base]) == ("base.toml", 4)
        assert place(("a", "d"), [own, base]) == ("own.toml", 1)
        assert place((), [own, base]) == ("own.toml", None)

    def test_keys_as_people_write_them(self) -> None:
        assert show(("fault", 0, "path")) == "fault[0].path"
        assert show(("sysctl", "net.ipv4.tcp_sack")) == 'sysctl."net.ipv4.tcp_sack"'


class TestAssignments:
    RATE = Assignment(("a", "b"), "topology.a.b", 1, "--set")

    def test_what_was_put_in_is_named_in_place_of_a_file(self, tmp_path: Path) -> None:
        read = document("[a]\nb = 1\n", tmp_path)
        assert str(problem_at(("a", "b"), "is wrong", [read], [self.RATE])) == "--set: topology.a.b: is wrong"
        assert (
            str(problem_at(("a", "b", 0, "c"), "is wrong", [read], [self.RATE])) == "--set: topology.a.b[0].c: is wrong"
        )

    def test_a_part_that_was_put_in_is_mentioned(self, tmp_path: Path) -> None:
        read = document("[a]\nb = 1\n", tmp_path)
        assert (
            str(problem_at(("a",), "is wrong", [read], [self.RATE]))
            == "f.toml:1: a: is wrong (given: --set topology.a.b)"
        )

    def test_a_table_made_by_an_assignment_alone(self, tmp_path: Path) -> None:
        read = document("x = 1\n", tmp_path)
        line = Assignment(("a", "b"), "a.b", 1, "s.toml", 7)
        assert str(problem_at(("a",), "is not known", [read], [line])) == "s.toml:7: a.b: a is not known"

    def test_others_are_not(self, tmp_path: Path) -> None:
        read = document("[a]\nb = 1\nc = 2\n", tmp_path)
        assert str(problem_at(("a", "c"), "is wrong", [read], [self.RATE])) == "f.toml:3: a.c: is wrong"


def test_validate_gives_the_model(tmp_path: Path) -> None:
    read = document(TOPOLOGY, tmp_path)
    assert validate(Topology, read.data, [read]).name == "net"
