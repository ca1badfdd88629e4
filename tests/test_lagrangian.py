"""Lagrangians: their derivatives are those of plain NumPy, their structure is fixed, and nothing is done twice."""

import contextlib
import copy
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import jacchain as jc
from jacchain import Lagrangian
from jacchain.errors import (
    CheckError,
    DtypeError,
    InfeasibleError,
    NonFiniteError,
    OptionError,
    SizeError,
    TraceError,
)
from jacchain.lagrangian.sparsity import SparsityPattern
from jacchain.lagrangian.symmetric_form import SymmetricForm, folded
from jacchain.workloads.nonlinear.cartpole import cartpole
from jacchain.workloads.nonlinear.hs071 import hs071
from jacchain.workloads.nonlinear.rosenbrock import rosenbrock
from tests.strategies import problems

ENGINES = ("rows", "numbers", "matrices")
PROBLEMS = {"hs071": hs071(), "rosenbrock": rosenbrock(6), "cartpole": cartpole(2)}

IMPOSSIBLE = {("hs071", "rows")}
"""Products of all numbers of a row are no work on rows."""


@cache
def lagrangian_of(name, engine):
    problem = PROBLEMS[name]
    return Lagrangian(problem.objective, problem.constraints, problem.x0, engine=engine, planner="edge_pushing")


class Plain:
    """The dense twin: f and g by NumPy itself, first derivatives by complex steps, second ones by differences."""

    def __init__(self, objective, constraints):
        self.objective = objective or (lambda x: x[0] * 0.0)
        self.functions = constraints if isinstance(constraints, tuple | list) else (constraints,)

    def constraints(self, x):
        return np.concatenate([x[:0], *(np.reshape(g(x), -1) for g in self.functions)])

    def value(self, x, multipliers, factor):
        return factor * np.reshape(self.objective(x), ()) - multipliers @ self.constraints(x)

    @staticmethod
    def along(f, x):
        """Return df/dx, a column for every x_i."""
        return np.stack([np.imag(f(x + 1e-30j * unit)) / 1e-30 for unit in np.eye(x.size)], axis=-1)

    def gradient(self, x, multipliers, factor):
        return self.along(lambda z: self.value(z, multipliers, factor), x)

    def hessian(self, x, multipliers, factor, h=1e-5):
        units = np.eye(x.size)
        moved = [
            (self.gradient(x + h * e, multipliers, factor) - self.gradient(x - h * e, multipliers, factor)) / (2 * h)
            for e in units
        ]
        return np.array(moved)


def agrees(found, wanted, tolerance):
    scale = max(1.0, np.abs(wanted).max(initial=0.0))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * scale)


def numbers(count, seed):
    return np.random.default_rng(seed).uniform(-1.2, 1.2, count)


@given(problems(), st.integers(0, 99), st.sampled_from(ENGINES))
@settings(max_examples=60, deadline=None)
def test_all_derivatives_are_those_of_plain_numpy(problem, seed, engine):
    plain = Plain(problem.objective, problem.constraints)
    x = numbers(problem.size, seed)
    with np.errstate(all="ignore"):
        assume(np.isfinite(plain.value(x, np.zeros(plain.constraints(x).size), 1.0)))
        assume(np.abs(plain.constraints(x)).max(initial=0) < 1e4)
    lagrangian = made(problem, engine, planner="edge_pushing")
    multipliers, factor = numbers(lagrangian.number_of_constraints, seed + 1), -0.7
    assert lagrangian.objective(x) == pytest.approx(float(plain.objective(x)), rel=1e-12, abs=1e-12)
    agrees(lagrangian.constraints(x), plain.constraints(x), 1e-12)
    agrees(lagrangian.value(x, multipliers, factor), plain.value(x, multipliers, factor), 1e-12)
    agrees(lagrangian.gradient(x, multipliers, factor), plain.gradient(x, multipliers, factor), 1e-11)
    agrees(lagrangian.jacobian(x).toarray(), np.reshape(plain.along(plain.constraints, x), (-1, x.size)), 1e-11)
    hessian = lagrangian.hessian(x, multipliers, factor).toarray()
    agrees(hessian, plain.hessian(x, multipliers, factor), 1e-7)
    assert (hessian == hessian.T).all()


def made(problem, engine, **options):
    """Return a Lagrangian by an engine, or by the other one where rows would fill up."""
    for chosen in (engine, "matrices"):
        with contextlib.suppress(OptionError):
            return Lagrangian(problem.objective, problem.constraints, np.ones(problem.size), engine=chosen, **options)
    raise AssertionError("matrices take every function")


ASKED = {
    "objective": lambda lagrangian, x, _weights: lagrangian.objective(x),
    "constraints": lambda lagrangian, x, _weights: lagrangian.constraints(x),
    "gradient": lambda lagrangian, x, _weights: lagrangian.gradient(x),
    "jacobian": lambda lagrangian, x, _weights: lagrangian.jacobian_values(x),
    "gradient of L": lambda lagrangian, x, weights: lagrangian.gradient(x, *weights),
    "hessian": lambda lagrangian, x, weights: lagrangian.hessian_values(x, *weights),
}


