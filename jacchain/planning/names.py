"""The names of what makes second derivatives, known without loading any of it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args

Mode = Literal["forward_over_forward", "forward_over_reverse", "reverse_over_forward", "reverse_over_reverse"]

MODES: Final[tuple[Mode, ...]] = get_args(Mode)
"""The textbook's modes over modes, which know nothing of symmetry."""

SECOND_CHAIN_NAMES: Final = (*MODES, "edge_pushing", "waist", "optimal", "exhaustive")
"""The planners of the Hessian of a chain, of ``plan(…, order=2)``."""

SECOND_NAMES: Final = (*MODES, "edge_pushing", "greedy", "search", "optimal", "exhaustive")
"""The planners of the Hessian of a function."""

IN_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {name: name.replace("_", " ") for name in (*MODES, "edge_pushing")}
    | {"waist": "bracketing at the narrowest vertices"}
)
"""What the textbook orders are called in a sentence."""
