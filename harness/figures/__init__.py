"""Figures from stored runs: one of each run, and one that compares those of a scenario. matplotlib is imported late."""

from pathlib import Path


def draw_run(folder: Path) -> list[Path]:
    """Draw figure.png and figure.svg of a run directory and return them.

    Raises:
        BrokenRun: the directory cannot be read.
        OSError: the figures cannot be written.

    """
    from harness.figures.run_figure import draw

    return draw(folder)


def draw_comparison(folders: list[Path], target: Path) -> list[Path]:
    """Draw ``target``.png and ``target``.svg of all the runs in ``folders`` (of one scenario) and return them.

    Raises:
        BrokenRun: no run of ``folders`` can be read.
        OSError: the figures cannot be written.

    """
    from harness.figures.comparison import draw

    return draw(folders, target)


__all__ = ["draw_comparison", "draw_run"]
