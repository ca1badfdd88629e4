"""The order that forms every local Jacobian first and then multiplies them as cheaply as possible."""

from dataclasses import replace

from jacchain.planning.draft import MODES, Draft, Step, mode_cost
from jacchain.planning.graph import Chain
from jacchain.planning.link import Link
from jacchain.planning.node import Local, Mode, Multiply, operands
from jacchain.planning.optimal import optimal


def preaccumulate(chain: Chain, /) -> Draft:
    """Accumulate every link in its cheapest way, then take the cheapest bracketing; no tangents or adjoints between."""
    modes = [_cheapest(chain, k) for k in range(len(chain))]
    explicit = Chain(_accumulated(chain, k, mode) for k, mode in enumerate(modes))
    found = optimal(explicit).nodes
    draft = Draft(chain)

    def expand(k: int) -> Step[int]:
        node = found[k]
        if isinstance(node, Local):
            return Step(Local, node.link, modes[node.link], ())
        return Step(Multiply, -1, "given", operands(node))

    draft.grow(len(found) - 1, expand)
    return draft


def _cheapest(chain: Chain, link: int) -> Mode:
    costs = {mode: cost for mode in MODES if (cost := mode_cost(chain, link, mode)) is not None}
    return min(costs, key=costs.__getitem__)


def _accumulated(chain: Chain, link: int, mode: Mode) -> Link:
    found = chain.links[link]
    structure = found.local if mode == "given" else None
    cost = mode_cost(chain, link, mode)
    return replace(found, structure=structure, accumulate_cost=cost, tangent_cost=None, adjoint_cost=None)
