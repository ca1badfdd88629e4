"""Predicted seconds in plan documents: of the plan, its steps and its baselines, all of them or none."""

from collections.abc import Mapping, Sequence
from math import fsum, inf, isclose
from typing import Any, Protocol

from jacchain.errors import FileError
from jacchain.planning.cost import Cost


class PredictedEntry(Protocol):
    """A part of a document that may have been predicted."""

    @property
    def predicted_seconds(self) -> float | None:
        """Its seconds."""


class PredictedPlanEntry(PredictedEntry, Protocol):
    """A plan's document that may have been predicted by a profile."""

    @property
    def cost(self) -> Cost:
        """What the order is the cheapest in."""

    @property
    def profile(self) -> str | None:
        """Name of the profile."""

    @property
    def steps(self) -> Sequence[PredictedEntry]:
        """The steps."""

    @property
    def baselines(self) -> Mapping[str, PredictedEntry]:
        """The textbook orders."""


def without_predictions(document: dict[str, Any], /) -> None:
    """Drop from the steps and baselines of a plan's document what was not predicted."""
    if document["predicted_seconds"] is None:
        for entry in (*document["steps"], *document["baselines"].values()):
            del entry["predicted_seconds"]


def expect_predictions(entry: PredictedPlanEntry, where: str, /, *, is_sliced: bool = False) -> tuple[float, ...]:
    """Return the predicted seconds of the steps of a document, none where nothing was predicted.

    Raises
    ------
    FileError
        Seconds that are no times, that are there in part only, or that are not those of the steps, where these are made
        once each; a plan by seconds without any.
    """
    steps = [step.predicted_seconds for step in entry.steps]
    every = [entry.predicted_seconds, *steps, *(one.predicted_seconds for one in entry.baselines.values())]
    known = [seconds for seconds in every if seconds is not None]
    if any(not 0 <= seconds < inf for seconds in known):
        raise FileError(f"{where} is wrong at $.predicted_seconds: not all are times", "make the plan anew")
    is_predicted = entry.predicted_seconds is not None
    if is_predicted != bool(entry.profile):
        what = f"{where} is wrong at $.predicted_seconds: they need a $.profile and that needs them"
        raise FileError(what, "give both")
    found = tuple(seconds for seconds in steps if seconds is not None)
    if len(found) != (len(steps) if is_predicted else 0) or (known and not is_predicted):
        raise FileError(f"{where} is wrong at $.steps: not all have predicted_seconds", "make the plan anew")
    if entry.cost == "seconds" and not is_predicted:
        raise FileError(f"{where} is wrong at $.cost: seconds, but it has none", "make the plan anew")
    total = fsum(found)
    if entry.predicted_seconds is not None and not is_sliced and not isclose(total, entry.predicted_seconds):
        what = f"{where} states {entry.predicted_seconds:g} predicted seconds, but its steps take {total:g}"
        raise FileError(what, "make the plan anew")
    return found
