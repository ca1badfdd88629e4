"""Forward over forward: second tangents, as a dual number whose components are dual numbers has them."""

from jacchain.errors import InfeasibleError
from jacchain.planning.elimination.problem import topological
from jacchain.planning.graph import Vertex
from jacchain.planning.second.outcome import SecondOutcome, finished
from jacchain.planning.second.problem import SecondProblem

Pushed = dict[Vertex, int]
"""The term of each vertex that is not zero."""


def forward_over_forward(problem: SecondProblem, /) -> SecondOutcome:
    """Return the second tangents s_v = Σ J s_u + Σ Pᵀ ∂²f_v P of the output.

    The curvatures are of each vertex alone, not weighted by its adjoint: of d numbers they are a tensor of d slices,
    and so is what is pushed forward. These are products of matrices only where every vertex is one number.

    Raises
    ------
    InfeasibleError
        Some vertex is, or stands for, more than one number.
    """
    ladder = problem.ladder
    if ladder.is_quotient:
        raise InfeasibleError(
            "the vertices stand for any numbers: forward over forward pushes a tensor through them",
            "take forward_over_reverse",
        )
    wide = next((vertex for vertex, size in ladder.graph.sizes.items() if size > 1), None)
    if wide is not None:
        raise InfeasibleError(
            f"vertex {wide!r} has {ladder.graph.sizes[wide]} numbers: forward over forward pushes a tensor through it",
            "take forward_over_reverse, or plan a chain by its sizes, where tensors are multiplied too",
        )
    tangents = {source: _pushed(problem, {}, source) for source in dict.fromkeys(ladder.inputs)}
    found = []
    for a, b in ladder.pairs:
        one, other = ladder.inputs[a], ladder.inputs[b]
        bent = _bent(problem, tangents[one], tangents[other], is_same=one == other)
        found.append(_pushed(problem, bent, None).get(ladder.output))
    return finished(problem, found)


def _pushed(problem: SecondProblem, given: dict[Vertex, list[int]], source: Vertex | None) -> Pushed:
    """Return the sums Σ J t_u + what is given for every vertex, with the identity at the source."""
    graph, terms = problem.ladder.graph, problem.terms
    inward: dict[Vertex, list[tuple[Vertex, int]]] = {vertex: [] for vertex in graph.sizes}
    for k, edge in enumerate(graph.edges):
        inward[edge.head].append((edge.tail, k))
    found: Pushed = {} if source is None else {source: terms.identity(1)}
    for vertex in topological(graph):
        parts = [terms.multiply(terms.local(k), found[tail]) for tail, k in inward[vertex] if tail in found]
        parts = [*map(terms.formed, parts), *given.get(vertex, [])]
        if parts and vertex != source:
            found[vertex] = terms.total(tuple(sorted(parts)))
    return found


def _bent(problem: SecondProblem, one: Pushed, other: Pushed, *, is_same: bool) -> dict[Vertex, list[int]]:
    """Return Pᵀ ∂²f P of every vertex."""
    ladder, terms = problem.ladder, problem.terms
    seed = terms.identity(1)
    found: dict[Vertex, list[int]] = {}
    for k, curve in enumerate(ladder.curves):
        is_square = curve.first == curve.second
        c = terms.curvature(k, seed, curve.structure, is_symmetric=is_square)
        first, second = ladder.tails(curve)
        parts = found.setdefault(ladder.graph.edges[curve.first].head, [])
        if is_square and is_same and first in one:
            parts.append(terms.congruence(c, one[first]))
            continue
        for a, b in ((first, second),) if is_square else ((first, second), (second, first)):
            if a in one and b in other:
                parts.append(terms.multiply(one[a], terms.multiply(c, other[b])))
    return found
