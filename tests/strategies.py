"""Hypothesis strategies: every object travels with its dense twin."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from jacchain.algebra.matrix import Matrix
from jacchain.algebra.structure import (
    STRUCTURES,
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    Negation,
    Sparse,
    Structure,
    array_shapes,
    sparse,
    sparse_like,
)
from jacchain.execution.backend import home_of
from jacchain.planning.graph import Chain, Edge, Graph
from jacchain.planning.link import Link
from jacchain.planning.second.ladder import Curve, Ladder


class Twin(NamedTuple):
    """A structured matrix and the same matrix as a dense array."""

    matrix: Matrix
    dense: NDArray[np.float64]


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def sizes_for(kind: type, rows: int | None = None, *, most: int = 8) -> st.SearchStrategy[Structure]:
    """Structures of one type, with a given number of rows where one is given."""
    size = st.just(rows) if rows else st.integers(1, most)
    match kind:
        case _ if kind is Identity:
            return size.map(Identity)
        case _ if kind is Negation:
            return size.map(Negation)
        case _ if kind is Diagonal:
            return size.map(Diagonal)
        case _ if kind is Dense:
            return st.builds(Dense, size, st.integers(1, most))
        case _ if kind is Sparse:
            return st.one_of(
                size.flatmap(_sparse_of(most)), _composite(size, st.integers(1, 4), blocks=False, spread=True)
            )
        case _ if kind is BlockDiagonal:
            return _composite(size, st.integers(1, 4), blocks=True)
        case _ if kind is Kronecker:
            return _composite(size, st.integers(1, 4), blocks=False)
    raise AssertionError(kind)


def _sparse_of(most: int):
    @st.composite
    def build(draw, rows):
        columns = draw(st.integers(1, most))
        mask = np.array(draw(st.lists(st.booleans(), min_size=rows * columns, max_size=rows * columns)))
        return _pattern(mask.reshape(rows, columns))

    return build


def _pattern(mask: NDArray[np.bool_]) -> Sparse:
    counts = np.concatenate([[0], np.cumsum(mask.sum(1))])
    return sparse(*mask.shape, counts, np.nonzero(mask)[1])


@st.composite
def _composite(draw, sizes, factors, *, blocks, spread=False):
    rows = draw(sizes)
    count = draw(st.sampled_from(divisors(rows)))
    inner = rows // count
    if blocks:
        return BlockDiagonal(count, inner, draw(factors))
    if spread:
        return sparse_like(Kronecker(Dense(count, draw(factors)), Identity(inner)))
    shape = draw(st.sampled_from(["left", "right", "both"]))
    left = Dense(count, draw(factors)) if shape != "right" else Identity(count)
    right = Dense(inner, draw(factors)) if shape != "left" else Identity(inner)
    return Kronecker(left, right)


def structures(rows: int | None = None, *, most: int = 8) -> st.SearchStrategy[Structure]:
    """Structures of any type."""
    return st.sampled_from(STRUCTURES).flatmap(lambda kind: sizes_for(kind, rows, most=most))


def twin_of(structure: Structure, seed: int, dtype=np.float64) -> Twin:
    """A matrix of a structure with values from a seed, and its dense twin built independently of the algebra."""
    rng = np.random.default_rng(seed)
    arrays = tuple(rng.uniform(0.5, 1.5, shape).astype(dtype) for shape in array_shapes(structure))
    return Twin(Matrix(structure, arrays), dense_twin(structure, arrays))


def dense_twin(structure: Structure, arrays) -> NDArray[np.float64]:
    """The entries, by NumPy's own constructions."""
    match structure:
        case Identity(size):
            return np.eye(size)
        case Negation(size):
            return -np.eye(size)
        case Diagonal():
            return np.diag(arrays[0])
        case Dense():
            return arrays[0]
        case Kronecker(left, right):
            a = np.eye(left.size) if isinstance(left, Identity) else arrays[0]
            b = np.eye(right.size) if isinstance(right, Identity) else arrays[-1]
            return np.kron(a, b)
        case BlockDiagonal(count, rows, columns):
            out = np.zeros((count * rows, count * columns))
            for k in range(count):
                out[k * rows : (k + 1) * rows, k * columns : (k + 1) * columns] = arrays[0][k]
            return out
        case Sparse():
            from scipy.sparse import csr_array

            from jacchain.algebra.structure import csr_arrays

            indptr, indices = csr_arrays(structure)
            return csr_array((arrays[0], indices, indptr), shape=(structure.rows, structure.columns)).toarray()
    raise AssertionError(structure)


