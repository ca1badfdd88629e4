"""A Jacobian kept as factors: those that make a given number of products with vectors cheapest."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

from jacchain.algebra.product import price
from jacchain.algebra.structure import Dense, Structure
from jacchain.errors import OptionError
from jacchain.planning.draft import MODES, Draft, mode_cost
from jacchain.planning.graph import Chain, Graph
from jacchain.planning.limits import as_limit, under_tape_limit
from jacchain.planning.link import as_size
from jacchain.planning.node import Node
from jacchain.planning.optimal import optimal
from jacchain.planning.plan import Baseline, Baselines, bracketing
from jacchain.planning.planner import as_chain
from jacchain.planning.several.runs import Run, Runs
from jacchain.planning.several.storage import most_held


class Factor(NamedTuple):
    """Consecutive links that are applied at once: as the matrix of a node, or one link as it is.

    `tangent_flops` and `adjoint_flops` are the multiplications of one J·v and of one uᵀ·J; None where a link kept as it
    is does not offer it.
    """

    first: int
    last: int
    node: int | None
    structure: Structure
    tangent_flops: int | None
    adjoint_flops: int | None


@final
@dataclass(frozen=True, slots=True)
class FactoredPlan:
    """Which factors of a Jacobian to form, and which links to keep as they are.

    Attributes
    ----------
    chain : Chain
    products, adjoint_products : int
        How many J·v and uᵀ·J the plan is made for.
    nodes : tuple of Node
        What forms the factors.
    factors : tuple of Factor
        In order of evaluation: the first one is applied to v first.
    flops : int
        Multiplications of forming the factors and of all products.
    peak : int
        Bytes held at the fullest moment of forming them, and afterwards.
    baselines : Baselines
        "jacobian": the cheapest J, formed, and then all products; "links": every link on its own.
    reason : str
    itemsize : int
    tape_limit : int, optional

    Examples
    --------
    >>> plan_factored([50, 40, 2, 40, 60], products=1000).bracketing
    '(J4 J3) · (J2 J1)'
    >>> plan_factored([50, 40, 2, 40, 60], products=1).bracketing
    'J4 · J3 · J2 · J1'
    """

    chain: Chain
    products: int
    adjoint_products: int
    nodes: tuple[Node, ...]
    factors: tuple[Factor, ...]
    flops: int
    peak: int
    baselines: Baselines
    reason: str
    itemsize: int = 8
    tape_limit: int | None = None

    @property
    def roots(self) -> tuple[int, ...]:
        """The nodes that are factors."""
        return tuple(factor.node for factor in self.factors if factor.node is not None)

    @property
    def forming_flops(self) -> int:
        """Multiplications of forming the factors."""
        return sum(node.flops for node in self.nodes)

    @property
    def tangent_flops(self) -> int | None:
        """Multiplications of one J·v; None where a link does not offer it."""
        return _total(factor.tangent_flops for factor in self.factors)

    @property
    def adjoint_flops(self) -> int | None:
        """Multiplications of one uᵀ·J; None where a link does not offer it."""
        return _total(factor.adjoint_flops for factor in self.factors)

    @property
    def bracketing(self) -> str:
        """The factors, the last one first, each in the order in which it is formed; F3 is link 3 kept as it is."""
        found = [
            f"F{factor.first + 1}" if factor.node is None else bracketing(self.nodes[: factor.node + 1])
            for factor in reversed(self.factors)
        ]
        return " · ".join(found)

    def __str__(self) -> str:
        forming = f"{self.forming_flops:,} to form them"
        each = f"{_said(self.tangent_flops)} for one J·v, {_said(self.adjoint_flops)} for one uᵀ·J"
        return (
            f"{self.bracketing}\n{self.flops:,} multiplications: {forming}, {each}; peak {self.peak:,} bytes\n"
            f"because {self.reason}"
        )


def _total(flops: Iterable[int | None]) -> int | None:
    total = 0
    for count in flops:
        if count is None:
            return None
        total += count
    return total


def _said(flops: int | None) -> str:
    return "none" if flops is None else f"{flops:,}"


class _Offer(NamedTuple):
    """A factor, and what forming it and all products with it cost."""

    flops: int
    first: int
    run: Run | None
    """The links' product; None where it is one link that is kept as it is."""


