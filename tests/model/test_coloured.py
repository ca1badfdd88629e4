"""Matrices of known patterns out of few products: colourings, call counts, what a wrong pattern does."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse as sp
from strategies import seeds

import jacchain as jc
from jacchain.algebra.pattern import pattern as entries_of
from jacchain.algebra.structure import BlockDiagonal, Dense, Diagonal, Sparse, sparse, stored
from jacchain.errors import CheckError, MissingExtraError, OptionError, SizeError
from jacchain.model import coloured
from jacchain.model.coloured import as_pattern, by_columns, by_rows, by_symmetry, is_symmetric


class Counted:
    """A function that counts its calls."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *operands):
        self.calls += 1
        return self.function(*operands)


def squares(matrix, modes="jvp vjp", **options):
    """x ↦ A x², whose local Jacobian 2 A diag(x) has the pattern of A, with counted products."""
    a = matrix.toarray() if sp.issparse(matrix) else matrix
    products = {"jvp": Counted(lambda x, v: a @ (2 * x * v)), "vjp": Counted(lambda x, u: 2 * x * (u @ a))}
    kept = {mode: products[mode] for mode in modes.split()}
    return jc.Function(lambda x: a @ x**2, outputs=len(a), pattern=matrix, name="f", **kept, **options), products


def tridiagonal(n):
    return sp.diags_array([np.arange(1.0, n), np.ones(n), -np.ones(n - 1)], offsets=[-1, 0, 1])


def arrow(n):
    """Ones in the first row, the first column and on the diagonal."""
    found = np.eye(n)
    found[0] = found[:, 0] = 1
    return found


@st.composite
def masks(draw, *, square=False, most=8):
    rows = draw(st.integers(1, most))
    columns = rows if square else draw(st.integers(1, most))
    rng = np.random.default_rng(draw(seeds))
    return rng.random((rows, columns)) < draw(st.sampled_from([0.0, 0.15, 0.3, 0.6, 1.0]))


@given(masks(), seeds)
def test_every_matrix_of_the_pattern_is_read_out_of_its_products(mask, seed):
    matrix = np.random.default_rng(seed).normal(size=mask.shape) * mask
    found = as_pattern(mask, "the pattern")
    for compression, products in (
        (by_columns(found), lambda s: s @ matrix.T),
        (by_rows(found), lambda s: s @ matrix),
    ):
        read = products(compression.seeds(float)).reshape(-1)[compression.source]
        assert_allclose(read, matrix[mask], rtol=1e-13)


@given(masks(square=True), seeds)
def test_every_symmetric_matrix_is_read_out_of_its_products_and_symmetric_to_the_last_bit(mask, seed):
    mask |= mask.T
    matrix = np.random.default_rng(seed).normal(size=mask.shape) * mask
    matrix += matrix.T
    found = as_pattern(mask, "the pattern")
    compression = by_symmetry(found)
    assert compression.products <= by_columns(found).products
    noise = 1 + 1e-9 * np.random.default_rng(0).normal(size=(compression.products, len(mask)))
    read = np.zeros(mask.shape)
    read[mask] = ((compression.seeds(float) @ matrix) * noise).reshape(-1)[compression.source]
    assert_allclose(read, matrix, rtol=1e-7)
    assert np.array_equal(read, read.T)


@pytest.mark.parametrize(
    ("pattern", "columns", "rows"),
    [
        (tridiagonal(20), 3, 3),
        (np.ones((4, 6)), 6, 4),
        (np.eye(7), 1, 1),
        (np.vstack([np.ones((1, 5)), np.eye(5)]), 5, 2),
        (BlockDiagonal(10, 3, 2), 2, 3),
        (Diagonal(10), 1, 1),
        (np.zeros((3, 2)), 0, 0),
    ],
)
def test_known_patterns_take_the_least_number_of_products(pattern, columns, rows):
    found = as_pattern(pattern, "the pattern")
    assert (by_columns(found).products, by_rows(found).products) == (columns, rows)


def test_a_symmetric_arrow_takes_two_products_where_columns_alone_take_all():
    found = as_pattern(arrow(30), "the pattern")
    assert (by_columns(found).products, by_symmetry(found).products) == (30, 2)


