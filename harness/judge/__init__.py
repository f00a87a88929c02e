"""From what a run measured to metrics, validity and a verdict; works from stored files alone, at any later time."""

from harness.judge.verdict import Judgement, exit_code, judge

__all__ = ["Judgement", "exit_code", "judge"]
