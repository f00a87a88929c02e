"""Tests of harness.spec.schemas: with a checker of the part of JSON Schema that these use."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from harness.spec.loader import PROJECT, find, names
from harness.spec.schemas import KINDS, Kind, schema_of, schema_text
from tests.support.specs import SCENARIO, TOPOLOGY

FOLDER = PROJECT / "docs" / "schemas"
KNOWN = {
    "$schema", "$defs", "$ref", "title", "description", "default", "examples", "discriminator", "type", "const", "enum",
    "anyOf", "oneOf", "properties", "required", "additionalProperties", "items", "minItems", "maxItems", "minLength",
    "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "propertyNames",
}  # fmt: skip
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float),
    "boolean": (bool,), "null": (type(None),),
}  # fmt: skip


def accepts(schema: Any, value: Any, root: dict[str, Any]) -> bool:
    """Tell whether a value fits a schema."""
    if isinstance(schema, bool):
        return schema
    assert set(schema) <= KNOWN, f"the checker does not know {set(schema) - KNOWN}"
    if "$ref" in schema and not accepts(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, root):
        return False
    if "anyOf" in schema and not any(accepts(each, value, root) for each in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(accepts(each, value, root) for each in schema["oneOf"]) != 1:
        return False
    return _plain(schema, value) and _parts(schema, value, root)


def _plain(schema: dict[str, Any], value: Any) -> bool:
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        fits = [isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool)) for kind in kinds]
        if not any(fits):
            return False
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bool(
            value >= schema.get("minimum", value)
            and value <= schema.get("maximum", value)
            and value > schema.get("exclusiveMinimum", value - 1)
            and value < schema.get("exclusiveMaximum", value + 1)
        )
    return True


def _parts(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and all(
            accepts(schema.get("items", True), each, root) for each in value
        )
    if isinstance(value, dict):
        own = schema.get("properties", {})
        return set(schema.get("required", ())) <= set(value) and all(
            accepts(own.get(key, schema.get("additionalProperties", True)), each, root) for key, each in value.items()
        )
    return True


def fits(kind: Kind, text: str) -> bool:
    schema = schema_of(kind)
    return accepts(schema, tomllib.loads(text), schema)


class TestFiles:
    @pytest.mark.parametrize("kind", KINDS)
    def test_are_up_to_date(self, kind: Kind) -> None:
        written = (FOLDER / f"{kind}.schema.json").read_text(encoding="utf-8")
        assert written == schema_text(kind), "run: harness schema docs/schemas"

    @pytest.mark.parametrize("kind", ["scenario", "topology"])
    def test_are_named_by_the_bundled_files_they_are_for(self, kind: Kind) -> None:
        for name in names(kind):
            path = find(kind, name)
            named = re.search(r"^#:schema (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert named is not None
            assert (path.parent / named[1]).resolve() == FOLDER / f"{kind}.schema.json"


class TestAcceptance:
    @pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in names(kind)])
    def test_of_bundled_files(self, kind: Kind, name: str) -> None:
        assert fits(kind, find(kind, name).read_text(encoding="utf-8"))

    @pytest.mark.parametrize("page", ["topologies", "scenarios"])
    def test_of_the_examples_in_the_documentation(self, page: str) -> None:
        text = (PROJECT / "docs" / f"{page}.md").read_text(encoding="utf-8")
        examples = [block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "\nname = " in f"\n{block}"]
        whole = [block for block in examples if block.startswith("# ")]
        assert whole
        kind: Kind = "topology" if page == "topologies" else "scenario"
        assert all(fits(kind, block) for block in whole)

    def test_of_shorthands(self) -> None:
        assert fits("topology", TOPOLOGY + 'forward = { loss = "1%" }\n')
        assert fits("topology", TOPOLOGY + "forward = { loss = { probability = 0.5 } }\n")
        assert fits("scenario", SCENARIO.replace("[[fault]]", "[fault]").replace("[[expect]]", "[expect]"))
        assert fits("scenario", 'name = "x"\nextends = "failover"\n[matrix]\nfault.kind = ["drop"]\n')


class TestRefusal:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"client"\nkind = "client"', '"client"\nkind = "host"'),
            ("both", "bth"),
            ('name = "net"', ""),
            ('"5mbit"', "5"),
        ],
    )
    def test_of_wrong_topologies(self, old: str, new: str) -> None:
        assert old in TOPOLOGY
        assert not fits("topology", TOPOLOGY.replace(old, new))

    @pytest.mark.parametrize(
        ("old", "new"), [('"drop"', '"dorp"'), ("limit", "limt"), ('topology = "two_paths"', ""), ('"1s"', "1")]
    )
    def test_of_wrong_scenarios(self, old: str, new: str) -> None:
        assert old in SCENARIO
        assert not fits("scenario", SCENARIO.replace(old, new))


def test_schemas_are_written_nowhere_else() -> None:
    assert sorted(path.name for path in Path(FOLDER).iterdir()) == sorted(f"{kind}.schema.json" for kind in KINDS)
