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
    Sparse,
    Structure,
    array_shapes,
    sparse,
    sparse_like,
)
from jacchain.planning.graph import Chain, Link


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