@given(problems(), st.integers(0, 99), st.data())
@settings(max_examples=25, deadline=None)
def test_results_do_not_depend_on_what_was_asked_before(problem, seed, data):
    lagrangian, other = (made(problem, ENGINES[seed % 3], planner="edge_pushing") for _ in range(2))
    points = [numbers(problem.size, k) for k in range(3)]
    weights = [(numbers(lagrangian.number_of_constraints, 5 + k), 0.5 + k) for k in range(2)]
    for _ in range(12):
        name, point, weight = data.draw(st.tuples(st.sampled_from(sorted(ASKED)), st.integers(0, 2), st.integers(0, 1)))
        other.objective(np.zeros(problem.size))
        other.hessian(np.zeros(problem.size), np.zeros(other.number_of_constraints))
        wanted = ASKED[name](other, points[point], weights[weight])
        assert np.array_equal(ASKED[name](lagrangian, points[point], weights[weight]), wanted)


@pytest.mark.parametrize(("name", "engine"), sorted({*product(PROBLEMS, ENGINES)} - IMPOSSIBLE))
def test_the_structure_is_the_union_of_the_true_patterns(name, engine):
    problem, lagrangian = PROBLEMS[name], lagrangian_of(name, engine)
    plain = Plain(problem.objective, problem.constraints)
    jacobian, hessian = np.zeros((problem.m, problem.n), bool), np.zeros((problem.n, problem.n), bool)
    for seed in range(3):
        x, multipliers = numbers(problem.n, seed), numbers(problem.m, seed + 9)
        jacobian |= plain.along(plain.constraints, x) != 0
        found = plain.hessian(x, multipliers, 1.3)
        agrees(lagrangian.hessian(x, multipliers, 1.3).toarray(), found, 1e-8)
        hessian |= np.abs(found) > 1e-8 * np.abs(found).max()
    assert (dense(lagrangian.jacobian_structure) == jacobian).all()
    assert (dense(lagrangian.structure) == np.tril(hessian)).all()


def dense(pattern):
    found = np.zeros(pattern.shape, bool)
    found[pattern.rows, pattern.columns] = True
    return found


@pytest.mark.parametrize("name", PROBLEMS)
def test_all_engines_agree(name):
    problem = PROBLEMS[name]
    x, multipliers = numbers(problem.n, 1), numbers(problem.m, 2)
    first, *others = (lagrangian_of(name, engine) for engine in ENGINES if (name, engine) not in IMPOSSIBLE)
    for other in others:
        assert (first.structure.rows == other.structure.rows).all()
        assert (first.structure.columns == other.structure.columns).all()
        agrees(first.hessian_values(x, multipliers), other.hessian_values(x, multipliers), 1e-12)
        agrees(first.jacobian_values(x), other.jacobian_values(x), 1e-12)
        agrees(first.gradient(x, multipliers), other.gradient(x, multipliers), 1e-12)


def squares(x):
    return np.sum(x**2)


def products(x):
    return x[:-1] * x[1:]


@pytest.mark.parametrize("engine", ENGINES)
def test_values_at_the_places_of_the_structure_make_up_the_matrices(engine):
    lagrangian = Lagrangian(squares, products, np.ones(4), engine=engine)
    x, multipliers = numbers(4, 0), numbers(3, 1)
    lower = np.zeros((4, 4))
    lower[lagrangian.structure.rows, lagrangian.structure.columns] = lagrangian.hessian_values(x, multipliers, 2.0)
    assert (lower == np.tril(lagrangian.hessian(x, multipliers, 2.0).toarray())).all()
    whole = np.zeros((3, 4))
    whole[lagrangian.jacobian_structure.rows, lagrangian.jacobian_structure.columns] = lagrangian.jacobian_values(x)
    assert (whole == lagrangian.jacobian(x).toarray()).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_returned_is_not_overwritten(engine):
    lagrangian = Lagrangian(squares, products, np.ones(4), engine=engine)
    asked = [
        lagrangian.constraints,
        lagrangian.gradient,
        lambda x: lagrangian.gradient(x, [1.0, 2.0, 3.0]),
        lagrangian.jacobian_values,
        lambda x: lagrangian.hessian_values(x, x[:3]),
        lambda x: lagrangian.jacobian(x).data,
        lambda x: lagrangian.hessian(x, x[:3]).data,
    ]
    for ask in asked:
        first = ask(numbers(4, 0))
        kept = first.copy()
        first_again = ask(numbers(4, 0))
        ask(numbers(4, 1))
        assert (first == kept).all()
        first[...] = 7.0
        assert (first_again == kept).all()
        assert (ask(numbers(4, 0)) == kept).all()


def test_indices_are_shared_and_read_only():
    lagrangian = Lagrangian(squares, products, np.ones(4))
    one, other = (lagrangian.hessian(numbers(4, k), np.ones(3)) for k in (0, 1))
    assert one.indices is other.indices
    for array in (one.indices, one.indptr, lagrangian.structure.columns):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    assert one.has_canonical_format
    assert (one + other).nnz == one.nnz


def test_results_go_into_a_given_array():
    lagrangian = Lagrangian(squares, products, np.ones(4))
    x, multipliers = numbers(4, 0), np.ones(3)
    for ask, count in (
        (lagrangian.jacobian_values, lagrangian.jacobian_structure.nonzeros),
        (lambda x, *, out=None: lagrangian.hessian_values(x, multipliers, out=out), lagrangian.structure.nonzeros),
    ):
        out = np.full(count, np.nan)
        assert ask(x, out=out) is out
        assert (out == ask(x)).all()
        with pytest.raises(SizeError, match=rf"out has shape \({count + 1},\), not \({count},\)"):
            ask(x, out=np.empty(count + 1))
        with pytest.raises(DtypeError, match="out is int64"):
            ask(x, out=np.empty(count, int))
        with pytest.raises(DtypeError, match="out is list"):
            ask(x, out=[0.0] * count)


