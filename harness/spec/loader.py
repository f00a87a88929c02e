"""Reading topologies and scenarios by name or file: inheritance, assignments, validation, and what fits together."""

import copy
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import Field

from harness.spec.document import Assignment, Document, place, problem_at, validate
from harness.spec.errors import Problem, SpecificationError
from harness.spec.explain import real_key
from harness.spec.fit import misfits
from harness.spec.keys import flat, resolve, with_value
from harness.spec.lines import Key
from harness.spec.link import Queue
from harness.spec.scenario import Scenario
from harness.spec.topology import Topology

PROJECT = Path(__file__).resolve().parent.parent.parent
_MACHINERY = ("extends", "set", "matrix")
_OF_TOPOLOGY = "topology."


class ScenarioFile(Scenario):
    """What a scenario file may hold: a scenario, and what it takes from another one or varies."""

    extends: str | None = Field(None, description="a scenario whose keys are taken where this file has none")
    set: dict[str, Any] = Field(
        {}, description='dotted keys and values put in, such as "topology.path.lower.both.rate"'
    )
    matrix: dict[str, list[Any]] = Field(
        {}, description="dotted keys and the values to vary: one run for each combination"
    )


@dataclass(frozen=True)
class Origin:
    """Where assignments are written.

    Attributes:
        source: a file, or an option of the command line.
        lines: the line of each key, where there are lines.
        folder: that relative names of files belong to; the working folder when None.

    """

    source: str
    lines: Mapping[str, int] = field(default_factory=dict)
    folder: Path | None = None


COMMAND_LINE = Origin("--set")


@dataclass(frozen=True)
class ScenarioSource:
    """A scenario as read, before values are put in.

    Attributes:
        data: the merged keys of the file and those it extends, without ``set`` and ``matrix``.
        topology_data: the topology's keys.
        documents: files the scenario's data come from, the most specific first.
        topology_documents: the topology's file.
        matrix: dotted keys and the values they take.
        origins: where each axis of the matrix is written.
        assigned: what was put into ``data``.
        topology_assigned: what was put into ``topology_data``.

    """

    data: dict[str, Any]
    topology_data: dict[str, Any]
    documents: tuple[Document, ...]
    topology_documents: tuple[Document, ...]
    matrix: dict[str, list[Any]]
    origins: Mapping[str, Origin] = field(default_factory=dict)
    assigned: tuple[Assignment, ...] = ()
    topology_assigned: tuple[Assignment, ...] = ()

    def assign(self, assignments: Sequence[tuple[str, Any]], origin: Origin = COMMAND_LINE) -> "ScenarioSource":
        """Put values in by dotted keys; one of them may replace the topology or fix an axis of the matrix.

        Raises:
            SpecificationError: a key leads nowhere.

        """
        source = self
        for key, value in assignments:
            source = source._without_axis(key)
            if key == "topology":
                source = source._with_topology(value, origin)
            elif key.startswith(_OF_TOPOLOGY):
                data, assigned = assign_in_topology(source.topology_data, key, value, origin)
                source = replace(source, topology_data=data, topology_assigned=(*source.topology_assigned, *assigned))
            else:
                source = source._with(key, value, origin)
        return source

    def vary(self, axes: Mapping[str, list[Any]], origin: Origin) -> "ScenarioSource":
        """Add axes to the matrix; one that is there already takes the new values.

        Raises:
            SpecificationError: an axis has no value, or one twice.

        """
        source = self
        for key, values in axes.items():
            fault = _axis_fault(values)
            if fault:
                raise SpecificationError.one(origin.source, key, fault)
            source = source._without_axis(key)
            source = replace(
                source, matrix={**source.matrix, key: list(values)}, origins={**source.origins, key: origin}
            )
        return source

    def at(self, point: Mapping[str, Any]) -> "ScenarioSource":
        """Put in the values of a point of the matrix.

        Raises:
            SpecificationError: a key leads nowhere.

        """
        source = self
        for key, value in point.items():
            source = source.assign([(key, value)], self.origins.get(key, COMMAND_LINE))
        return source

    def _with(self, key: str, value: Any, origin: Origin) -> "ScenarioSource":
        way, data = _put(self.data, key, value, key, origin)
        assigned = Assignment(way, key, value, origin.source, origin.lines.get(key))
        return replace(self, data=data, assigned=(*self.assigned, assigned))

    def _with_topology(self, name: Any, origin: Origin) -> "ScenarioSource":
        """Take another topology, with what the scenario itself puts into its topology."""
        try:
            document = read_topology_document(_text(name), origin.folder)
        except SpecificationError as error:
            line = origin.lines.get("topology")
            raise SpecificationError.one(origin.source, "topology", _inner(error), line) from None
        data, kept = document.data, list[Assignment]()
        for old in dict.fromkeys((each.text, each.source, each.line) for each in self.topology_assigned):
            text, source, line = old
            value = next(each.value for each in self.topology_assigned if each.text == text)
            data, put = assign_in_topology(data, text, value, Origin(source, {text: line} if line else {}))
            kept += put
        changed = replace(self, topology_data=data, topology_documents=(document,), topology_assigned=tuple(kept))
        return changed._with("topology", name, origin)

    def _without_axis(self, key: str) -> "ScenarioSource":
        """Fix the axis of the matrix that ``key`` is or is around, however each of the two is written."""
        wanted = self._where(key)
        matrix = {axis: values for axis, values in self.matrix.items() if self._where(axis)[: len(wanted)] != wanted}
        return replace(self, matrix=matrix) if len(matrix) < len(self.matrix) else self

    def _where(self, key: str) -> Key:
        data, rest, prefix = self.data, key, ""
        if key.startswith(_OF_TOPOLOGY):
            data, rest, prefix = self.topology_data, key.removeprefix(_OF_TOPOLOGY), _OF_TOPOLOGY
        try:
            return (prefix, *resolve(data, rest, source=""))
        except SpecificationError:
            return (prefix, rest)

    def build(self) -> tuple[Scenario, Topology]:
        """Validate both and that they fit together.

        Raises:
            SpecificationError: with a problem for each fault.

        """
        problems: list[Problem] = []
        topology = scenario = None
        try:
            topology = validate(Topology, self.topology_data, self.topology_documents, self.topology_assigned)
        except SpecificationError as error:
            problems += error.problems
        try:
            scenario = validate(Scenario, self.data, self.documents, self.assigned, also=_MACHINERY)
        except SpecificationError as error:
            problems += error.problems
        if topology is None or scenario is None:
            raise SpecificationError(problems)
        varied = {*self.matrix, *(each.text for each in (*self.assigned, *self.topology_assigned))}
        for key, message in misfits(scenario, topology, varied=varied):
            problems.append(problem_at(real_key(key, self.data), message, self.documents, self.assigned))
        if problems:
            raise SpecificationError(problems)
        return scenario, topology


