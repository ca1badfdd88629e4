"""The cheapest order of a chain: exact dynamic programming over (interval, structure)."""

from itertools import groupby
from typing import TYPE_CHECKING, Final

from jacchain.algebra.structure import Dense
from jacchain.errors import InfeasibleError
from jacchain.planning import sweep
from jacchain.planning.draft import Draft, cheapest_cost
from jacchain.planning.graph import Chain
from jacchain.planning.hu_shing import triangulate
from jacchain.planning.node import Local, Multiply

if TYPE_CHECKING:
    from jacchain.planning.table import Table


LONGEST: Final = 2000
"""Links up to which chains of dense local Jacobians are planned exactly; a thousand with other structures."""

SPARSE: Final = 300
"""Links in a row that are not dense up to which chains are planned exactly: all splits within are looked at."""

AT_ONCE: Final = 200
"""Links up to which any chain is planned exactly at once."""


def is_exact(chain: Chain, /) -> bool:
    """Whether `optimal` finds the cheapest order of all."""
    if chain.is_dense or (len(chain) <= LONGEST and chain.is_full):
        return True
    return len(chain) <= LONGEST // 2 and sum(run**3 for run in _sparse_runs(chain)) <= SPARSE**3


def _sparse_runs(chain: Chain) -> list[int]:
    """Return the lengths of runs of links that are not dense: only within these are there products that are not."""
    return [sum(1 for _ in run) for is_full, run in groupby(chain.links, key=lambda link: link.is_full) if not is_full]


def optimal(chain: Chain, /) -> Draft:
    """Return the cheapest order; of chains of thousands of links that are not explicit and dense, a cheap one.

    Dense chains of any length go to Hu and Shing's algorithm, all others to the dynamic program with the recurrence of
    the field (Naumann, *Optimal Jacobian accumulation is NP-complete*, 2008; arXiv 2003.05755), extended by structure:
    one cheapest way is kept per interval and structure of its product, since a dearer but sparser factor may win later.
    Chains too long for that are planned in windows; the plan's lower bound says how much may be lost.
    Ties: in a dense chain the fan from the first lightest vertex; else see `Table.step`.
    """
    if is_exact(chain):
        return exact(chain)
    from jacchain.planning.windowed import windowed

    return windowed(chain)


def exact(chain: Chain, /) -> Draft:
    """Return the cheapest order, however long that takes."""
    draft = Draft(chain)
    if chain.is_dense:
        _dense(draft)
    else:
        found = table(chain)
        draft.grow(found.best(), found.step)
    return draft


def _dense(draft: Draft) -> None:
    """Write the triangles of an optimum, smaller polygons first: their products are the operands of larger ones."""
    sizes, nodes = draft.chain.sizes, draft.nodes
    made: dict[tuple[int, int], int] = {}
    for k, link in enumerate(draft.chain.links):
        made[k, k + 1] = k
        nodes.append(Local(k, "given", Dense(link.outputs, link.inputs), link.accumulate_cost or 0))
    for i, k, j in sorted(triangulate(sizes), key=lambda triangle: triangle[2] - triangle[0]):
        made[i, j] = len(nodes)
        flops = sizes[i] * sizes[k] * sizes[j]
        nodes.append(Multiply(made[k, j], made[i, k], Dense(sizes[j], sizes[i]), flops))


def table(chain: Chain, /) -> "Table":
    """Return the dynamic program's table of a chain."""
    from jacchain.planning.table import Table  # NumPy, which dense chains do not need

    return Table(chain, _bound(chain))


def table_of(chain: Chain, /) -> dict[tuple[int, int], tuple[int, int | None]]:
    """Return for every interval (first, last) of links its least cost and the last link of its lower part.

    That is None where the interval is one link, or its last step applies a link as tangents or adjoints.

    Examples
    --------
    >>> from jacchain.planning.graph import chain_of_sizes
    >>> table_of(chain_of_sizes([50, 30, 10, 40]))[0, 2]
    (35000, 1)
    """
    from jacchain.planning.table import Table

    found = Table(chain, sum(_dearest(chain)))
    costs: dict[tuple[int, int], tuple[int, int | None]] = {}
    for first in range(len(chain)):
        for last in range(first, len(chain)):
            states = found.states(first, last)
            if states:
                number = min(states, key=states.__getitem__)
                step = found.step((first, last, number))
                split = step.operands[1][1] if step.operation is Multiply else None
                costs[first, last] = states[number], split
    return costs


def _bound(chain: Chain) -> int:
    """Return the cost of the cheapest textbook order that the chain allows."""
    costs = []
    for planner in (sweep.forward, sweep.reverse, sweep.waist):
        try:
            costs.append(planner(chain).flops)
        except InfeasibleError:
            continue
    return min(costs, default=sum(_dearest(chain)))


def _dearest(chain: Chain) -> list[int]:
    """Return terms that add up to at least the cost of any order: accumulate all, multiply as dense in any order."""
    sizes = chain.sizes
    widest = max(sizes)
    accumulated = [cheapest_cost(chain, k) for k in range(len(chain))]
    return accumulated + [2 * widest**3] * len(chain)