def test_a_solver_may_change_its_arrays_in_place():
    lagrangian = Lagrangian(squares, products, np.ones(4))
    x, multipliers = np.ones(4), np.ones(3)
    before = lagrangian.objective(x), lagrangian.hessian_values(x, multipliers)
    x[:] = 2.0
    multipliers[:] = 3.0
    assert lagrangian.objective(x) == 4 * before[0]
    assert (lagrangian.hessian_values(x, multipliers) != before[1]).any()


def test_zero_and_minus_zero_are_two_points():
    lagrangian = Lagrangian(lambda x: np.copysign(1.0, x[0]) * x[1], (), np.ones(2), engine="matrices")
    assert lagrangian.objective([0.0, 1.0]) == 1.0
    assert lagrangian.objective([-0.0, 1.0]) == -1.0


class Counted:
    """A function of NumPy's own that counts how often it is evaluated with numbers."""

    def __init__(self):
        self.values = self.firsts = self.seconds = 0

    def layer(self):
        def value(x):
            self.values += 1
            return np.sin(x)

        def jacobian(x):
            self.firsts += 1
            return np.cos(x)

        def hessian(x, u):
            self.seconds += 1
            return -np.sin(x) * u

        return jc.Function(
            value,
            jacobian=jacobian,
            hessian=hessian,
            structure=jc.layers.Tanh().facts((4,)).link.local,
            curvature_structure=jc.layers.Tanh().facts((4,)).link.local,
            outputs=(4,),
        )


def test_everything_is_evaluated_once_at_a_point():
    counted = Counted()
    layer = counted.layer()
    lagrangian = Lagrangian(lambda x: np.sum(layer(x) ** 2), lambda x: layer(x)[1:] * x[:-1], np.ones(4))
    counted.values = counted.firsts = counted.seconds = 0
    x = numbers(4, 0)
    for _ in range(2):
        lagrangian.objective(x)
        lagrangian.constraints(x)
        assert (counted.values, counted.firsts, counted.seconds) == (1, 0, 0)
    for _ in range(2):
        lagrangian.gradient(x)
        lagrangian.jacobian(x)
        lagrangian.gradient(x, np.ones(3))
        assert (counted.values, counted.firsts) == (1, 1)
    for _ in range(2):
        lagrangian.hessian(x, np.ones(3))
        lagrangian.value(x, np.ones(3))
    assert counted.values == 1
    seconds = counted.seconds
    lagrangian.hessian(x, np.zeros(3))
    assert counted.values == 1
    assert counted.seconds == 2 * seconds
    lagrangian.hessian(x + 1, np.zeros(3))
    assert counted.values == 2


@pytest.mark.parametrize("engine", ENGINES)
def test_kinks_have_the_documented_slope_and_do_not_bend(engine):
    lagrangian = Lagrangian(lambda x: np.sum(np.abs(x) + np.maximum(x, 0.0) ** 2), (), np.ones(3), engine=engine)
    x = np.array([0.0, -1.0, 2.0])
    assert lagrangian.gradient(x).tolist() == [0.0, -1.0, 5.0]
    assert lagrangian.hessian(x).diagonal()[1:].tolist() == [0.0, 2.0]


def test_functions_are_called_once_and_never_again():
    calls = []

    def objective(x):
        calls.append("objective")
        return np.sum(x**2)

    def constraints(x):
        calls.append("constraints")
        return x[1:] * x[:-1]

    lagrangian = Lagrangian(objective, [constraints], np.ones(3))
    for seed in range(3):
        lagrangian.hessian(numbers(3, seed), np.ones(2))
        lagrangian.jacobian(numbers(3, seed))
    assert calls == ["objective", "constraints"]


def test_constraints_may_have_any_shape_and_come_in_parts():
    functions = [lambda x: np.reshape(x[:4], (2, 2)) ** 2, lambda x: x[0] * x[1], lambda x: (x[2], [x[3:] * 2])]
    lagrangian = Lagrangian(squares, functions, np.ones(5))
    x = numbers(5, 0)
    np.testing.assert_allclose(lagrangian.constraints(x), [*x[:4] ** 2, x[0] * x[1], x[2], *(x[3:] * 2)])
    plain = Plain(squares, [lambda x: x[:4] ** 2, functions[1], lambda x: np.concatenate([x[2:3], x[3:] * 2])])
    agrees(lagrangian.hessian(x, numbers(8, 1)).toarray(), plain.hessian(x, numbers(8, 1), 1.0), 1e-8)
    agrees(lagrangian.jacobian(x).toarray(), plain.along(plain.constraints, x), 1e-12)


def test_layers_may_be_constraints_and_objective():
    weights = np.array([[1.0, -2.0, 0.5], [0.3, 0.7, -1.0]])
    network = jc.Sequential([jc.layers.Linear(weights), jc.layers.Tanh()])
    loss = jc.Sequential([jc.layers.Square(), jc.layers.Sum()])
    lagrangian = Lagrangian(loss, network, np.ones(3))
    plain = Plain(lambda x: np.sum(x**2), lambda x: np.tanh(weights @ x))
    x, multipliers = numbers(3, 0), numbers(2, 1)
    agrees(lagrangian.constraints(x), plain.constraints(x), 1e-12)
    agrees(lagrangian.hessian(x, multipliers, 0.4).toarray(), plain.hessian(x, multipliers, 0.4), 1e-7)
    assert lagrangian.structure.nonzeros == 6


