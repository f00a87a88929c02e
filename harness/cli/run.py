"""``harness run``, ``sweep`` and ``reproduce``: carry out runs, judge and draw each, and show the table."""

import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console

from harness.cli.progress import Display
from harness.cli.results import draw, draw_comparisons
from harness.elements import resolve
from harness.judge.verdict import exit_code
from harness.report.summary import StoredRun
from harness.report.table import show
from harness.results.record import RunRecord, read_record
from harness.run.session import ATTEMPTS, Finished, Session
from harness.spec.errors import SpecificationError
from harness.spec.keys import parse_assignment, parse_value
from harness.spec.loader import PROJECT
from harness.spec.plan import PlannedRun, plan_again, plan_runs

EXIT_LACKING = 4
EXIT_INTERRUPTED = 130

Scenarios = Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="names or files of scenarios")]
EndpointNames = Annotated[
    str | None,
    typer.Option("--endpoint", metavar="NAME|FILE,...", help="endpoints; the scenario's own when absent"),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="override a key of the scenario, or topology.KEY"),
]
Repeat = Annotated[int, typer.Option(min=1, help="runs of each combination, with seeds that count up")]
Seed = Annotated[int | None, typer.Option(min=0, help="the first seed; the scenario's own when absent")]
Element = Annotated[Literal["auto", "netem", "nfqueue"], typer.Option(help="what delays and loses packets")]
Pcap = Annotated[bool, typer.Option("--pcap", help="capture packets at both ends of every path")]
Attempts = Annotated[int, typer.Option(min=1, max=10, help="how often at most a run is made that is invalid")]
OnFail = Annotated[
    Literal["go-on", "shell"], typer.Option(help="shell: open Mininet's prompt when an expectation fails")
]
Figures = Annotated[bool, typer.Option(help="draw now; otherwise later, with harness plot")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="folder of the results")]
Json = Annotated[bool, typer.Option("--json", help="print the records instead of the table")]


@dataclass(frozen=True)
class Options:
    """How runs are carried out, whatever was planned."""

    out: Path | None = None
    pcap: bool = False
    attempts: int = ATTEMPTS
    on_fail: str = "go-on"
    as_json: bool = False
    figures: bool = True


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command(
        "run",
        epilog="Examples: harness run failover_quick · harness run failover --endpoint mptcp --set fault.kind=drop "
        "--seed 7 --repeat 5 --json",
    )(run)
    app.command(
        "sweep",
        epilog="Example: harness sweep aggregation_quick --vary topology.path.lower.both.delay=10ms,40ms,160ms",
    )(sweep)
    app.command("reproduce", epilog="Example: harness reproduce results/failover/0123456789ab")(reproduce)


def run(
    scenarios: Scenarios,
    endpoint: EndpointNames = None,
    assign: Assignments = None,
    repeat: Repeat = 1,
    seed: Seed = None,
    element: Element = "auto",
    pcap: Pcap = False,
    attempts: Attempts = ATTEMPTS,
    on_fail: OnFail = "go-on",
    out: Out = None,
    as_json: Json = False,
    figures: Figures = True,
) -> None:
    """Run scenarios and judge them.

    Exit code: 0 all verdicts pass, 1 some fail, 2 bad input, 3 some measurement invalid and none failed,
    4 this machine lacks something.
    """
    plan_options = _plan_options(endpoint, assign, repeat, seed)
    _carry_out(_plan(scenarios, element, plan_options), Options(out, pcap, attempts, on_fail, as_json, figures))


def sweep(
    scenarios: Scenarios,
    vary: Annotated[
        list[str], typer.Option("--vary", metavar="KEY=VALUE,...", help="a key and the values it takes; more multiply")
    ],
    endpoint: EndpointNames = None,
    assign: Assignments = None,
    repeat: Repeat = 1,
    seed: Seed = None,
    element: Element = "auto",
    attempts: Attempts = ATTEMPTS,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Run scenarios once for each combination of values. Exit codes as of ``run``."""
    axes = {}
    for text in vary:
        key, equals, values = text.partition("=")
        if not equals or not all(values.split(",")):
            raise SpecificationError.one(f"--vary {text}", "", "write KEY=VALUE,VALUE, such as fault.at=1s,2s")
        axes[key] = [parse_value(value) for value in values.split(",")]
    plan_options = {**_plan_options(endpoint, assign, repeat, seed), "vary": axes}
    _carry_out(_plan(scenarios, element, plan_options), Options(out, attempts=attempts, as_json=as_json))


def reproduce(
    directory: Annotated[Path, typer.Argument(help="directory of a run")],
    pcap: Pcap = False,
    attempts: Attempts = ATTEMPTS,
    on_fail: OnFail = "go-on",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Run again what a run directory holds: the same specification, seed and run id, beside the first."""
    record = read_record(directory)
    folder = PROJECT / record.environment.get("endpoint_folder", "endpoints")
    planned = plan_again(record.specification, record.values, folder)
    resolve(planned.element)
    _carry_out([planned], Options(out, pcap, attempts, on_fail, as_json))


def _plan_options(endpoint: str | None, assign: list[str] | None, repeat: int, seed: int | None) -> dict[str, Any]:
    return {
        "endpoints": [name for name in endpoint.split(",") if name] if endpoint is not None else None,
        "assignments": [parse_assignment(text) for text in assign or []],
        "repeat": repeat,
        "seed": seed,
    }


def _plan(scenarios: Sequence[str], element: str, options: dict[str, Any]) -> list[PlannedRun]:
    # What is wrong with the input is found before the machine is asked for anything.
    plan_runs(scenarios, element="nfqueue", **options)
    return plan_runs(scenarios, element=resolve(element), **options)


def _carry_out(planned: Sequence[PlannedRun], options: Options) -> NoReturn:
    display = Display(len(planned), quiet=options.as_json)
    session = Session(
        options.out or PROJECT / "results",
        attempts=options.attempts,
        pcap=options.pcap,
        shell_on_fail=options.on_fail == "shell",
        progress=display.progress,
    )

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        session.interrupt()

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    finished: list[Finished] = []
    try:
        with display:
            for number, each in enumerate(planned, start=1):
                display.begin(number, each)
                for done in session.run(each):
                    finished.append(done)
                    if options.figures:
                        draw(done.directory)
                    display.end(done)
                if session.interrupted:
                    break
        comparisons = draw_comparisons([done.directory for done in finished]) if options.figures else []
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
    _show(finished, as_json=options.as_json)
    if finished and options.figures and not options.as_json:
        print(f"Figures: figure.png beside each run, such as {finished[-1].directory / 'figure.png'}")
        for path in comparisons:
            if path.suffix == ".png":
                print(f"         {path}")
    if session.interrupted:
        sys.exit(EXIT_INTERRUPTED)
    records = _that_count(finished)
    code = exit_code(record.verdict for record in records)
    lacking = any(record.outcome.lacking is not None for record in records)
    sys.exit(EXIT_LACKING if lacking and code == 0 else code)


def _that_count(finished: Sequence[Finished]) -> list[RunRecord]:
    """Return the record of each run's last attempt."""
    last: list[RunRecord] = []
    for done in finished:
        if done.record.attempt > 1:
            last.pop()
        last.append(done.record)
    return last


def _show(finished: Sequence[Finished], *, as_json: bool) -> None:
    if as_json:
        records = [{**json.loads(done.record.to_json()), "directory": str(done.directory)} for done in finished]
        print(json.dumps(records, indent=2))
        return
    show([StoredRun(folder=done.directory, record=done.record) for done in finished], Console())
