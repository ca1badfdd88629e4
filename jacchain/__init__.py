"""Finds the cheapest order in which to accumulate a Jacobian of a composed function, and runs it.

Names are loaded on first use, so that planning on sizes alone needs neither NumPy nor SciPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jacchain import layers
    from jacchain.derivatives import gradient, jacobian, jvp, vjp
    from jacchain.errors import JacchainError
    from jacchain.model.elementwise import Elementwise
    from jacchain.model.function import Function
    from jacchain.model.sequential import Sequential
    from jacchain.planning.graph import Chain, Edge, Graph, Link
    from jacchain.planning.plan import Plan
    from jacchain.planning.planner import plan

__version__ = "0.1.0"

_HOMES = {
    "Chain": "jacchain.planning.graph",
    "Edge": "jacchain.planning.graph",
    "Elementwise": "jacchain.model.elementwise",
    "Function": "jacchain.model.function",
    "Graph": "jacchain.planning.graph",
    "JacchainError": "jacchain.errors",
    "Link": "jacchain.planning.graph",
    "Plan": "jacchain.planning.plan",
    "Sequential": "jacchain.model.sequential",
    "gradient": "jacchain.derivatives",
    "jacobian": "jacchain.derivatives",
    "jvp": "jacchain.derivatives",
    "layers": "jacchain.layers",
    "plan": "jacchain.planning.planner",
    "vjp": "jacchain.derivatives",
}

__all__ = [
    "Chain",
    "Edge",
    "Elementwise",
    "Function",
    "Graph",
    "JacchainError",
    "Link",
    "Plan",
    "Sequential",
    "gradient",
    "jacobian",
    "jvp",
    "layers",
    "plan",
    "vjp",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        where = "; the layers are in jacchain.layers" if name[:1].isupper() else ""
        raise AttributeError(f"module 'jacchain' has no attribute {name!r}{where}")
    home = import_module(_HOMES[name])
    found: object = home if name == "layers" else getattr(home, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