def plan_factored(
    problem: Chain | Graph | Iterable[int],
    /,
    *,
    products: int = 1,
    adjoint_products: int = 0,
    tape_limit: int | None = None,
    itemsize: int = 8,
) -> FactoredPlan:
    """Find the factors of J that make p products J·v and q products uᵀ·J cheapest, the forming included.

    The chain is cut into runs of links. A run is formed, in the order and structure that pays; or it is one link that
    is left as it is and applied by its tangent and its adjoint. The choice of cuts, orders and structures is exact.

    Parameters
    ----------
    problem : Chain, Graph, or iterable of int
        As `jacchain.plan` takes it.
    products, adjoint_products : int
        p and q; at least one of them is positive.
    tape_limit : int, optional
        No adjoint of a link whose tape is larger.
    itemsize : int
        Bytes per number.

    Raises
    ------
    OptionError
        Numbers of products that are negative or both 0.
    SizeError, InfeasibleError
        As `jacchain.plan`.

    Examples
    --------
    >>> print(plan_factored([50, 40, 2, 40, 60], products=1000))
    (J4 J3) · (J2 J1)
    228,800 multiplications: 8,800 to form them, 220 for one J·v, 220 for one uᵀ·J; peak 22,656 bytes
    because 1,000 products repay the forming of J4…J3, J2…J1: 13.2 times cheaper than forming J
    """
    counts = as_limit(products, "products"), as_limit(adjoint_products, "adjoint_products")
    if sum(counts) < 1:
        raise OptionError(f"products is {products} and adjoint_products is {adjoint_products}", "ask for at least one")
    itemsize = as_size(itemsize, "itemsize")
    tapes = None if tape_limit is None else as_limit(tape_limit, "tape_limit")
    whole = as_chain(problem)
    chain = under_tape_limit(whole, tapes)
    n = len(chain)
    links = _one_by_one(chain, counts)
    runs = Runs(chain, links)
    best = [0]
    chosen: list[_Offer] = []
    for end in range(n):
        offers = [offer for first in range(end + 1) for offer in _offers(runs, first, end, counts)]
        # of equals the one with the fewest links, which forms least
        chosen.append(min(offers, key=lambda offer: (best[offer.first] + offer.flops, -offer.first)))
        best.append(best[chosen[-1].first] + chosen[-1].flops)
    nodes, factors = _written(runs, chosen)
    costs = {"jacobian": _formed(chain, counts), "links": links}
    baselines = Baselines(tuple((name, Baseline(cost)) for name, cost in costs.items()))
    reason = _reason(factors, counts, best[n], costs)
    peak = most_held(chain, nodes, [f.node for f in factors if f.node is not None]) * itemsize
    return FactoredPlan(whole, *counts, nodes, factors, best[n], peak, baselines, reason, itemsize, tapes)


def _applied(structure: Structure) -> tuple[int, int]:
    """Return the multiplications of one J·v and one uᵀ·J with a matrix."""
    tangent = price(structure, Dense(structure.columns, 1)).cost
    return tangent, price(Dense(1, structure.rows), structure).cost


def _kept(chain: Chain, link: int, counts: tuple[int, int]) -> Iterator[_Offer]:
    """Yield the way to apply a link as it is, where it offers what is needed."""
    found = chain.links[link]
    costs = found.tangent_cost, found.adjoint_cost
    if all(cost is not None or count == 0 for cost, count in zip(costs, counts, strict=True)):
        yield _Offer(sum(count * (cost or 0) for cost, count in zip(costs, counts, strict=True)), link, None)


def _offers(runs: Runs, first: int, last: int, counts: tuple[int, int]) -> Iterator[_Offer]:
    """Yield the ways to apply a run of links at once: a single link as it is, then the matrices."""
    if first == last:
        yield from _kept(runs.chain, first, counts)
    for run in runs.products(first, last):
        yield _Offer(run.flops + _products(run.structure, counts), first, run)


def _products(structure: Structure, counts: tuple[int, int]) -> int:
    return sum(count * cost for count, cost in zip(counts, _applied(structure), strict=True))


def _one_by_one(chain: Chain, counts: tuple[int, int]) -> int:
    """Return what applying every link on its own costs."""
    total = 0
    for k in range(len(chain)):
        costs = [offer.flops for offer in _kept(chain, k, counts)]
        for mode in MODES:
            cost = mode_cost(chain, k, mode)
            if cost is not None:
                link = chain.links[k]
                structure = link.local if mode == "given" else Dense(link.outputs, link.inputs)
                costs.append(cost + _products(structure, counts))
        total += min(costs)
    return total


def _formed(chain: Chain, counts: tuple[int, int]) -> int:
    """Return what forming J and all products with it cost."""
    draft = optimal(chain)
    return draft.flops + _products(draft.nodes[-1].structure, counts)


def _written(runs: Runs, chosen: Sequence[_Offer]) -> tuple[tuple[Node, ...], tuple[Factor, ...]]:
    draft = Draft(runs.chain)
    factors = []
    offers: list[_Offer] = []
    end = len(chosen) - 1
    while end >= 0:
        offers.append(chosen[end])
        end = offers[-1].first - 1
    for offer in reversed(offers):
        run = offer.run
        if run is None:
            link = runs.chain.links[offer.first]
            shape = Dense(link.outputs, link.inputs)
            factors.append(Factor(offer.first, offer.first, None, shape, link.tangent_cost, link.adjoint_cost))
        else:
            node = runs.form(draft, run)
            factors.append(Factor(run.first, run.last, node, run.structure, *_applied(run.structure)))
    return tuple(draft.nodes), tuple(factors)


def _reason(factors: Sequence[Factor], counts: tuple[int, int], flops: int, costs: dict[str, int]) -> str:
    runs = [factor for factor in reversed(factors) if factor.first < factor.last]
    number = sum(counts)
    many = f"{number:,} product{'s' if number > 1 else ''}"
    if not runs:
        return f"{many} cannot repay the forming of any product of links{_saving(costs['jacobian'], flops)}"
    if len(runs) == len(factors) == 1:
        return f"{many} repay the forming of J: every cut would leave larger factors"
    formed = ", ".join(f"J{factor.last + 1}…J{factor.first + 1}" for factor in runs)
    return f"{many} repay the forming of {formed}{_saving(costs['jacobian'], flops)}"


def _saving(other: int, flops: int) -> str:
    return f": {other / flops:.3g} times cheaper than forming J" if 0 < flops < other else ""