@pytest.mark.parametrize(
    ("matrix", "modes", "jvps", "vjps"),
    [
        (tridiagonal(12), "jvp", 3, 0),
        (tridiagonal(12), "vjp", 0, 3),
        (tridiagonal(12), "jvp vjp", 3, 0),
        (np.vstack([np.ones((1, 5)), np.eye(5)]), "jvp vjp", 0, 2),
        (np.vstack([np.ones((1, 5)), np.eye(5)]), "jvp", 5, 0),
    ],
)
def test_a_jacobian_takes_as_many_products_as_there_are_colours(matrix, modes, jvps, vjps):
    layer, products = squares(matrix, modes)
    x = np.random.default_rng(0).normal(size=matrix.shape[1])
    found = layer.jacobian(x)
    assert (products["jvp"].calls, products["vjp"].calls) == (jvps, vjps)
    assert isinstance(found.structure, Sparse)
    assert found.structure.nonzeros == (np.asarray(matrix.todense() if sp.issparse(matrix) else matrix) != 0).sum()
    assert_allclose(found.todense(), (matrix.toarray() if sp.issparse(matrix) else matrix) * 2 * x)


def test_the_cheaper_products_are_taken_where_their_costs_are_stated():
    matrix = tridiagonal(12)
    layer, products = squares(matrix, tangent_cost=100, adjoint_cost=30)
    layer.jacobian(np.ones(12))
    assert (products["jvp"].calls, products["vjp"].calls) == (0, 3)
    assert layer.facts((12,)).link.accumulate_cost == 90


