"""Finds the cheapest order in which to accumulate a Jacobian of a composed function, and runs it.

Names are loaded on first use, so that planning on sizes alone needs neither NumPy nor SciPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jacchain import layers
    from jacchain.blocks.compose import compose
    from jacchain.derivatives import gradient, jacobian, value_and_jacobian
    from jacchain.directional import jvp, vjp
    from jacchain.errors import JacchainError
    from jacchain.hessians import hessian, hvp
    from jacchain.lagrangian.lagrangian import Lagrangian
    from jacchain.model.dual import Dual
    from jacchain.model.elementwise import Elementwise
    from jacchain.model.function import Function
    from jacchain.model.scan import scan
    from jacchain.model.sequential import Sequential
    from jacchain.model.trace import trace
    from jacchain.planning.graph import Chain, Edge, Graph
    from jacchain.planning.link import Link
    from jacchain.planning.plan import Plan
    from jacchain.planning.planner import plan
    from jacchain.planning.several.factored import plan_factored
    from jacchain.planning.several.gram import plan_gram
    from jacchain.planning.several.several import plan_several
    from jacchain.products.factored import factored
    from jacchain.products.gram import gauss_newton
    from jacchain.products.several import jacobians

__version__ = "0.1.0"

_HOMES = {
    "Chain": "jacchain.planning.graph",
    "Dual": "jacchain.model.dual",
    "Edge": "jacchain.planning.graph",
    "Elementwise": "jacchain.model.elementwise",
    "Function": "jacchain.model.function",
    "Graph": "jacchain.planning.graph",
    "JacchainError": "jacchain.errors",
    "Lagrangian": "jacchain.lagrangian.lagrangian",
    "Link": "jacchain.planning.link",
    "Plan": "jacchain.planning.plan",
    "Sequential": "jacchain.model.sequential",
    "compose": "jacchain.blocks.compose",
    "factored": "jacchain.products.factored",
    "gauss_newton": "jacchain.products.gram",
    "gradient": "jacchain.derivatives",
    "hessian": "jacchain.hessians",
    "hvp": "jacchain.hessians",
    "jacobian": "jacchain.derivatives",
    "jacobians": "jacchain.products.several",
    "jvp": "jacchain.directional",
    "layers": "jacchain.layers",
    "plan": "jacchain.planning.planner",
    "plan_factored": "jacchain.planning.several.factored",
    "plan_gram": "jacchain.planning.several.gram",
    "plan_several": "jacchain.planning.several.several",
    "scan": "jacchain.model.scan",
    "trace": "jacchain.model.trace",
    "value_and_jacobian": "jacchain.derivatives",
    "vjp": "jacchain.directional",
}

__all__ = [
    "Chain",
    "Dual",
    "Edge",
    "Elementwise",
    "Function",
    "Graph",
    "JacchainError",
    "Lagrangian",
    "Link",
    "Plan",
    "Sequential",
    "compose",
    "factored",
    "gauss_newton",
    "gradient",
    "hessian",
    "hvp",
    "jacobian",
    "jacobians",
    "jvp",
    "layers",
    "plan",
    "plan_factored",
    "plan_gram",
    "plan_several",
    "scan",
    "trace",
    "value_and_jacobian",
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
