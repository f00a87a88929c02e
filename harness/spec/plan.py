"""The plan of a command: scenarios × endpoints × matrix × repeats, and the id of each run."""

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.spec.document import Document, place, validate
from harness.spec.endpoint import Endpoint
from harness.spec.errors import Problem, SpecificationError
from harness.spec.loader import Origin, ScenarioSource, find, load_scenario, names
from harness.spec.scenario import Scenario
from harness.spec.topology import Topology

RUN_ID_LENGTH = 12
MOST_RUNS = 10_000
_PARTS = ("scenario", "topology", "endpoint")


@dataclass(frozen=True)
class EndpointSource:
    """An endpoint's definition and the folder that its relative commands belong to."""

    definition: Endpoint
    data: dict[str, Any]
    folder: Path


@dataclass(frozen=True)
class PlannedRun:
    """One run, before it has a directory.

    Attributes:
        values: the point of the matrix, and what was put in on the command line.
        specification: plain data that is enough to run it again (with the endpoint's program).

    """

    scenario: Scenario
    topology: Topology
    endpoint: Endpoint
    endpoint_folder: Path
    seed: int
    element: str
    values: dict[str, Any]
    specification: dict[str, Any]

    @property
    def run_id(self) -> str:
        """Hash of the specification: equal specifications have equal ids."""
        text = json.dumps(self.specification, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:RUN_ID_LENGTH]


def load_endpoint(name: str, folder: Path | None = None) -> EndpointSource:
    """Read and validate an endpoint definition given by name or file.

    ``folder`` is what a relative file name belongs to; the working folder when None.

    Raises:
        SpecificationError: it is not there or not right.

    """
    path = find("endpoint", name, folder)
    document = Document.read(path)
    return EndpointSource(validate(Endpoint, document.data, [document]), document.data, path.resolve().parent)


def plan_runs(
    scenarios: Sequence[str],
    *,
    endpoints: Sequence[str] | None = None,
    assignments: Sequence[tuple[str, Any]] = (),
    repeat: int = 1,
    seed: int | None = None,
    element: str,
    vary: Mapping[str, list[Any]] | None = None,
) -> list[PlannedRun]:
    """Work out all runs of a command, with everything validated before the first one starts.

    Args:
        scenarios: names or files.
        endpoints: names or files; each scenario's own ones when absent.
        assignments: dotted keys and values put into every scenario.
        repeat: runs of each combination, with seeds that count up.
        seed: the first seed; each scenario's own one when absent.
        element: ``netem`` or ``nfqueue``, already chosen.
        vary: further axes of every scenario's matrix.

    Raises:
        SpecificationError: anything is wrong with any of it.

    """
    runs: list[PlannedRun] = []
    problems: list[Problem] = []
    planned: set[str] = set()
    for name in scenarios:
        try:
            source = load_scenario(name).assign(assignments).vary(vary or {}, Origin("--vary"))
            points = _points(source)
        except SpecificationError as error:
            problems += error.problems
            continue
        given = {key: value for key, value in assignments if key != "topology"}
        for values in points:
            try:
                at_point = source.at(values)
                scenario, topology = at_point.build()
                chosen = _endpoints(at_point, scenario, endpoints)
            except SpecificationError as error:
                problems += error.problems
                continue
            first = scenario.seed if seed is None else seed
            for endpoint in chosen:
                matter = _that_matter({**given, **values}, endpoint.definition)
                # Points that differ only in what the endpoint does not know would be the same run twice.
                same = json.dumps([scenario.name, endpoint.definition.name, matter], sort_keys=True)
                if same in planned:
                    continue
                planned.add(same)
                runs += [
                    _planned(at_point, scenario, topology, endpoint, number, element, matter)
                    for number in range(first, first + repeat)
                ]
    if problems:
        # A fault of several points is told once, also where what is allowed differs from point to point.
        told = {
            (each.file, each.line, each.key, each.message.partition("; allowed:")[0]): each for each in problems[::-1]
        }
        raise SpecificationError(list(told.values())[::-1])
    return runs