def test_a_mapped_block_stays_block_diagonal():
    softmax = jc.layers.Softmax()
    lagrangian = Lagrangian(lambda x: np.sum(softmax(np.reshape(x, (5, 3))) ** 2), (), np.ones(15))
    assert (dense(lagrangian.structure) == np.tril(np.kron(np.eye(5), np.ones((3, 3))))).all()

    def plain(x):
        weights = np.exp(np.reshape(x, (5, 3)))
        return np.sum((weights / np.sum(weights, axis=1, keepdims=True)) ** 2)

    x = numbers(15, 0)
    agrees(lagrangian.hessian(x).toarray(), Plain(plain, ()).hessian(x, np.zeros(0), 1.0), 1e-8)


def test_products_alone_do_for_a_layer_of_known_pattern():
    pytest.importorskip("asdex")
    size, counts = 9, {"jvp": 0, "hvp": 0}
    band = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) <= 1

    def value(x):  # every number with its neighbours
        padded = np.concatenate([x[:1] * 0, x, x[:1] * 0])
        return x**2 * (padded[:-2] + padded[2:])

    def jvp(x, v):
        counts["jvp"] += 1
        return np.imag(value(x + 1e-30j * v)) / 1e-30

    def hvp(x, u, v, h=1e-6):
        counts["hvp"] += 1
        moved = [Plain.along(value, x + sign * h * v) for sign in (1, -1)]
        return u @ (moved[0] - moved[1]) / (2 * h)

    layer = jc.Function(value, jvp=jvp, hvp=hvp, outputs=(size,), pattern=band, curvature_pattern=band | (band @ band))
    lagrangian = Lagrangian(squares, layer, np.ones(size))
    x, multipliers = numbers(size, 0), numbers(size, 1)
    plain = Plain(squares, value)
    assert (dense(lagrangian.jacobian_structure) == band).all()
    counts["jvp"] = 0
    agrees(lagrangian.jacobian(x).toarray(), plain.along(value, x), 1e-12)
    assert counts["jvp"] == 3
    agrees(lagrangian.hessian(x, multipliers).toarray(), plain.hessian(x, multipliers, 1.0), 1e-6)
    assert lagrangian.structure.nonzeros < size * (size + 1) // 2
    assert counts["hvp"] < size


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("constraints", [None, (), []])
def test_there_may_be_no_constraints(engine, constraints):
    lagrangian = Lagrangian(squares, constraints, np.ones(3), engine=engine)
    x = numbers(3, 0)
    assert lagrangian.constraints(x).shape == (0,)
    assert lagrangian.jacobian(x).shape == (0, 3)
    assert lagrangian.jacobian_values(x).shape == (0,)
    assert lagrangian.value(x) == lagrangian.objective(x)
    assert (lagrangian.hessian(x).toarray() == 2 * np.eye(3)).all()
    assert (lagrangian.gradient(x, ()) == lagrangian.gradient(x)).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_there_may_be_no_objective(engine):
    lagrangian = Lagrangian(None, products, np.ones(3), engine=engine)
    x, multipliers = numbers(3, 0), np.array([2.0, 3.0])
    assert lagrangian.objective(x) == 0.0
    assert (lagrangian.gradient(x) == 0).all()
    agrees(lagrangian.value(x, multipliers), -(multipliers @ products(x)), 1e-12)
    assert (lagrangian.hessian(x, multipliers).toarray() == [[0, -2, 0], [-2, 0, -3], [0, -3, 0]]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_linear_and_constant_functions_have_no_second_derivative(engine):
    lagrangian = Lagrangian(lambda x: 3.0 * x[1], lambda x: x[1:] - x[:-1], np.ones(3), engine=engine)
    assert lagrangian.structure.nonzeros == 0
    assert lagrangian.hessian(np.ones(3), [1.0, 2.0]).nnz == 0
    assert (lagrangian.gradient(np.ones(3)) == [0, 3, 0]).all()
    lagrangian = Lagrangian(lambda x: 5.0, lambda x: x[:2], np.ones(3), engine=engine)
    assert lagrangian.objective(np.ones(3)) == 5.0
    assert (lagrangian.gradient(np.ones(3)) == 0).all()
    assert (lagrangian.jacobian(np.ones(3)).toarray() == np.eye(3)[:2]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_float32_stays_float32(engine):
    lagrangian = Lagrangian(squares, products, np.ones(4, np.float32), engine=engine)
    x, multipliers = numbers(4, 0), numbers(3, 1)
    assert lagrangian.constraints(x).dtype == np.float32
    assert lagrangian.gradient(x, multipliers).dtype == np.float32
    assert lagrangian.jacobian(x).dtype == np.float32
    assert lagrangian.hessian(x, multipliers).dtype == np.float32


def test_numbers_of_other_kinds_are_converted():
    lagrangian = Lagrangian(squares, products, np.ones(3))
    wanted = lagrangian.hessian(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0]))
    found = lagrangian.hessian([1, 2, 3], [1, 2])
    assert (found.data == wanted.data).all()
    strided = np.ones((3, 2))
    strided[:, 0] = [1.0, 2.0, 3.0]
    assert lagrangian.objective(strided[:, 0]) == 14.0


def test_the_operator_multiplies_by_the_hessian():
    lagrangian = Lagrangian(squares, products, np.ones(4))
    x, multipliers, v = numbers(4, 0), numbers(3, 1), numbers(4, 2)
    operator = lagrangian.hessian_operator(x, multipliers, 0.5)
    agrees(operator @ v, lagrangian.hessian(x, multipliers, 0.5) @ v, 1e-14)


