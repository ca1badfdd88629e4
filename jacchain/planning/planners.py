"""All planners of chains by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from jacchain.planning import sweep
from jacchain.planning.draft import Draft
from jacchain.planning.exhaustive import exhaustive
from jacchain.planning.graph import Chain
from jacchain.planning.optimal import optimal
from jacchain.planning.preaccumulate import preaccumulate
from jacchain.planning.windowed import windowed

Planner = Callable[[Chain], Draft]

PLANNERS: Final[Mapping[str, Planner]] = MappingProxyType(
    {
        "forward": sweep.forward,
        "reverse": sweep.reverse,
        "meet": sweep.meet,
        "inward": sweep.inward,
        "waist": sweep.waist,
        "preaccumulate": preaccumulate,
        "windowed": windowed,
        "optimal": optimal,
        "exhaustive": exhaustive,
    }
)
"""Every planner by its name; all share one signature."""

BASELINES: Final[tuple[str, ...]] = ("forward", "reverse", "meet", "inward", "waist", "preaccumulate")
"""The planners that every plan is compared with; `preaccumulate` only where a link can do without accumulation."""

EXACT: Final = ("optimal", "exhaustive")
"""The planners whose plans no other order goes below."""
