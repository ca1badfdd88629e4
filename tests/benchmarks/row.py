"""A row of the table: one piece of work, those who do it, and what is promised."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.contender import Contender, wrong
from benchmarks.race import Times, race
from benchmarks.target import Target, Verdict, judge

ROUNDS = 12
"""Rounds that are run at least, over all makes."""


def _none(_times: Sequence[Times]) -> list[str]:
    return []


class Skipped(Exception):  # noqa: N818  (nothing went wrong)
    """A row that cannot be measured here; its text says why."""


class Row(NamedTuple):
    """A piece of work. The first contender's answer is what all others are compared with."""

    name: str
    title: str
    contenders: list[Contender]
    targets: list[Target]
    tolerance: float = 1e-9
    notes: Callable[[Sequence[Times]], list[str]] = _none
    """What to say besides, once the times are known."""


class Measured(NamedTuple):
    """A row with its times."""

    row: Row
    times: list[Times]
    verdicts: list[Verdict]
    wrong: list[str]
    """Peers whose answer was wrong; they were not timed."""


def measure(make: Callable[[], Row], seconds: float, makes: int, /) -> Measured:
    """Make the row, compare the answers, time the contenders, several times over; then judge the targets.

    A row that is made anew has its buffers elsewhere. Where they lie decides about several per cent, for all alike.
    """
    made: list[Row] = []  # all held, so that no buffer is given out twice
    refused: set[str] = set()
    times: list[list[Times]] = []
    for k in range(makes):
        made.append(make())
        refused.update(wrong(made[k].contenders, made[k].tolerance))
        _insist(made[k], refused)
        contenders = [contender for contender in made[k].contenders if contender.name not in refused]
        times.append(race(contenders, seconds / makes, rounds=-(-ROUNDS // makes), seed=k))
    joined = [_joined(contender, times) for contender in made[0].contenders if contender.name not in refused]
    verdicts = [verdict for target in made[0].targets if (verdict := judge(target, joined)) is not None]
    return Measured(made[0], joined, verdicts, sorted(refused))


def _insist(row: Row, refused: set[str]) -> None:
    """Stop where one of those to be judged is wrong."""
    judged = refused & {target.judged for target in row.targets}
    if judged:
        raise SystemExit(f"error: {row.name}: {', '.join(sorted(judged))} differs from {row.contenders[0].name}")


def _joined(contender: Contender, races: Sequence[Sequence[Times]]) -> Times:
    parts = [found for race in races for found in race if found.contender.name == contender.name]
    return parts[0]._replace(rounds=tuple(seconds for part in parts for seconds in part.rounds))