def test_threads_take_turns():
    lagrangian = Lagrangian(squares, products, np.ones(30))
    points = [numbers(30, seed) for seed in range(8)]
    wanted = [lagrangian.hessian_values(x, x[:29]) for x in points]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda k: lagrangian.hessian_values(points[k % 8], points[k % 8][:29]), range(200))
        for k, values in enumerate(found):
            assert (values == wanted[k % 8]).all()


def test_it_survives_pickle_and_copies():
    lagrangian = Lagrangian(squares, products, np.ones(4), check=True)
    x, multipliers = numbers(4, 0), numbers(3, 1)
    wanted = lagrangian.hessian_values(x, multipliers)
    for other in (pickle.loads(pickle.dumps(lagrangian)), copy.deepcopy(lagrangian)):
        assert (other.hessian_values(x, multipliers) == wanted).all()


def test_it_prints_its_sizes_and_how_it_works():
    lagrangian = Lagrangian(squares, products, np.ones(4))
    assert str(lagrangian).splitlines() == [
        "Lagrangian of 4 variables and 3 constraints",
        "  Jacobian  3 x 4 with 6 nonzeros",
        "  Hessian   4 x 4 with 7 nonzeros in its lower triangle",
        "  engine    numbers: so few numbers are quicker in Python's own floats",
    ]
    assert repr(lagrangian) == "Lagrangian(4 variables, 3 constraints)"
    assert len(lagrangian.explain()) > len(str(lagrangian))
    other = Lagrangian(squares, products, np.ones(4), engine="matrices")
    assert "engine    matrices: as asked for" in str(other)
    assert "Hessian of the Lagrangian" in other.explain()


@given(st.integers(1, 7), st.integers(0, 99))
def test_a_lower_triangle_is_mirrored(size, seed):
    rng = np.random.default_rng(seed)
    mask = np.tril(rng.random((size, size)) < 0.5)
    pattern = SparsityPattern.of_places((size, size), rows=np.nonzero(mask)[0], columns=np.nonzero(mask)[1])
    values = rng.random(pattern.nonzeros)
    lower = np.zeros((size, size))
    lower[pattern.rows, pattern.columns] = values
    whole = SymmetricForm(pattern, np.dtype(float)).of(values)
    assert (whole.toarray() == lower + np.tril(lower, -1).T).all()
    assert whole.has_canonical_format