@st.composite
def structure_pairs(draw, left: type, right: type):
    """Two structures of given types whose inner sizes meet."""
    a = draw(sizes_for(left))
    return a, draw(sizes_for(right, a.columns))


@st.composite
def structure_chains(draw, *, least: int = 1, longest: int = 5, most: int = 5):
    """Structures in order of evaluation, J_1 first, whose sizes meet."""
    outermost = draw(structures(most=most))
    found = [outermost]
    for _ in range(draw(st.integers(least, longest)) - 1):
        found.append(draw(structures(found[-1].columns, most=most)))
        if found[-1].columns > 40:
            break
    return found[::-1]


seeds = st.integers(0, 2**32 - 1)


@st.composite
def costed_links(draw, structure: Structure):
    """A link of a structure: explicit, matrix-free, or both."""
    kind = draw(st.sampled_from(["explicit", "explicit", "priced", "both", "tangent", "adjoint", "free"]))
    cost = st.integers(0, 40)
    options = {
        "explicit": {"structure": structure},
        "priced": {"structure": structure, "accumulate_cost": draw(cost)},
        "both": {"structure": structure, "tangent_cost": draw(cost), "adjoint_cost": draw(cost)},
        "tangent": {"tangent_cost": draw(cost)},
        "adjoint": {"adjoint_cost": draw(cost)},
        "free": {"tangent_cost": draw(cost), "adjoint_cost": draw(cost)},
    }[kind]
    return Link(structure.columns, structure.rows, **options)


@st.composite
def mixed_chains(draw, *, longest: int = 5):
    """Chains of structured and matrix-free links."""
    return Chain([draw(costed_links(s)) for s in draw(structure_chains(longest=longest))])


def dense_sizes(*, longest: int = 12, most: int = 40) -> st.SearchStrategy[list[int]]:
    """Sizes of dense chains, with ties and ones."""
    return st.integers(1, most).flatmap(lambda m: st.lists(st.integers(1, m), min_size=2, max_size=longest + 1))


@st.composite
def pair_requests(draw, links: int, *, most: int = 4):
    """A few (output, input) pairs of a chain of so many links, or one of the names."""
    pairs = st.integers(1, links).flatmap(lambda k: st.tuples(st.just(k), st.integers(0, k - 1)))
    listed = st.lists(pairs, min_size=1, max_size=most)
    return draw(st.one_of(st.sampled_from(["suffixes", "prefixes"]), listed))


SQUARE = (Identity, Negation, Diagonal)
"""Structures that are square whatever their size."""