def plan_again(specification: Mapping[str, Any], values: Mapping[str, Any], endpoint_folder: Path) -> PlannedRun:
    """Return the run that a stored specification describes; its run id is that of the first time.

    Args:
        specification: of run.json.
        values: of run.json.
        endpoint_folder: folder that the endpoint's relative commands belong to.

    Raises:
        SpecificationError: it is not one that this version can run.

    """
    parts: dict[str, Any] = {}
    problems: list[Problem] = []
    models: dict[str, type[Scenario | Topology | Endpoint]] = {
        "scenario": Scenario,
        "topology": Topology,
        "endpoint": Endpoint,
    }
    for name, model in models.items():
        data = specification.get(name)
        try:
            if not isinstance(data, dict):
                raise SpecificationError.one("run.json", f"specification.{name}", "is missing")
            parts[name] = validate(model, data, [Document(f"run.json: specification.{name}", data, {})])
        except SpecificationError as error:
            problems += error.problems
    for name, kind in (("seed", int), ("element", str)):
        if not isinstance(specification.get(name), kind):
            problems.append(Problem("run.json", f"specification.{name}", "is missing"))
    if problems:
        raise SpecificationError(problems)
    return PlannedRun(
        scenario=parts["scenario"],
        topology=parts["topology"],
        endpoint=parts["endpoint"],
        endpoint_folder=endpoint_folder,
        seed=specification["seed"],
        element=specification["element"],
        values=dict(values),
        specification=dict(specification),
    )


def _that_matter(values: Mapping[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    """Leave out what the endpoint does not know: how several paths are used, when it migrates, how long a record is."""
    foreign = []
    if "multipath" not in endpoint.capabilities:
        foreign.append("multipath.mode")
    if not {"multipath", "migration"} & set(endpoint.capabilities):
        foreign.append("multipath.migrate_at")
    if "encryption" not in endpoint.capabilities:
        foreign.append("workload.record_size")
    return {key: value for key, value in values.items() if not key.startswith(tuple(foreign))}


def _planned(
    source: ScenarioSource,
    scenario: Scenario,
    topology: Topology,
    endpoint: EndpointSource,
    seed: int,
    element: str,
    values: Mapping[str, Any],
) -> PlannedRun:
    specification = {
        # On which endpoints the scenario runs by default changes nothing about this run.
        "scenario": {**source.data, "seed": seed, "endpoints": [endpoint.definition.name]},
        "topology": source.topology_data,
        "endpoint": endpoint.data,
        "seed": seed,
        "element": element,
    }
    scenario = scenario.model_copy(update={"seed": seed})
    own = scenario.model_copy(update={"seed": seed, "endpoints": [endpoint.definition.name]})
    return PlannedRun(own, topology, endpoint.definition, endpoint.folder, seed, element, dict(values), specification)


def _points(source: ScenarioSource) -> list[dict[str, Any]]:
    matrix = source.matrix
    count = math.prod(len(values) for values in matrix.values())
    if count > MOST_RUNS:
        file, line = place(("matrix",), source.documents)
        raise SpecificationError.one(file, "matrix", f"has {count} combinations; allowed: {MOST_RUNS} or fewer", line)
    return [dict(zip(matrix, combination, strict=True)) for combination in itertools.product(*matrix.values())]


def _endpoints(source: ScenarioSource, scenario: Scenario, wanted: Sequence[str] | None) -> list[EndpointSource]:
    """Return the endpoints of a scenario, or those wanted instead; each of them can do the scenario's workload."""
    found = []
    for index, name in enumerate(wanted or scenario.endpoints):
        file, line = "--endpoint", None
        folder = None
        if not wanted and not any(each.key[0] == "endpoints" for each in source.assigned):
            document = next(each for each in source.documents if "endpoints" in each.data)
            file, line, folder = document.file, document.line(("endpoints", index)), document.folder
        try:
            endpoint = load_endpoint(name, folder)
        except SpecificationError as error:
            if wanted:
                raise
            raise SpecificationError.one(file, f"endpoints[{index}]", str(error.problems[0]), line) from None
        kind = scenario.workload.kind
        if kind not in endpoint.definition.capabilities:
            abilities = ", ".join(endpoint.definition.capabilities)
            message = f"endpoint {endpoint.definition.name!r} cannot do the workload {kind!r}; it can do: {abilities}"
            raise SpecificationError.one(file, "" if wanted else f"endpoints[{index}]", message, line)
        found.append(endpoint)
    _check_names(source, scenario, {*names("endpoint"), *(endpoint.definition.name for endpoint in found)})
    return found


def _check_names(source: ScenarioSource, scenario: Scenario, known: set[str]) -> None:
    for index, expectation in enumerate(scenario.expect):
        for name in expectation.endpoints or []:
            if name not in known:
                file, line = place(("expect", index, "endpoints"), source.documents)
                message = f"{name!r} is no endpoint; allowed: {', '.join(sorted(known))}"
                raise SpecificationError.one(file, f"expect[{index}].endpoints", message, line)