@given(st.integers(1, 7), st.integers(0, 99))
def test_a_full_lower_triangle_is_mirrored_without_a_list_of_places(size, seed):
    values = np.random.default_rng(seed).random(size * (size + 1) // 2)
    pattern = SparsityPattern.of_lower_triangle(size)
    listed = SparsityPattern.of_places((size, size), rows=np.tril_indices(size)[0], columns=np.tril_indices(size)[1])
    assert (pattern.rows.tolist(), pattern.columns.tolist()) == (listed.rows.tolist(), listed.columns.tolist())
    whole = SymmetricForm(pattern, np.dtype(float)).of(values).toarray()
    assert (whole == whole.T).all()
    assert (whole[np.tril_indices(size)] == values).all()
    assert (folded(whole.reshape(-1), size) == values).all()


# Bad input


@pytest.mark.parametrize("count", [0, 1, 3, 5])
def test_a_wrong_number_of_multipliers_names_both_numbers(count):
    lagrangian = Lagrangian(squares, lambda x: x[:2] ** 2, np.ones(3))
    noun = "multiplier is" if count == 1 else "multipliers are"
    for ask in (lagrangian.hessian, lagrangian.gradient, lagrangian.value, lagrangian.hessian_values):
        with pytest.raises(SizeError, match=f"{count} {noun} given for 2 constraints\ngive 2 multipliers"):
            ask(np.ones(3), np.ones(count))


def test_multipliers_of_another_shape_are_refused():
    lagrangian = Lagrangian(squares, products, np.ones(3))
    with pytest.raises(SizeError, match=r"the multipliers have shape \(2, 1\), not \(2,\)"):
        lagrangian.hessian(np.ones(3), np.ones((2, 1)))
    with pytest.raises(SizeError, match="0 multipliers are given for 2 constraints"):
        lagrangian.hessian(np.ones(3))
    with pytest.raises(SizeError, match="1 multiplier is given for 0 constraints"):
        Lagrangian(squares, (), np.ones(3)).hessian(np.ones(3), [1.0])


@pytest.mark.parametrize("x", [np.ones(2), np.ones(4), np.ones((3, 1)), 1.0])
def test_a_point_of_another_shape_is_refused(x):
    lagrangian = Lagrangian(squares, products, np.ones(3))
    with pytest.raises(SizeError, match="but x0 had 3 numbers\ngive 3 numbers"):
        lagrangian.objective(x)


def test_a_point_of_no_real_numbers_is_refused():
    lagrangian = Lagrangian(squares, products, np.ones(3))
    with pytest.raises(DtypeError, match="complex"):
        lagrangian.objective(np.ones(3) * 1j)
    with pytest.raises(DtypeError, match="multipliers is complex"):
        lagrangian.hessian(np.ones(3), np.ones(2) * 1j)
    with pytest.raises(TraceError, match="traced"):
        jc.trace(lagrangian.objective, np.ones(3))


def test_a_start_that_is_no_flat_array_of_floats_is_refused():
    with pytest.raises(DtypeError, match="x0 is int64, which has no derivative\nconvert it first"):
        Lagrangian(squares, products, [1, 2, 3])
    with pytest.raises(SizeError, match=r"x0 has shape \(2, 2\)"):
        Lagrangian(squares, (), np.ones((2, 2)))
    with pytest.raises(SizeError, match="x0 is empty"):
        Lagrangian(squares, (), np.ones(0))


def test_an_objective_of_several_numbers_is_refused():
    with pytest.raises(SizeError, match=r"the objective products has shape \(2,\), not one number\ngive one number"):
        Lagrangian(products, (), np.ones(3))
    with pytest.raises(SizeError, match="gives 2 arrays, not one number"):
        Lagrangian(lambda x: (x[0], x[1]), (), np.ones(3))
    assert Lagrangian(lambda x: x[:1] ** 2, (), np.ones(3)).objective([3.0, 0.0, 0.0]) == 9.0


def test_what_is_no_function_is_refused():
    with pytest.raises(OptionError, match=r"the objective 3\.0 is no function"):
        Lagrangian(3.0, (), np.ones(3))
    with pytest.raises(OptionError, match="'x' among the constraints is no function"):
        Lagrangian(squares, [products, "x"], np.ones(3))
    with pytest.raises(OptionError, match="neither an objective nor a constraint"):
        Lagrangian(None, (), np.ones(3))


def test_unknown_options_are_refused():
    with pytest.raises(OptionError, match="unknown engine 'row'\ndid you mean 'rows'"):
        Lagrangian(squares, (), np.ones(3), engine="row")
    with pytest.raises(OptionError, match="unknown planner 'pushing'"):
        Lagrangian(squares, (), np.ones(3), planner="pushing")
    assert str(Lagrangian(squares, products, np.ones(500))).endswith("rows: all numbers are combined one by one")
    with pytest.raises(OptionError, match="do not combine numbers one by one"):
        Lagrangian(lambda x: np.linalg.norm(np.linalg.inv(np.outer(x, x) + np.eye(3))), (), np.ones(3), engine="rows")


def test_shapes_that_depend_on_numbers_are_refused_at_the_trace():
    with pytest.raises(TraceError):
        Lagrangian(squares, lambda x: x[x > 0], np.ones(3))
    with pytest.raises(TraceError, match="branch"):
        Lagrangian(squares, lambda x: x[:1] if x[0] > 0 else x, np.ones(3))


def test_constraints_of_another_length_than_recorded_are_found_by_the_check():
    kept = [2]
    lagrangian = Lagrangian(squares, lambda x: x[: kept[0]] ** 2, np.ones(3), check=True)
    lagrangian.constraints(np.ones(3))
    kept[0] = 3
    with pytest.raises(SizeError, match="gave 2 numbers when recorded, and 3 at another point"):
        lagrangian.constraints(np.full(3, 2.0))


def test_functions_that_change_are_found_by_the_check():
    scale = [2.0]
    lagrangian = Lagrangian(lambda x: scale[0] * np.sum(x), (), np.ones(3), check=True)
    scale[0] = 3.0
    with pytest.raises(CheckError, match="number 0 of the objective is 9, but 6 by what was recorded"):
        lagrangian.gradient(np.ones(3))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_check_names_the_node_of_a_nan(engine):
    lagrangian = Lagrangian(lambda x: np.sum(np.log(x)), products, np.ones(3), engine=engine, check=True)
    with pytest.raises(NonFiniteError, match=r"NaN or infinity in the value of node %\d+ \(log\)"):
        lagrangian.hessian([1.0, -1.0, 1.0], np.ones(2))
    with pytest.raises(NonFiniteError, match="NaN or infinity in the argument x"):
        lagrangian.objective([1.0, np.nan, 1.0])
    with pytest.raises(NonFiniteError, match="NaN or infinity in the argument multipliers"):
        lagrangian.hessian(np.full(3, 0.9), [np.inf, 1.0])
    assert np.isfinite(lagrangian.hessian(np.full(3, 0.5), np.ones(2)).data).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_check_names_the_node_of_an_infinite_derivative(engine):
    lagrangian = Lagrangian(lambda x: np.sum(np.sqrt(x)), products, np.ones(3), engine=engine, check=True)
    x = np.array([1.0, 0.0, 1.0])
    assert lagrangian.objective(x) == 2.0
    with pytest.raises(NonFiniteError, match=r"in the gradient, from the first derivative of node %\d+ \(sqrt\)"):
        lagrangian.gradient(x)
    lagrangian = Lagrangian(lambda x: np.sum(x**1.5), products, np.ones(3), engine=engine, check=True)
    assert np.isfinite(lagrangian.gradient(x)).all()
    with pytest.raises(NonFiniteError, match=r"in the Hessian, from the second derivative of node %\d+ \(power"):
        lagrangian.hessian(x, np.ones(2))


@pytest.mark.parametrize("engine", ENGINES)
def test_without_the_check_nan_goes_to_the_solver_in_the_same_structure(engine):
    lagrangian = Lagrangian(lambda x: np.sum(np.log(x)), products, np.ones(3), engine=engine)
    assert np.isnan(lagrangian.objective([1.0, -1.0, 1.0]))
    assert lagrangian.hessian([1.0, -1.0, 1.0], np.ones(2)).nnz == 7
    assert np.isfinite(lagrangian.hessian(np.ones(3), np.ones(2)).data).all()


def test_a_function_without_second_derivative_is_named():
    first_only = jc.Function(np.sin, jacobian=lambda x: np.diag(np.cos(x)), outputs=(3,), name="first_only")
    with pytest.raises(OptionError, match="first_only"):
        Lagrangian(lambda x: np.sum(first_only(x)), (), np.ones(3))


def test_an_error_in_the_middle_leaves_nothing_half_done():
    fails = [False]

    def value(x):
        if fails[0]:
            raise ZeroDivisionError("on purpose")
        return np.sin(x)

    layer = jc.Function(
        value, jacobian=lambda x: np.diag(np.cos(x)), hessian=lambda x, u: np.diag(-np.sin(x) * u), outputs=(3,)
    )
    lagrangian = Lagrangian(lambda x: np.sum(layer(x)), (), np.ones(3))
    x, y = numbers(3, 0), numbers(3, 1)
    wanted = lagrangian.objective(x)
    fails[0] = True
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            lagrangian.objective(y)
    fails[0] = False
    assert lagrangian.objective(x) == wanted
    assert lagrangian.objective(y) == pytest.approx(np.sum(np.sin(y)))


# What a solver may give for multipliers and factors


@pytest.mark.parametrize("engine", ENGINES)
def test_no_multipliers_are_none_that_match_only_where_there_are_no_constraints(engine):
    lagrangian = Lagrangian(squares, products, np.ones(3), engine=engine)
    for ask in (lagrangian.hessian, lagrangian.hessian_values, lagrangian.hessian_operator):
        with pytest.raises(SizeError, match="0 multipliers are given for 2 constraints\ngive 2 multipliers"):
            ask(np.ones(3), None)
    free = Lagrangian(squares, (), np.ones(3), engine=engine)
    assert (free.hessian_values(np.ones(3), None) == free.hessian_values(np.ones(3))).all()


def test_one_multiplier_is_asked_for_in_the_singular():
    lagrangian = Lagrangian(squares, np.sum, np.ones(3))
    with pytest.raises(SizeError, match=r"2 multipliers are given for 1 constraint\ngive 1 multiplier, for the one"):
        lagrangian.hessian(np.ones(3), [1.0, 2.0])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_factor_is_taken_by_value(engine):
    lagrangian = Lagrangian(squares, products, np.ones(3), engine=engine)
    factor, x = np.array(1.0), numbers(3, 0)
    first = lagrangian.hessian_values(x, np.zeros(2), factor)
    factor[...] = 2.0
    assert (lagrangian.hessian_values(x, np.zeros(2), factor) == 2 * first).all()
    single = Lagrangian(squares, products, np.ones(3, np.float32), engine=engine)
    assert single.gradient(np.ones(3), None, np.float64(0.5)).dtype == np.float32


@pytest.mark.parametrize("factor", [None, "a", 1j, [1.0, 2.0], np.nan, np.inf])
def test_a_factor_that_is_no_number_is_named(factor):
    lagrangian = Lagrangian(squares, products, np.ones(3))
    shown = r"an array of shape \(2,\)" if isinstance(factor, list) else str(factor)
    for name in ("value", "gradient", "hessian", "hessian_values", "hessian_operator"):
        with pytest.raises(OptionError, match=f"objective_factor is '?{shown}'?\ngive one finite number"):
            getattr(lagrangian, name)(np.ones(3), np.ones(2), factor)


@pytest.mark.parametrize("engine", [*ENGINES, "auto"])
@pytest.mark.parametrize("number", [0.0, -1.0, 1e4, np.nan])
def test_engines_warn_of_nothing_whatever_the_point(engine, number):
    def barrier(x):
        return np.sum(np.log(x) + np.exp(x))

    def ratios(x):
        return x[1:] / x[:-1]

    lagrangian, x, weights = Lagrangian(barrier, ratios, np.ones(4), engine=engine), np.full(4, number), np.ones(3)
    with np.errstate(all="raise"):  # what NumPy is told outside does not count either
        assert not np.isfinite(lagrangian.objective(x))
        assert not np.isfinite(lagrangian.value(x, weights, 2.0))
        for found in (lagrangian.gradient(x, None, 2.0), lagrangian.gradient(x, weights)):
            assert found.shape == (4,)
        assert lagrangian.constraints(x).shape == (3,)
        assert lagrangian.jacobian(x).shape == (3, 4)
        assert lagrangian.hessian(x, weights).shape == lagrangian.hessian_operator(x, weights).shape == (4, 4)


# Hessians of many entries


@given(problems(), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_an_operator_multiplies_as_the_hessian_does(problem, seed):
    lagrangian = made(problem, "matrices", planner="edge_pushing")
    x, multipliers = numbers(problem.size, seed), numbers(lagrangian.number_of_constraints, seed + 1)
    operator = lagrangian.hessian_operator(x, multipliers, -0.7)
    lagrangian.objective(x + 1.0)
    hessian = lagrangian.hessian(x, multipliers, -0.7).toarray()
    assume(np.isfinite(hessian).all())
    agrees(operator @ np.eye(problem.size), hessian, 1e-11)
    agrees(operator.T @ np.eye(problem.size), hessian, 1e-11)


def test_a_hessian_that_is_not_formed_takes_no_memory():
    n = 100_000
    x = np.arange(n) / n
    lagrangian = Lagrangian(lambda x: np.sum(x) ** 2 + np.sum(x**3), (), np.ones(n))
    direction = np.cos(x)
    operator = lagrangian.hessian_operator(x)
    agrees(operator @ direction, 2 * direction.sum() + 6 * x * direction, 1e-12)
    agrees(lagrangian.gradient(x), 2 * x.sum() + 3 * x**2, 1e-12)
    for ask in (lagrangian.hessian, lagrangian.hessian_values, lambda _: lagrangian.structure):
        with pytest.raises(InfeasibleError, match=r"100,000 variables has up to 10,000,000,000 .*\n.*hessian_operator"):
            ask(x)
    assert "10,000,000,000 nonzeros" in str(lagrangian)
    assert "hessian_operator" in lagrangian.explain()
    assert (lagrangian.hessian_operator(x) @ direction == operator @ direction).all()


FILLED = {
    "all": lambda x: np.sum(x) ** 2,
    "slices": lambda x: np.sum(x[1:]) * np.sum(x[:-1] ** 2),
    "half": lambda x: np.sum(x[: x.size // 2]) ** 3 + np.sum(x**4),
    "chosen": lambda x: np.linalg.norm(x[np.arange(x.size)[::-2]]) * np.sum(x),
    "logsumexp": lambda x: np.log(np.sum(np.exp(x))),
}


@pytest.mark.parametrize("name", FILLED)
def test_dense_hessians_have_the_places_that_are_covered(name):
    x = numbers(10, 0)
    lagrangian = Lagrangian(FILLED[name], (), x, engine="matrices")
    wanted = Plain(FILLED[name], ()).hessian(x, np.zeros(0), 1.0) if name != "chosen" else None
    hessian = lagrangian.hessian(x).toarray()
    agrees(hessian, lagrangian.hessian_operator(x) @ np.eye(10), 1e-12)
    if wanted is not None:
        agrees(hessian, wanted, 1e-7)
        assert (np.tril(np.abs(wanted) > 1e-6) <= dense(lagrangian.structure)).all()
    lower = lagrangian.structure
    assert (hessian[lower.rows, lower.columns] == lagrangian.hessian_values(x)).all()


def test_first_derivatives_do_not_pay_for_the_hessian():
    lagrangian = Lagrangian(lambda x: np.sum(x) ** 2, lambda x: x @ x, np.ones(4000))
    tracemalloc.start()
    lagrangian.gradient(np.ones(4000))
    lagrangian.jacobian(np.ones(4000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000  # of 8 · 4000² bytes of a Hessian


def test_values_are_not_evaluated_anew_when_the_hessian_is_made():
    counted = Counted()
    layer = counted.layer()
    lagrangian = Lagrangian(lambda x: np.sum(layer(x)) ** 2, (), np.ones(4))
    counted.values = 0
    x = numbers(4, 0)
    for ask in (lagrangian.objective, lagrangian.gradient, lagrangian.hessian, lagrangian.hessian_values):
        ask(x)
    assert lagrangian.structure.nonzeros == 10
    assert counted.values == 1


# Layers and functions with stated derivatives


SIZE = 6
DIAGONAL = np.eye(SIZE, dtype=bool)
BAND = np.tri(SIZE, k=1, dtype=bool) & np.tri(SIZE, k=1, dtype=bool).T


def turning(**patterns):
    """Return xᵢ xᵢ₊₁ as a layer, by products with vectors alone."""

    def jvp(x, v):
        return v * np.roll(x, -1) + x * np.roll(v, -1)

    def vjp(x, u):
        return u * np.roll(x, -1) + np.roll(u * x, 1)

    def hvp(x, u, v):
        return u * np.roll(v, -1) + np.roll(u * v, 1)

    return jc.Function(lambda x: x * np.roll(x, -1), jvp=jvp, vjp=vjp, hvp=hvp, outputs=(SIZE,), **patterns)


AROUND = BAND | np.roll(DIAGONAL, 1, axis=1) | np.roll(DIAGONAL, 1, axis=1).T
LAYERS = {
    "products": (turning(), lambda x: x * np.roll(x, -1)),
    "patterned": (
        turning(pattern=DIAGONAL | np.roll(DIAGONAL, 1, axis=1), curvature_pattern=AROUND),
        lambda x: x * np.roll(x, -1),
    ),
    "tanh": (jc.layers.Tanh(), np.tanh),
    "square": (jc.layers.Square(), lambda x: x**2),
    "network": (
        jc.Sequential([jc.layers.Linear(np.tri(SIZE) / 3), jc.layers.Sigmoid()]),
        lambda x: 1 / (1 + np.exp(-(np.tri(SIZE) / 3) @ x)),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_inside_functions_have_the_derivatives_of_plain_numpy(name):
    layer, twin = LAYERS[name]
    lagrangian = Lagrangian(lambda x: np.sum(layer(x) * x**2), [lambda x: layer(x)[1:] * x[:-1], layer], np.ones(SIZE))
    plain = Plain(lambda x: np.sum(twin(x) * x**2), [lambda x: twin(x)[1:] * x[:-1], twin])
    x, multipliers = numbers(SIZE, 0), numbers(2 * SIZE - 1, 1)
    agrees(lagrangian.constraints(x), plain.constraints(x), 1e-12)
    agrees(lagrangian.jacobian(x).toarray(), plain.along(plain.constraints, x), 1e-11)
    hessian = lagrangian.hessian(x, multipliers, 0.4)
    agrees(hessian.toarray(), plain.hessian(x, multipliers, 0.4), 1e-7)
    agrees(lagrangian.hessian_operator(x, multipliers, 0.4) @ np.eye(SIZE), hessian.toarray(), 1e-11)


def test_a_stated_pattern_makes_a_sparse_hessian():
    patterned, plain = (
        Lagrangian(lambda x, layer=LAYERS[name][0]: np.sum(layer(x)), (), np.ones(SIZE))
        for name in ("patterned", "products")
    )
    assert patterned.structure.nonzeros == np.count_nonzero(np.tril(AROUND))
    assert plain.structure.nonzeros == SIZE * (SIZE + 1) // 2
