"""Predicted times as reports show them: nothing at all where nothing was predicted."""

from collections.abc import Iterable
from typing import Any, Final, Protocol

from jacchain.planning.duration import duration
from jacchain.planning.elimination.graph_plan import GraphPlan
from jacchain.planning.plan import Plan
from jacchain.report.layout import field

NOTHING: Final = 1e-9
"""Seconds below which a step is shown to take none."""


class Compared(Protocol):
    """A planner's plan among others, if it has one."""

    @property
    def plan(self) -> Plan | GraphPlan | None:
        """The plan."""


def predicted_heads(least: float | None, /) -> tuple[str, ...]:
    """Return the heads of predicted times, if there is a least one."""
    return () if least is None else ("predicted", "ratio")


def predicted_cells(seconds: float | None, least: float | None, /) -> tuple[str, ...]:
    """Return a predicted time and its ratio to the least, if there is a least one.

    Examples
    --------
    >>> predicted_cells(3e-6, 2e-6), predicted_cells(None, 2e-6), predicted_cells(3e-6, None)
    (('3 µs', '1.50'), ('-', '-'), ())
    """
    if least is None:
        return ()
    if seconds is None:
        return "-", "-"
    return duration(seconds), f"{seconds / least:.2f}" if least else "-"


def predicted_lines(plan: Plan | GraphPlan, /) -> list[str]:
    """Return the predicted time of a plan, and what predicted it, as a line."""
    if plan.seconds is None:
        return []
    cure = "; jacchain calibrate measures this machine" if (plan.profile or "").endswith("(shipped)") else ""
    return [field("seconds", f"{duration(plan.seconds)}, predicted by the profile {plan.profile}{cure}")]


def predicted_entry(plan: Plan | GraphPlan, /) -> dict[str, Any]:
    """Return what a document says of a plan's predicted time."""
    return {} if plan.seconds is None else {"predicted_seconds": plan.seconds, "profile": plan.profile}


def quickest_seconds(rivals: Iterable[Compared], /) -> float | None:
    """Return the least predicted time of several plans; None where nothing was predicted."""
    found = [rival.plan.seconds for rival in rivals if rival.plan is not None and rival.plan.seconds is not None]
    return min(found, default=None)