def assign_in_topology(
    data: dict[str, Any], key: str, value: Any, origin: Origin = COMMAND_LINE
) -> tuple[dict[str, Any], list[Assignment]]:
    """Return a topology's data with a value put in by its key (``topology.`` before it or not), and what was put where.

    What is put into ``both`` of a path is put into a direction's own keys, too, where these would hide it.

    Raises:
        SpecificationError: the key leads nowhere.

    """
    rest = key.removeprefix(_OF_TOPOLOGY)
    way, data = _put(data, rest, value, key, origin)
    ways = [way]
    if len(way) > 3 and way[0] == "path" and way[2] == "both":
        own = data["path"][way[1]]
        for direction in ("forward", "backward"):
            if isinstance(own.get(direction), dict) and way[3] in own[direction]:
                hidden, data = _put(data, ".".join(map(str, (*way[:2], direction, *way[3:]))), value, key, origin)
                ways.append(hidden)
    line = origin.lines.get(key)
    return data, [Assignment(each, key, value, origin.source, line) for each in ways]


def _put(data: Mapping[str, Any], key: str, value: Any, shown: str, origin: Origin) -> tuple[Key, dict[str, Any]]:
    try:
        way = resolve(data, key, source=origin.source)
        if len(way) > 1 and way[-2] == "queue" and way[-1] in Queue.model_fields:
            # The measure of a queue takes the place of the one it had.
            return way, with_value(data, key.rpartition(".")[0], {way[-1]: value}, source=origin.source)
        return way, with_value(data, key, value, source=origin.source)
    except SpecificationError as error:
        raise SpecificationError.one(origin.source, shown, error.problems[0].message, origin.lines.get(shown)) from None


def find(kind: str, name: str, folder: Path | None = None) -> Path:
    """Return the file of a topology, scenario or endpoint given by name or by path.

    ``folder`` is what a relative path belongs to; the working folder when None.

    Raises:
        SpecificationError: there is no such file; the message lists the names there are.

    """
    known = names(kind)
    if name.endswith(".toml") or "/" in name:
        path = (folder or Path()) / name
        if path.is_file():
            return path
        fault = "is a folder" if path.is_dir() else "no such file"
        raise SpecificationError.one(name, "", f"{fault}; give a {kind} file or one of: {', '.join(known)}")
    if name in known:
        return PROJECT / _folder(kind) / f"{name}.toml"
    near = difflib.get_close_matches(name, known, n=1)
    meant = f" (is {near[0]!r} meant?)" if near else ""
    raise SpecificationError.one(name, "", f"is no {kind}{meant}; allowed: {', '.join(known)}, or a .toml file")