@pytest.mark.host(reason="functions of the user's close over arrays of the host")
@given(masks(), seeds, st.sampled_from(["jvp", "vjp", "jvp vjp"]), st.sampled_from([np.float64, np.float32]))
def test_planned_jacobians_of_patterned_functions_equal_the_dense_ones(mask, seed, modes, dtype):
    rng = np.random.default_rng(seed)
    matrix, x = rng.normal(size=mask.shape) * mask, rng.normal(size=mask.shape[1]).astype(dtype)
    a = sp.csr_array(matrix)
    a.data[:] = matrix[mask]
    pattern = as_pattern(mask, "the pattern")
    products = {"jvp": lambda x, v: matrix @ (2 * x * v), "vjp": lambda x, u: 2 * x * (u @ matrix)}
    layer = jc.Function(
        lambda x: matrix @ x**2,
        outputs=len(matrix),
        pattern=pattern,
        **{mode: products[mode] for mode in modes.split()},
    )
    wanted = 2 * matrix * x
    found = jc.jacobian(jc.Sequential([layer, jc.layers.Square()]))(x)
    assert found.dtype == dtype
    tolerance = 1e-10 if dtype == np.float64 else 1e-3
    value = matrix @ x.astype(float) ** 2
    assert_allclose(found, 2 * value[:, None] * wanted, rtol=tolerance, atol=tolerance)
    assert_allclose(jc.jacobian(lambda x: layer(x) * 2.0)(x), 2 * wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.host(reason="functions of the user's close over arrays of the host")
def test_the_plan_states_the_pattern_and_the_products_and_counts_them():
    layer, products = squares(tridiagonal(12))
    run = jc.jacobian(jc.Sequential([layer]))
    plan = run.plan(np.ones(12))
    assert plan.flops == 3 * 34  # three products of 34 multiplications
    assert run.count(np.ones(12)).multiplications == plan.flops
    products["jvp"].calls = 0
    run(np.ones(12))
    assert (products["jvp"].calls, products["vjp"].calls) == (3, 0)


@pytest.mark.parametrize("structure", [Diagonal(6), BlockDiagonal(3, 2, 2)])
@pytest.mark.parametrize("modes", ["jvp", "vjp"])
def test_structured_patterns_stay_structured_and_need_no_library(monkeypatch, structure, modes):
    monkeypatch.setitem(sys.modules, "asdex", None)
    matrix = np.zeros((6, 6))
    found = entries_of(structure)
    matrix[np.repeat(np.arange(6), np.diff(found.indptr)), found.indices] = np.arange(1, stored(structure) + 1)
    a = {"jvp": lambda x, v: matrix @ v, "vjp": lambda x, u: u @ matrix}
    layer = jc.Function(lambda x: matrix @ x, outputs=6, pattern=structure, **{modes: a[modes]})
    jacobian = layer.jacobian(np.ones(6))
    assert jacobian.structure == structure
    assert_allclose(jacobian.todense(), matrix)


def test_several_products_at_once_are_one_call():
    matrix = tridiagonal(8).toarray()
    for modes in ("jvp", "vjp"):
        products = {
            "jvp": Counted(lambda x, v: matrix @ (2 * x[:, None] * v)),
            "vjp": Counted(lambda x, u: (u @ matrix) * 2 * x),
        }
        layer = jc.Function(
            lambda x: matrix @ x**2, outputs=8, pattern=matrix, vectorized=True, **{modes: products[modes]}
        )
        x = np.arange(1.0, 9.0)
        assert_allclose(layer.jacobian(x).todense(), 2 * matrix * x)
        assert products[modes].calls == 1


def cubes(matrix, pattern, **options):
    """x ↦ Σ_ij S_ij x_i² x_j² / 2, with the Hessian's pattern that of S and the diagonal."""
    s = matrix

    def hvp(x, u, v):
        return u * (2 * (s @ x**2) * v + 4 * x * (s @ (x * v)))

    counted = Counted(hvp)
    layer = jc.Function(
        lambda x: x**2 @ s @ x**2 / 2,
        vjp=lambda x, u: u * 2 * x * (s @ x**2),
        hvp=counted,
        curvature_pattern=pattern,
        outputs=(),
        name="f",
        **options,
    )
    return layer, counted


@pytest.mark.parametrize(("matrix", "products"), [(arrow(15), 2), (np.eye(9), 1), (tridiagonal(15).toarray() != 0, 3)])
def test_a_curvature_takes_as_many_products_as_there_are_colours(matrix, products):
    matrix = matrix * np.add.outer(np.arange(len(matrix)), np.arange(len(matrix)) + 1.0)
    layer, counted = cubes(matrix, matrix)
    x = np.random.default_rng(0).normal(size=len(matrix))
    found = layer.curvature(x, 2.0)
    assert counted.calls == products
    assert isinstance(found.structure, Sparse)
    dense, _ = cubes(matrix, None)
    assert_allclose(found.todense(), dense.curvature(x, 2.0).todense(), rtol=1e-12, atol=1e-12)
    assert np.array_equal(found.todense(), found.todense().T)


@pytest.mark.host(reason="functions of the user's close over arrays of the host")
def test_an_entry_that_a_pattern_misses_is_found_and_its_row_named():
    matrix = tridiagonal(12).toarray()
    wrong = matrix.copy()
    wrong[7, 6] = 0
    products = {"jvp": lambda x, v: matrix @ (2 * x * v), "vjp": lambda x, u: 2 * x * (u @ matrix)}
    x = np.linspace(0.5, 1.5, 12)
    for mode, line in (("jvp", "row 7"), ("vjp", "column 6")):
        right, bad = (
            jc.Function(lambda x: matrix @ x**2, outputs=12, pattern=pattern, name="f", **{mode: products[mode]})
            for pattern in (matrix, wrong)
        )
        right.check_pattern(x)
        jc.jacobian(jc.Sequential([right, jc.layers.Tanh()]), check=True)(x)
        for ask in (
            bad.check_pattern,
            jc.jacobian(jc.Sequential([bad]), check=True),
            jc.jacobian(twice(bad), check=True),
        ):
            with pytest.raises(CheckError, match=f"the pattern of f misses an entry in {line}"):
                ask(x)


def twice(layer):
    return lambda x: 2.0 * layer(x)


def test_an_entry_that_a_curvature_pattern_misses_is_found():
    matrix = tridiagonal(9).toarray()
    matrix = matrix + matrix.T
    wrong = matrix.copy()
    wrong[4, 3] = wrong[3, 4] = 0
    x = np.linspace(0.5, 1.5, 9)
    cubes(matrix, matrix)[0].check_pattern(x)
    with pytest.raises(CheckError, match=r"the pattern of the second derivative of f misses an entry in row [34]:"):
        cubes(matrix, wrong)[0].check_pattern(x)


@pytest.mark.host(reason="functions of the user's close over arrays of the host")
def test_second_order_looks_at_patterns_too_where_it_is_asked_to():
    matrix = tridiagonal(9).toarray()
    matrix = matrix + matrix.T
    wrong = matrix.copy()
    wrong[4, 3] = wrong[3, 4] = 0
    x = np.linspace(0.5, 1.5, 9)
    right, bad = (cubes(matrix, pattern)[0] for pattern in (matrix, wrong))
    squares = jc.Function(
        lambda x: matrix @ x**2,
        jvp=lambda x, v: matrix @ (2 * x * v),
        hvp=lambda x, u, v: 2 * (u @ matrix) * v,
        outputs=9,
        pattern=wrong,
        name="f",
    )
    wanted = jc.hessian(right, check=True)(x, weights=2.0)
    assert_allclose(jc.Lagrangian(right, (), x, check=True).hessian(x, [], 2.0).todense(), wanted)
    for layer, message in (
        (bad, r"the pattern of the second derivative of f misses an entry in row [34]:"),
        (squares, r"the pattern of f misses an entry in row [34]:"),
    ):

        def f(x, layer=layer):
            return np.sum(layer(x))

        hess = jc.hessian(f, check=True)
        lagrangian = jc.Lagrangian(f, (), x, check=True)
        for ask in (hess, hess.taylor, lambda x, h=hess: h.times(x, x), lambda x, o=lagrangian: o.hessian(x, [])):
            with pytest.raises(CheckError, match=message):
                ask(x)


@pytest.mark.host(reason="functions of the user's close over arrays of the host")
@pytest.mark.parametrize("structure", [None, sparse(3, 3, [0, 2, 4, 5], [0, 1, 0, 1, 2])])
def test_a_hessian_that_is_not_symmetric_is_found_and_its_entry_named(structure):
    def layer(gap):
        values = np.array([[1.0, 2.0, 0.0], [2.0 + gap, 5.0, 0.0], [0.0, 0.0, 3.0]])
        given = values if structure is None else values[values != 0]
        return jc.Function(
            lambda x: np.sum(x**2),
            vjp=lambda x, u: 2 * u * x,
            outputs=(),
            hessian=lambda x, u: given,
            curvature_structure=structure,
            name="f",
        )

    x = np.ones(3)
    layer(1e-9).check_pattern(x)
    bad = layer(0.5)
    with pytest.raises(CheckError, match=r"the hessian of f is not symmetric: entry \(0, 1\) is 2, but .* is 2.5"):
        jc.hessian(bad, check=True)(x)
    assert np.array_equal(jc.hessian(bad)(x), jc.hessian(bad)(x).T)


def test_derivatives_that_cannot_be_called_are_refused_by_name():
    with pytest.raises(OptionError, match="the hessian of f is no function, but ndarray"):
        jc.Function(np.sum, vjp=lambda x, u: u, hessian=np.eye(3), name="f")
    with pytest.raises(OptionError, match="the jvp of f is no function, but int"):
        jc.Function(np.sum, jvp=3, name="f")
    with pytest.raises(OptionError, match="the function of f is no function, but float"):
        jc.Function(2.0, jvp=lambda x, v: v, name="f")


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "asdex", None)
    layer, _ = squares(np.triu(np.ones((5, 5)), 2) + np.eye(5))
    with pytest.raises(MissingExtraError, match=r"jacchain\[coloring\]"):
        layer.jacobian(np.ones(5))


