"""Three of the four textbook modes: a first-order mode over a first-order mode.

On a path of dense links d_0 … d_n = 1, with curvatures C_k = r_k·∂²f_k of d_{k-1} × d_{k-1} for k = 1 … n, the last
three make P_k = J_k P_{k-1}, C_k P_{k-1} and one sweep back, and take as many multiplications, Σ over k of

    d_k d_{k-1} (2 ≤ k < n)  for the rows r_{k-1} = r_k J_k
    d_0 d_k d_{k-1} (2 ≤ k < n)  for P_k
    d_0 d_{k-1} d_{k-1} (2 ≤ k ≤ n)  for C_k P_{k-1}
    d_0 d_k d_{k-1} (1 ≤ k < n)  for the sweep back

Forward over forward is in `nested_forward`.
"""

from collections.abc import Callable, Mapping, Sequence

from jacchain.planning.second.outcome import SecondOutcome, finished
from jacchain.planning.second.problem import SecondProblem

Columns = list[int | None]
"""For each vertex a term, or None where it is zero."""

Blocks = list[dict[int, int]]
"""For each vertex its curvatures with others, each a term of the vertex's rows."""


def forward_over_reverse(problem: SecondProblem, /) -> SecondOutcome:
    """Return the tangents of the reverse sweep, all as columns: P_v = Σ J P, then Q_v = Σ Jᵀ Q_w + Σ C P.

    This is a dual number in the place of every value of a reverse sweep.
    """
    terms, blocks = problem.terms, _blocks(problem)
    onward = _onward(problem)

    def column(source: int) -> Columns:
        tangents = _tangents(problem, source)
        found: Columns = [None] * len(problem.sizes)
        for vertex in reversed(range(len(found))):
            parts = [terms.pull(term, one) for head, term in onward[vertex] if (one := found[head]) is not None]
            parts += [terms.multiply(c, one) for u, c in blocks[vertex].items() if (one := tangents[u]) is not None]
            found[vertex] = _sum(problem, parts)
        return found

    columns = {source: column(source) for source in sorted(set(problem.inputs))}
    return finished(problem, (columns[b][a] for a, b in problem.pairs))


def reverse_over_forward(problem: SecondProblem, /) -> SecondOutcome:
    """Return the adjoints of the forward sweep: tangents P as columns, then rows S_v = Σ S_w J + (C P)ᵀ.

    The function that is differentiated in reverse is the output's tangent r·ẏ, one for each column of the input.
    """
    terms = problem.terms

    def bent(tangents: Columns, other: int, block: int) -> int | None:
        tangent = tangents[other]  # the block is of the vertex by the other one, CP of the vertex by the columns
        return None if tangent is None else terms.transpose(terms.multiply(block, tangent))

    return _by_rows(problem, _tangents, bent)


def reverse_over_reverse(problem: SecondProblem, /) -> SecondOutcome:
    """Return the adjoints of the reverse sweep, all as rows: Z_v = Σ Z Jᵀ back through it, then S_v = Σ S_w J + Σ Z C.

    These are the transposes of forward over reverse: as many products, of the transposed matrices.
    """
    terms = problem.terms

    def bent(adjoints: Columns, other: int, block: int) -> int | None:
        adjoint = adjoints[other]
        return None if adjoint is None else terms.multiply(adjoint, terms.transpose(block))

    return _by_rows(problem, _adjoints, bent)


def _by_rows(
    problem: SecondProblem,
    sweep: Callable[[SecondProblem, int], Columns],
    bent: Callable[[Columns, int, int], int | None],
) -> SecondOutcome:
    """Return the rows S_v = Σ S_w J + what the curvatures of v bend, for each input."""
    terms, blocks, onward = problem.terms, _blocks(problem), _onward(problem)

    def row(source: int) -> Columns:
        first = sweep(problem, source)
        found: Columns = [None] * len(problem.sizes)
        for vertex in reversed(range(len(found))):
            parts = [terms.multiply(one, term) for head, term in onward[vertex] if (one := found[head]) is not None]
            parts += [one for u, c in blocks[vertex].items() if (one := bent(first, u, c)) is not None]
            found[vertex] = _sum(problem, parts)
        return found

    rows = {source: row(source) for source in sorted(set(problem.inputs))}
    return finished(problem, (rows[a][b] for a, b in problem.pairs))


def _tangents(problem: SecondProblem, source: int) -> Columns:
    """Return P_v = Σ J P_u of every vertex with respect to an input."""
    terms = problem.terms
    return _swept(problem, source, lambda tangent, slope: terms.multiply(slope, tangent))


def _adjoints(problem: SecondProblem, source: int) -> Columns:
    """Return the rows Z_v = Σ Z_u Jᵀ of the adjoint of every adjoint: the transposed tangents."""
    return _swept(problem, source, problem.terms.push)


def _swept(problem: SecondProblem, source: int, step: Callable[[int, int], int]) -> Columns:
    found: Columns = [None] * len(problem.sizes)
    for vertex, slopes in enumerate(_inward(problem)):
        parts = [step(one, term) for tail, term in slopes if (one := found[tail]) is not None]
        found[vertex] = problem.terms.identity(problem.sizes[vertex]) if vertex == source else _sum(problem, parts)
    return found


def _sum(problem: SecondProblem, parts: Sequence[int]) -> int | None:
    return problem.terms.total(tuple(sorted(map(problem.terms.formed, parts)))) if parts else None


def _slopes(problem: SecondProblem) -> Mapping[tuple[int, int], int]:
    """Return the first derivatives between vertices, parallel ones added."""
    found: dict[tuple[int, int], list[int]] = {}
    for tail, head, term in problem.slopes:
        found.setdefault((tail, head), []).append(term)
    return {pair: problem.terms.total(tuple(sorted(parts))) for pair, parts in found.items()}


def _inward(problem: SecondProblem) -> list[list[tuple[int, int]]]:
    found: list[list[tuple[int, int]]] = [[] for _ in problem.sizes]
    for (tail, head), term in _slopes(problem).items():
        found[head].append((tail, term))
    return found


def _onward(problem: SecondProblem) -> list[list[tuple[int, int]]]:
    found: list[list[tuple[int, int]]] = [[] for _ in problem.sizes]
    for (tail, head), term in _slopes(problem).items():
        found[tail].append((head, term))
    return found


def _blocks(problem: SecondProblem) -> Blocks:
    """Return the curvatures of every vertex with every other, those of a pair added."""
    parts: dict[tuple[int, int], list[int]] = {}
    for first, second, term in problem.bends:
        parts.setdefault((first, second), []).append(term)
    found: Blocks = [{} for _ in problem.sizes]
    for (first, second), terms in parts.items():
        block = problem.terms.total(tuple(sorted(terms)))
        found[first][second] = block
        found[second][first] = problem.terms.transpose(block)
    return found