def names(kind: str) -> list[str]:
    """Return the names of the bundled topologies, scenarios or endpoints."""
    return sorted(path.stem for path in (PROJECT / _folder(kind)).glob("*.toml"))


def _folder(kind: str) -> str:
    return {"topology": "topologies", "scenario": "scenarios", "endpoint": "endpoints"}[kind]


def read_topology_document(name: str, folder: Path | None = None) -> Document:
    """Read a topology's file; see `find` for the arguments."""
    return Document.read(find("topology", name, folder))


def load_topology(name: str) -> Topology:
    """Read and validate a topology given by name or file.

    Raises:
        SpecificationError: it is not there or not right.

    """
    document = read_topology_document(name)
    return validate(Topology, document.data, [document])


def load_scenario(name: str) -> ScenarioSource:
    """Read a scenario given by name or file, with what it extends and its own assignments put in.

    Raises:
        SpecificationError: a file is missing or not TOML, the inheritance is circular, or a dotted key leads nowhere.

    """
    documents = _with_ancestors(Document.read(find("scenario", name)))
    merged: dict[str, Any] = {}
    for document in reversed(documents):
        merged = _merge(merged, document.data)
    assignments = _table(merged, "set", documents)
    matrix = _matrix(merged, documents)
    data = {key: value for key, value in merged.items() if key not in _MACHINERY}
    file, line = place(("topology",), documents)
    named = data.get("topology")
    if not isinstance(named, str):
        fault = "is missing; give" if named is None else f"{named!r} is not text; write"
        raise SpecificationError.one(file, "topology", f"{fault} the name of a topology or its file", line)
    try:
        topology = read_topology_document(named, _holder(documents, "topology").folder)
    except SpecificationError as error:
        raise SpecificationError.one(file, "topology", _inner(error), line) from None
    origins = {key: _origin(documents, "matrix", [key]) for key in matrix}
    # A file's own values do not fix the axes of its own matrix, so it comes last; only the command line's do.
    source = ScenarioSource(data, topology.data, tuple(documents), (topology,), {})
    for key, value in assignments.items():
        source = source.assign([(key, value)], _origin(documents, "set", [key]))
    return replace(source, matrix=matrix, origins=origins)


def _with_ancestors(document: Document) -> list[Document]:
    documents = [document]
    while "extends" in documents[-1].data:
        last = documents[-1]
        base, line = last.data["extends"], last.line(("extends",))
        if not isinstance(base, str):
            raise SpecificationError.one(last.file, "extends", f"{base!r} is not the name of a scenario", line)
        try:
            following = Document.read(find("scenario", base, last.folder))
        except SpecificationError as error:
            raise SpecificationError.one(last.file, "extends", _inner(error), line) from None
        if following.file in [other.file for other in documents]:
            chain = " → ".join([*(other.file for other in documents), following.file])
            raise SpecificationError.one(last.file, "extends", f"a scenario cannot extend itself: {chain}", line)
        documents.append(following)
    return documents


def _inner(error: SpecificationError) -> str:
    """Return an error about a file that another one names, as a part of a message about that one."""
    return str(error.problems[0])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _holder(documents: Sequence[Document], key: str) -> Document:
    return next((document for document in documents if key in document.data), documents[0])


def _origin(documents: Sequence[Document], table: str, keys: Sequence[str]) -> Origin:
    """Return where the assignments of a table stand: in the first document that has one of them."""
    for document in documents:
        lines = {}
        for key in keys:
            for way in ((table, key), (table, *key.split("."))):
                if way in document.lines:
                    lines[key] = document.lines[way]
        if lines:
            return Origin(document.file, lines, document.folder)
    return Origin(documents[0].file, {}, documents[0].folder)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge tables key by key; anything else of ``over`` replaces what ``base`` has."""
    result = copy.deepcopy(dict(base))
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict) and key != "matrix":
            result[key] = _merge(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _table(data: Mapping[str, Any], key: str, documents: Sequence[Document]) -> dict[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, dict):
        file, line = place((key,), documents)
        raise SpecificationError.one(file, key, "is a table of dotted keys and their values", line)
    return dict(flat(value))


def _matrix(data: Mapping[str, Any], documents: Sequence[Document]) -> dict[str, list[Any]]:
    matrix = _table(data, "matrix", documents)
    for key, values in matrix.items():
        fault = _axis_fault(values)
        if fault:
            origin = _origin(documents, "matrix", [key])
            raise SpecificationError.one(origin.source, f"matrix.{key}", fault, origin.lines.get(key))
    return matrix


def _axis_fault(values: Any) -> str | None:
    if not isinstance(values, list) or not values:
        return f"{values!r} is not a list of one or more values"
    if any(value in values[:position] for position, value in enumerate(values)):
        return "a value is there twice; use --repeat for more runs"
    return None