@st.composite
def shaped(draw, kind: type, rows: int, columns: int):
    """Structures of one type and shape."""
    if kind in SQUARE:
        return kind(rows)
    common = [d for d in divisors(rows) if columns % d == 0]
    if kind is BlockDiagonal:
        count = draw(st.sampled_from(common))
        return BlockDiagonal(count, rows // count, columns // count)
    if kind is Sparse and draw(st.booleans()):
        size = draw(st.sampled_from(common))
        return sparse_like(Kronecker(Dense(rows // size, columns // size), Identity(size)))
    if kind is Sparse:
        mask = np.array(draw(st.lists(st.booleans(), min_size=rows * columns, max_size=rows * columns)))
        return _pattern(mask.reshape(rows, columns))
    if kind is Dense:
        return Dense(rows, columns)
    shape = draw(st.sampled_from(["left", "right", "both"]))
    if shape == "both":
        m, n = draw(st.sampled_from(divisors(rows))), draw(st.sampled_from(divisors(columns)))
        return Kronecker(Dense(m, n), Dense(rows // m, columns // n))
    size = draw(st.sampled_from(common))
    factor = Dense(rows // size, columns // size)
    return Kronecker(factor, Identity(size)) if shape == "left" else Kronecker(Identity(size), factor)


@st.composite
def matching_structures(draw, *kinds: type | None, most: int = 8):
    """Structures of given types, or of any where None is given, all of one shape; some are equal."""
    found: list[Structure] = []
    chosen = [kind or draw(st.sampled_from(STRUCTURES)) for kind in kinds]
    rows = draw(st.integers(1, most))
    is_square = any(kind in SQUARE for kind in chosen) or draw(st.booleans())
    columns = rows if is_square else draw(st.integers(1, most))
    for kind in chosen:
        same = [s for s in found if type(s) is kind]
        found.append(same[0] if same and draw(st.booleans()) else draw(shaped(kind, rows, columns)))
    widened = [k for k, s in enumerate(found) if isinstance(s, Sparse)]
    if widened and draw(st.booleans()):  # a pattern that holds all the others
        found[draw(st.sampled_from(widened))] = _pattern(sum(map(_mask, found)) > 0)
    return tuple(found)


def _mask(structure: Structure) -> NDArray[np.bool_]:
    return dense_twin(structure, tuple(np.ones(shape) for shape in array_shapes(structure))) != 0


@st.composite
def nested_structures(draw, *, most: int = 6):
    """A structure and a sparse one of its shape whose pattern holds its entries, seldom all places."""
    kind = draw(st.sampled_from(STRUCTURES))
    rows = draw(st.integers(1, most))
    columns = rows if kind in SQUARE or draw(st.booleans()) else draw(st.integers(1, most))
    inner = draw(shaped(kind, rows, columns))
    more = np.random.default_rng(draw(seeds)).random((rows, columns)) < draw(st.sampled_from([0.0, 0.2, 0.5]))
    return inner, _pattern(_mask(inner) | more)


@st.composite
def graphs(draw, *, interior: int = 6, most: int = 4, structured: bool = False):
    """Acyclic graphs with parallel edges and any requests; links are dense, or of any structure and way of working."""
    count = draw(st.integers(2, interior + 2))
    size = draw(st.integers(1, most)) if structured else 0
    sizes = {vertex: size or draw(st.integers(1, most)) for vertex in range(count)}
    pairs = [(tail, head) for head in range(count) for tail in range(head)]
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=2 * count))
    links = [draw(costed_links(draw(_square(size)))) if structured else None for _ in chosen]
    edges = [Edge(tail, head, link) for (tail, head), link in zip(chosen, links, strict=True)]
    vertices = st.integers(0, count - 1)
    requests = draw(st.none() | st.lists(st.tuples(vertices, vertices), min_size=1, max_size=4))
    return Graph(sizes, edges, requests)


def _square(size: int) -> st.SearchStrategy[Structure]:
    """Structures that map as many numbers as they take, so that any may meet any."""
    kinds = [Identity(size), Negation(size), Diagonal(size), Dense(size, size)]
    patterns = st.lists(st.booleans(), min_size=size * size, max_size=size * size)
    sparse_ones = patterns.map(lambda mask: _pattern(np.array(mask).reshape(size, size)))
    return st.one_of(st.sampled_from(kinds), sparse_ones)


MATRIX = np.array([[0.5, -0.2, 0.1], [0.4, 0.9, -0.3], [-0.6, 0.2, 0.7]])

VECTOR_STEPS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - 0.5 * b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / (1.5 + b * b),
    "power": lambda a, b: (1 + a * a) ** np.tanh(b),
    "sin": lambda a, _: np.sin(a),
    "exp": lambda a, b: np.exp(-np.abs(a)) * b,
    "log": lambda a, _: np.log1p(a**2),
    "same": lambda a, _: +a,
    "choose": lambda a, b: np.where(a > b, a, np.tanh(b)),
    "maximum": lambda a, b: np.maximum(a, np.sin(b)),
    "matrix": lambda a, b: MATRIX @ a + b,
    "outer": lambda a, b: np.sum(np.outer(a, b), axis=0) / 3,
    "scale": lambda a, b: a * np.dot(a, b) / 3,
    "norm": lambda a, b: a / np.sqrt(1 + np.sum(b**2)),
    "slices": lambda a, b: np.concatenate([a[1:], b[:1]]),
    "fancy": lambda a, b: a[[2, 0, 0]] - b[::-1],
    "stack": lambda a, b: np.stack([a, b], axis=1).sum(axis=1),
    "cumsum": lambda a, b: np.cumsum(a) - b,
    "einsum": lambda a, b: np.einsum("i,ij->j", a, np.reshape(np.tile(b, 3), (3, 3))) / 3,
    "solve": lambda a, b: np.linalg.solve(3 * np.eye(3) + np.diag(np.tanh(a)), b),
    "largest": lambda a, b: a - np.max(b),
    "convolve": lambda a, b: np.convolve(a, np.tanh(b), "same"),
}
"""Functions of two vectors of three numbers, the values of which stay moderate."""


class NumpyFunction(NamedTuple):
    """A function of a vector, made of steps on any earlier values; its last value is the result."""

    steps: tuple[tuple[str, int, int], ...]

    def __call__(self, x):
        values = [x]
        for name, i, j in self.steps:
            values.append(np.tanh(VECTOR_STEPS[name](values[i % len(values)], values[j % len(values)])) * 2)
        return values[-1] + values[len(values) // 2]


def numpy_functions(*, longest: int = 8) -> st.SearchStrategy[NumpyFunction]:
    """Random functions of a vector of three numbers, with values used several times or not at all."""
    back = st.integers(0, 7)
    steps = st.lists(st.tuples(st.sampled_from(sorted(VECTOR_STEPS)), back, back), min_size=1, max_size=longest)
    return steps.map(tuple).map(NumpyFunction)


@st.composite
def ladders(draw, *, interior: int = 4, most: int = 4, structured: bool = False, width: int | None = None):
    """Ladders of one number, with parallel edges, inputs made of inputs, and any curvatures; widths as in `graphs`."""
    count = draw(st.integers(2, interior + 2))
    same = width or (draw(st.integers(1, most)) if structured else 0)
    sizes = {vertex: same or draw(st.integers(1, most)) for vertex in range(count - 1)} | {count - 1: 1}
    pairs = [(tail, head) for head in range(count) for tail in range(head)]
    chosen = [*draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=2 * count)), (count - 2, count - 1)]
    edges = []
    for tail, head in chosen:
        is_square = structured and head < count - 1
        edges.append(Edge(tail, head, draw(costed_links(draw(_square(same)))) if is_square else None))
    asked = draw(st.lists(st.integers(0, count - 2), min_size=1, max_size=3, unique=True))
    found = Graph(sizes, edges, [(count - 1, vertex) for vertex in asked])
    into = [(a, b) for b in range(len(edges)) for a in range(b + 1) if edges[a].head == edges[b].head]
    curves = [
        Curve(a, b, draw(_bends(sizes[edges[a].tail], sizes[edges[b].tail], is_symmetric=a == b)))
        for a, b in draw(st.lists(st.sampled_from(into), min_size=1, max_size=2 * count))
    ]
    return Ladder(found, curves)


def _bends(rows: int, columns: int, *, is_symmetric: bool) -> st.SearchStrategy[Structure]:
    """Structures of curvatures; the pattern is symmetric where they are."""
    kinds: list[Structure] = [Dense(rows, columns)]
    if rows == columns:
        band = np.abs(np.subtract.outer(np.arange(rows), np.arange(rows))) < 2
        kinds += [Diagonal(rows), _pattern(band if is_symmetric else np.triu(band))]
        kinds += [BlockDiagonal(2, rows // 2, rows // 2)] * (rows % 2 == 0 and rows > 2)
    return st.sampled_from(kinds)


ROW_STEPS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / (2.5 + np.sin(b)),
    "sin": lambda a, _: np.sin(a),
    "exp": lambda a, _: np.exp(0.3 * a),
    "square": lambda a, _: a**2,
    "cube": lambda a, _: 0.5 * a**3,
    "shift": lambda a, _: 2.0 - a,
}
"""Analytic functions of two rows, number by number."""

ROW_ENDS = {
    "sum": np.sum,
    "mean": np.mean,
    "first": lambda row: row[0],
    "dot": lambda row: row @ row[::-1],
}
"""What makes one number of a row."""


class RowFunction(NamedTuple):
    """A function that combines slices of a vector number by number, and joins or sums some of what it makes."""

    length: int
    """Of every row."""
    starts: tuple[int, ...]
    """Where each slice begins that is used."""
    steps: tuple[tuple[str, int, int], ...]
    ends: tuple[str, ...]
    """How the last rows come out: joined as they are where there is none."""

    def __call__(self, x):
        rows = [x[start : start + self.length] for start in self.starts]
        for name, i, j in self.steps:
            rows.append(ROW_STEPS[name](rows[i % len(rows)], rows[j % len(rows)]))
        if not self.ends:
            return np.concatenate(rows[-2:])
        numbers = [ROW_ENDS[end](row) for end, row in zip(self.ends, rows[::-1], strict=False)]
        return sum(numbers[1:], start=numbers[0])


@st.composite
def row_functions(draw, size: int, *, is_scalar: bool, longest: int = 5):
    """Functions of a vector of some numbers that give one number, or several."""
    length = draw(st.integers(1, size))
    starts = draw(st.lists(st.integers(0, size - length), min_size=1, max_size=3))
    back = st.integers(0, 7)
    steps = draw(st.lists(st.tuples(st.sampled_from(sorted(ROW_STEPS)), back, back), max_size=longest))
    ends = draw(st.lists(st.sampled_from(sorted(ROW_ENDS)), min_size=1, max_size=2)) if is_scalar else ()
    return RowFunction(length, tuple(starts), tuple(steps), tuple(ends))


class Problem(NamedTuple):
    """An objective and constraints of a vector, both of analytic functions."""

    size: int
    objective: RowFunction | None
    constraints: tuple[RowFunction, ...]


@st.composite
def problems(draw, *, most: int = 6):
    """Objectives and constraints, of which either may be missing."""
    size = draw(st.integers(1, most))
    constraints = draw(st.lists(row_functions(size, is_scalar=False), max_size=2))
    objective = draw(row_functions(size, is_scalar=True)) if not constraints or draw(st.booleans()) else None
    return Problem(size, objective, tuple(constraints))


class BentChain(NamedTuple):
    """A chain, and the first and second derivatives of its links as dense arrays."""

    chain: Chain
    jacobians: list[NDArray[np.float64]]
    tensors: list[NDArray[np.float64]]

    @property
    def twin(self) -> NDArray[np.float64]:
        """The second derivative, term by term: Σ over k of J(n,k) F″_k [J(k-1,0), J(k-1,0)]."""
        before = [np.eye(self.chain.sizes[0])]
        for jacobian in self.jacobians:
            before.append(jacobian @ before[-1])
        after, found = np.eye(self.chain.sizes[-1]), 0.0
        for k in range(len(self.chain) - 1, -1, -1):
            found = found + np.einsum("zy,yab,ai,bj->zij", after, self.tensors[k], before[k], before[k])
            after = after @ self.jacobians[k]
        return found


@st.composite
def bent_chains(draw: st.DrawFn, *, most: int = 6, symmetric: bool = True) -> BentChain:
    """Chains of dense, diagonal, unit and linear links with their derivatives."""
    links, size = [], draw(st.integers(1, 4))
    kinds = st.sampled_from(["dense", "dense", "dense", "linear", "diagonal", "scaling", "identity", "negation"])
    for kind in draw(st.lists(kinds, min_size=1, max_size=most)):
        if kind in ("dense", "linear"):
            links.append(Link(size, draw(st.integers(1, 4)), linear=kind == "linear"))
            size = links[-1].outputs
        else:
            structure = "diagonal" if kind == "scaling" else kind
            links.append(Link(size, size, structure=structure, linear=kind == "scaling"))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return BentChain(Chain(links), *zip(*(_bent(link, random, symmetric) for link in links), strict=True))


def _bent(link: Link, random: np.random.Generator, symmetric: bool) -> tuple[NDArray, NDArray]:
    """Return the derivatives of a link, with zeros where its structure has them."""
    jacobian = random.standard_normal((link.outputs, link.inputs))
    tensor = random.standard_normal((link.outputs, link.inputs, link.inputs))
    match link.local:
        case Identity(size):
            jacobian = np.eye(size)
        case Negation(size):
            jacobian = -np.eye(size)
        case Diagonal(size):
            jacobian = np.diag(np.diag(jacobian))
            tensor = np.einsum("ab,ac->abc", np.eye(size), np.eye(size)) * tensor
    if symmetric:
        tensor = tensor + tensor.swapaxes(1, 2)
    return jacobian, tensor * (not link.is_linear)


def anywhere(constant):
    """Return a function of an array that gives an array or a Matrix where that one lies, as user functions need."""

    def beside(x):
        place = home_of([x]).place
        if isinstance(constant, Matrix):
            return Matrix(constant.structure, tuple(map(place, constant.arrays)))
        return place(constant)

    return beside