def test_patterns_of_another_size_are_refused():
    layer = jc.Function(np.cumsum, jvp=lambda x, v: np.cumsum(v), outputs=3, pattern=np.ones((3, 4)), name="f")
    with pytest.raises(SizeError, match="f has a pattern of 3x4 for 3 outputs and 3 inputs"):
        layer.jacobian(np.ones(3))
    layer, _ = cubes(np.eye(3), np.eye(4))
    with pytest.raises(SizeError, match="f has a curvature_pattern of 4x4 for 3 inputs"):
        layer.jacobian(np.ones(3))


@pytest.mark.parametrize("values", [3, "diagonal", np.ones(3), Dense(2, 2), None])
def test_what_is_no_pattern_is_refused(values):
    with pytest.raises(OptionError, match="the pattern is"):
        as_pattern(values, "the pattern")


def test_stored_zeros_of_sparse_arrays_are_entries_in_any_format():
    coordinates = (np.array([1, 0, 1]), np.array([2, 1, 2]))
    found = as_pattern(sp.coo_array((np.array([1.0, 0.0, -1.0]), coordinates), shape=(2, 3)), "the pattern")
    assert entries_of(found).indices.tolist() == [1, 2]
    assert entries_of(as_pattern(sp.csc_array(np.eye(3)), "it")).indices.tolist() == [0, 1, 2]


def test_symmetry_of_patterns_is_told():
    assert is_symmetric(as_pattern(arrow(4), "it"))
    assert not is_symmetric(as_pattern(np.triu(arrow(4)), "it"))
    assert is_symmetric(Diagonal(3))
    assert not is_symmetric(BlockDiagonal(2, 3, 2))


def test_a_colouring_is_found_once_for_a_pattern():
    assert by_columns(as_pattern(arrow(6), "it")) is by_columns(as_pattern(arrow(6), "it"))
    assert coloured.by_symmetry(Diagonal(3)).source.tolist() == [0, 1, 2]
