"""JᵀJ from a chain (Gauss-Newton): symmetric, computed once, and narrowed down to where it is cheapest."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, final

from jacchain.algebra.expand import expand_cost
from jacchain.algebra.structure import Dense, Structure, stored
from jacchain.algebra.symmetric import congruence, gram
from jacchain.planning.draft import Draft
from jacchain.planning.graph import Chain, Graph
from jacchain.planning.limits import as_limit, under_tape_limit
from jacchain.planning.link import as_size
from jacchain.planning.node import Node
from jacchain.planning.plan import Baseline, Baselines, bracketing
from jacchain.planning.planner import as_chain
from jacchain.planning.several.intervals import Intervals
from jacchain.planning.several.runs import Run, Runs
from jacchain.planning.several.sharing import swept
from jacchain.planning.several.storage import most_held


class Symmetry(NamedTuple):
    """One step to JᵀJ: G = QᵀQ at a vertex, or G ← PᵀGP at a vertex further down; Q or P is the node `factor`."""

    operation: Literal["gram", "congruence"]
    vertex: int
    factor: int
    structure: Structure
    flops: int


@final
@dataclass(frozen=True, slots=True)
class GramPlan:
    """An order in which to make JᵀJ.

    Attributes
    ----------
    chain : Chain
    nodes : tuple of Node
        What forms the factors Q = J_n…J_{k+1} and the P below it.
    steps : tuple of Symmetry
        What makes JᵀJ = Pᵀ(QᵀQ)P of them, from the output to the input.
    flops : int
        Multiplications; a symmetric product is computed in one half and mirrored.
    peak : int
        Bytes held at the fullest moment.
    baselines : Baselines
        "jacobian": the cheapest J, then JᵀJ in one half; "product": the same in full; "forward", "reverse": J by one
        sweep, then JᵀJ in one half.
    reason : str
    itemsize : int
    tape_limit : int, optional

    Examples
    --------
    >>> found = plan_gram([40, 30, 3, 200, 500])
    >>> [(step.operation, step.vertex, step.flops) for step in found.steps]
    [('gram', 2, 3000), ('congruence', 0, 3624)]
    >>> found.flops, found.baselines["jacobian"].flops
    (310224, 773600)
    """

    chain: Chain
    nodes: tuple[Node, ...]
    steps: tuple[Symmetry, ...]
    flops: int
    peak: int
    baselines: Baselines
    reason: str
    itemsize: int = 8
    tape_limit: int | None = None

    @property
    def roots(self) -> tuple[int, ...]:
        """The nodes of the factors Q and P."""
        return tuple(step.factor for step in self.steps)

    def __str__(self) -> str:
        called = [bracketing(self.nodes[: root + 1]) for root in self.roots]
        text = f"{called[0]}ᵀ {called[0]}"
        for name in called[1:]:
            text = f"{name}ᵀ ({text}) {name}"
        return f"{text}\n{self.flops:,} multiplications, peak {self.peak:,} bytes\nbecause {self.reason}"


class _Reached(NamedTuple):
    """The cheapest way to the symmetric matrix of one structure at a vertex."""

    flops: int
    cost: int
    """Of the last step alone."""
    factor: Run
    above: tuple[int, Structure] | None
    """The vertex and structure that a congruence starts from; None after a Gram product."""


def plan_gram(
    problem: Chain | Graph | Iterable[int], /, *, tape_limit: int | None = None, itemsize: int = 8
) -> GramPlan:
    """Find the cheapest way to JᵀJ among all of this family.

    Vertices n > k_1 > … > k_r = 0 are chosen. G = QᵀQ with Q = J_n…J_{k_1+1} is formed at k_1, and carried down to
    every next vertex by G ← PᵀGP with P = J_{k_i}…J_{k_{i+1}+1}. Every Q and P is formed in its cheapest order, or in a
    dearer one whose structure is sparser. Forming J and then JᵀJ is the member with k_1 = 0. The choice of vertices,
    orders and structures is exact; orders outside the family, which would form unsymmetric products such as JᵀQ, are
    not looked at.

    Parameters
    ----------
    problem : Chain, Graph, or iterable of int
        As `jacchain.plan` takes it.
    tape_limit : int, optional
        No adjoint of a link whose tape is larger.
    itemsize : int
        Bytes per number.

    Raises
    ------
    SizeError, OptionError, InfeasibleError
        As `jacchain.plan`.

    Examples
    --------
    >>> print(plan_gram([40, 30, 3, 200, 500]))
    (J2 J1)ᵀ ((J4 J3)ᵀ (J4 J3)) (J2 J1)
    310,224 multiplications, peak 845,616 bytes
    because the Gram matrix is formed at d_2 = 3 and carried to the input, 2.49 times cheaper than forming J first
    """
    itemsize = as_size(itemsize, "itemsize")
    tapes = None if tape_limit is None else as_limit(tape_limit, "tape_limit")
    whole = as_chain(problem)
    chain = under_tape_limit(whole, tapes)
    last = len(chain) - 1
    rough = Intervals(chain, longest=1)
    sweeps = [swept(rough, [(0, last)], forward=forward) for forward in (True, False)]
    bound = min(sweep.flops + _finished(rough.structure(sweep.roots[0])) for sweep in sweeps)
    runs = Runs(chain, bound)
    table = _table(runs)
    end = min(table[0], key=lambda structure: table[0][structure].flops + expand_cost(structure))
    flops = table[0][end].flops + expand_cost(end)
    nodes, steps = _written(runs, table, end)
    baselines = _baselines(runs, [sweep.flops + _finished(rough.structure(sweep.roots[0])) for sweep in sweeps])
    reason = _reason(chain, steps, flops, baselines)
    beside = symmetric_numbers(chain, nodes, steps)
    peak = (most_held(chain, nodes, [step.factor for step in steps]) + beside) * itemsize
    return GramPlan(whole, nodes, steps, flops, peak, baselines, reason, itemsize, tapes)


def _finished(factor: Structure) -> int:
    """Return what the dense JᵀJ costs once J is formed."""
    made = gram(factor)
    return made.cost + expand_cost(made.structure)


def _table(runs: Runs) -> list[dict[Structure, _Reached]]:
    """Return the cheapest way to every structure of the symmetric matrix at every vertex below the output."""
    n = len(runs.chain)
    table: list[dict[Structure, _Reached]] = [{} for _ in range(n)]
    for k in range(n - 1, -1, -1):
        for run in runs.products(k, n - 1):
            made = gram(run.structure)
            _offer(table[k], made.structure, _Reached(run.flops + made.cost, made.cost, run, None))
        for m in range(k + 1, n):
            for run in runs.products(k, m - 1):
                for above, reached in table[m].items():
                    made = congruence(above, run.structure)
                    flops = reached.flops + run.flops + made.cost
                    _offer(table[k], made.structure, _Reached(flops, made.cost, run, (m, above)))
    return table


def _offer(cell: dict[Structure, _Reached], structure: Structure, found: _Reached) -> None:
    if structure not in cell or found.flops < cell[structure].flops:
        cell[structure] = found


def _written(
    runs: Runs, table: Sequence[dict[Structure, _Reached]], end: Structure
) -> tuple[tuple[Node, ...], tuple[Symmetry, ...]]:
    path = [(0, end)]
    while (above := table[path[-1][0]][path[-1][1]].above) is not None:
        path.append(above)
    draft = Draft(runs.chain)
    steps = []
    for vertex, structure in reversed(path):
        found = table[vertex][structure]
        factor = runs.form(draft, found.factor)
        steps.append(Symmetry("gram" if found.above is None else "congruence", vertex, factor, structure, found.cost))
    return tuple(draft.nodes), tuple(steps)


def _baselines(runs: Runs, sweeps: Sequence[int]) -> Baselines:
    whole = list(runs.products(0, len(runs.chain) - 1))
    least = min(whole, key=lambda run: run.flops)
    is_full = isinstance(least.structure, Dense)
    in_full = least.structure.rows * least.structure.columns**2 if is_full else _finished(least.structure)
    jacobian = min(run.flops + _finished(run.structure) for run in whole)
    costs = {"jacobian": jacobian, "product": least.flops + in_full, "forward": sweeps[0], "reverse": sweeps[1]}
    return Baselines(tuple((name, Baseline(cost)) for name, cost in costs.items()))


def symmetric_numbers(chain: Chain, nodes: Sequence[Node], steps: Sequence[Symmetry], /) -> int:
    """Return the numbers that the symmetric products and the result take, each in arrays of its own."""
    whole = chain.sizes[0] ** 2
    made = whole if isinstance(steps[-1].structure, Dense) else 2 * whole  # handed out, and where need be written out
    for step in steps:
        factor = nodes[step.factor].structure
        middle = factor.rows * factor.columns if step.operation == "congruence" else 0
        turned = 0 if isinstance(factor, Dense) else stored(factor)
        made += stored(step.structure) + middle + turned
    return made


def _reason(chain: Chain, steps: Sequence[Symmetry], flops: int, baselines: Baselines) -> str:
    if len(steps) == 1:
        rows, columns = chain.sizes[-1], chain.sizes[0]
        return f"J is {rows:,} x {columns:,}: no vertex between is narrow enough to form the Gram matrix there"
    places = ", then ".join(f"d_{step.vertex} = {chain.sizes[step.vertex]:,}" for step in steps[:-1])
    other = baselines["jacobian"].flops
    assert other is not None
    saving = "" if flops == 0 else f", {other / flops:.3g} times cheaper than forming J first"
    return f"the Gram matrix is formed at {places} and carried to the input{saving}"
