"""JSON Schemas of the kinds of files, for editors that complete and check TOML as it is written."""

import json
from typing import Any, Literal

from pydantic import BaseModel

from harness.spec.endpoint import Endpoint
from harness.spec.loader import ScenarioFile
from harness.spec.topology import Topology

Kind = Literal["scenario", "topology", "endpoint"]
KINDS: tuple[Kind, ...] = ("scenario", "topology", "endpoint")

_MODELS: dict[Kind, type[BaseModel]] = {"scenario": ScenarioFile, "topology": Topology, "endpoint": Endpoint}
_DRAFT = "http://json-schema.org/draft-07/schema#"


def schema_of(kind: Kind) -> dict[str, Any]:
    """Return the schema of a kind of file, with the shorthands that are taken apart before a model is validated."""
    schema: dict[str, Any] = {"$schema": _DRAFT, **_MODELS[kind].model_json_schema(by_alias=True)}
    schema["title"] = f"{kind} of the network emulation harness"
    parts = schema.get("$defs", {})
    if "Path" in parts:
        parts["Path"]["properties"]["both"] = {
            "$ref": "#/$defs/Link",
            "description": "what `forward` and `backward` have in common; their own keys come first",
        }
    if "Link" in parts:
        loss = parts["Link"]["properties"]["loss"]
        loss["anyOf"] = [{"type": ["string", "number"], "examples": ["1%"]}, *loss["anyOf"]]
    if kind == "scenario":
        _loosen(schema)
    _without_bounds_of_quantities(schema)
    return schema


def _without_bounds_of_quantities(part: Any) -> None:
    """Drop bounds of the numbers in memory: the files have text with units, and these keys are none of JSON Schema."""
    if isinstance(part, dict):
        for key in ("gt", "ge", "lt", "le"):
            part.pop(key, None)
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _without_bounds_of_quantities(inner)


def schema_text(kind: Kind) -> str:
    """Return the schema as the text of its file."""
    return json.dumps(schema_of(kind), indent=2, ensure_ascii=False) + "\n"


def _loosen(schema: dict[str, Any]) -> None:
    """Let one table stand for a list of one, and let a file that extends another one lack keys."""
    for name in ("fault", "probe", "expect"):
        own = schema["properties"][name]
        one = own.pop("items")
        bounds = {key: own.pop(key) for key in ("minItems", "type") if key in own}
        schema["properties"][name] = {**own, "anyOf": [one, {**bounds, "items": one}]}
    schema["anyOf"] = [{"required": schema.pop("required")}, {"required": ["extends"]}]
    for part in schema["$defs"].values():
        # `when.multipath.mode`, unquoted, is a table in a table.
        if "when" in part.get("properties", {}):
            part["properties"]["when"]["additionalProperties"] = True
    # Likewise the keys of the matrix.
    schema["properties"]["matrix"]["additionalProperties"] = True
