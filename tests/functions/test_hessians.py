"""Hessians: those of central differences of gradients, symmetric to the last bit, whatever the planner."""

import gc
import pickle
import weakref

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import numpy_functions, seeds

import jacchain as jc
from jacchain.algebra.structure import Sparse
from jacchain.errors import DtypeError, InfeasibleError, NonFiniteError, OptionError, SizeError, TraceError
from jacchain.execution.program import Program
from jacchain.functions.rows.row_program import RowProgram
from jacchain.layers import Linear, MeanSquaredError, Tanh
from jacchain.planning.second.planners import SECOND_PLANNERS

RNG = np.random.default_rng(5)
X = RNG.normal(size=(6, 3))
W = RNG.normal(size=(5, 4))

FUNCTIONS = {
    "rosenbrock": (lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), (6,)),
    "network": (lambda w: np.mean((np.tanh(X @ w[:12].reshape(3, 4)) @ w[12:] - 1) ** 2), (16,)),
    "transposed weights": (lambda w: np.mean((np.tanh(X @ w[:12].reshape(4, 3).T) @ w[12:] - 1) ** 2), (16,)),
    "two hidden layers": (
        lambda w: np.sum(np.tanh(np.tanh(X @ w[:9].reshape(3, 3)) @ w[9:18].reshape(3, 3)) ** 2),
        (18,),
    ),
    "square": (lambda x: x @ x, (4,)),
    "linear": (lambda x: x[0] * 3.0 + x[1], (3,)),
    "one of the inputs": (lambda x: x[0], (3,)),
    "constant": (lambda x: np.sum(W) + 0 * x[0], (3,)),
    "product": (lambda x: x[0] * x[1] * x[2] * x[0] + np.exp(x[0] * x[2]), (3,)),
    "log-sum-exp": (lambda x: np.log(np.sum(np.exp(W @ x))), (4,)),
    "matrix": (lambda x: np.sum((x @ x.T) ** 2), (3, 2)),
    "strided": (lambda x: np.sum(np.sin(x[::2] * x[1::2])) + x[-1] ** 3, (8,)),
    "picked twice": (lambda x: np.sum(x[np.array([0, 0, 2])] ** 2 * x[np.array([1, 2, 2])]), (3,)),
    "concatenated": (lambda x: np.sum(np.concatenate([x, x[::-1]]) ** 3), (4,)),
    "number": (lambda x: np.exp(x) * x, ()),
    "quotient": (lambda x: np.sum(x[:3] / (2 + np.cos(x[1:]))), (4,)),
}


def differences(f, x, h=1e-5):
    """Return the Hessian of a function of one array by central differences of its gradient."""
    gradient, columns = jc.gradient(f), []
    for k in np.ndindex(*x.shape):
        step = np.zeros(x.shape)
        step[k] = h
        columns.append((gradient(x + step) - gradient(x - step)) / (2 * h))
    return np.array(columns).reshape(x.shape + x.shape)


def runs(planner, f, x):
    """Return the Hessian by a planner, or skip where it has no order for the function."""
    hess = jc.hessian(f, planner=planner, seconds=0.02)
    try:
        return hess, hess(x)
    except InfeasibleError:
        pytest.skip(f"{planner} has no order for this")


@pytest.mark.parametrize("planner", SECOND_PLANNERS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_hessian_is_that_of_differences_and_symmetric_to_the_last_bit(name, planner):
    f, shape = FUNCTIONS[name]
    x = np.asarray(np.random.default_rng(1).normal(size=shape))
    hess, found = runs(planner, f, x)
    n = x.size
    assert found.shape == shape + shape
    assert_array_equal(found.reshape(n, n), found.reshape(n, n).T)
    assert_allclose(found, differences(f, x), rtol=1e-6, atol=1e-6 * (1 + np.abs(found).max()))
    counted, program = hess.count(x), hess.program(x)
    if isinstance(program, Program):  # else number by number, where a multiplication by 2 is none of the plan's
        assert counted.multiplications == program.flops <= hess.plan(x).flops
        assert counted.nbytes <= hess.plan(x).peak


@pytest.mark.parametrize("name", FUNCTIONS)
def test_product_with_a_vector_is_that_of_the_hessian(name):
    f, shape = FUNCTIONS[name]
    rng = np.random.default_rng(2)
    x, v = np.asarray(rng.normal(size=shape)), np.asarray(rng.normal(size=shape))
    n = x.size
    expected = (jc.hessian(f)(x).reshape(n, n) @ v.reshape(n)).reshape(shape)
    assert_allclose(jc.hvp(f, x, v), expected, rtol=1e-10, atol=1e-10 * (1 + np.abs(expected).max()))
    assert_array_equal(jc.hessian(f).times(x, v), jc.hvp(f, x, v))


@settings(deadline=None, max_examples=40)
@given(function=numpy_functions(), seed=seeds, planner=st.sampled_from([*SECOND_PLANNERS]))
def test_random_functions_have_the_hessian_of_their_differences(function, seed, planner):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.5, 1.5, size=3)
    weights = rng.normal(size=np.shape(function(x)))

    def f(z):
        return np.sum(weights * function(z))

    hess = jc.hessian(function, planner=planner, seconds=0.02)
    try:
        found = hess(x, weights=weights)
    except InfeasibleError:
        assume(False)
    scale = 1 + np.abs(found).max()
    assume(scale < 1e6)
    assert_array_equal(found, found.T)
    assert_allclose(found, differences(f, x, h=1e-5), rtol=1e-4, atol=1e-4 * scale)
    v = rng.normal(size=3)
    assert_allclose(hess.times(x, v, weights=weights), found @ v, rtol=1e-9, atol=1e-9 * scale)


def test_all_planners_agree_to_rounding():
    f, shape = FUNCTIONS["two hidden layers"]
    x = RNG.normal(size=shape)
    expected = jc.hessian(f)(x)
    for planner in SECOND_PLANNERS:
        try:
            assert_allclose(jc.hessian(f, planner=planner)(x), expected, rtol=1e-12, atol=1e-13)
        except InfeasibleError:
            assert planner == "forward_over_forward"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_value_gradient_and_hessian_come_together(name):
    f, shape = FUNCTIONS[name]
    x = np.asarray(RNG.normal(size=shape))
    value, gradient, found = jc.hessian(f).taylor(x)
    assert_allclose(value, f(x), rtol=1e-12)
    assert_allclose(gradient, jc.gradient(f)(x), rtol=1e-11, atol=1e-12)
    assert_allclose(found, jc.hessian(f)(x), rtol=1e-11, atol=1e-12)
    kept = found.copy()
    jc.hessian(f).taylor(x + 1)
    assert_array_equal(found, kept)


@pytest.mark.host(reason="numbers one by one are for the host")
def test_few_numbers_are_worked_out_one_by_one():
    f, shape = FUNCTIONS["product"]
    hess, x = jc.hessian(f), RNG.normal(size=shape)
    assert isinstance(hess.program(x), RowProgram)
    assert_allclose(hess(x), jc.hessian(f, structured=True)(x).todense(), rtol=1e-12)
    assert hess.plan(x).flops > 0
    assert hess.count(x).multiplications == hess.program(x).multiplications > 0
    first, second = hess(x), hess(2 * x)
    assert not np.array_equal(first, second)
    with np.errstate(all="ignore"):
        assert np.isinf(jc.hessian(lambda z: np.log(z[0]) * z[1])(np.array([0.0, 2.0]))).any()


def test_without_weights_a_function_of_several_numbers_has_a_tensor():
    def f(x):
        return np.array([x[0] * x[1], np.exp(x[2])]), x[0] ** 3

    x = np.array([1.0, 2.0, 3.0])
    pair, cube = jc.hessian(f)(x)
    assert pair.shape == (2, 3, 3)
    assert cube.shape == (3, 3)
    assert_allclose(pair[0], [[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    assert_allclose(pair[1], np.diag([0, 0, np.exp(3)]))
    assert_allclose(cube, np.diag([6.0, 0, 0]))
    summed = jc.hessian(f)(x, weights=(np.array([2.0, 3.0]), 4.0))
    assert_allclose(summed, 2 * pair[0] + 3 * pair[1] + 4 * cube)


def test_several_arguments_nest_twice():
    def loss(w, b):
        return np.sum(np.tanh(X @ w["in"] + b) ** 2)

    w, b = {"in": RNG.normal(size=(3, 2))}, RNG.normal(size=2)
    of_w, (bw, bb) = jc.hessian(loss, argnums=(0, 1))(w, b)
    ww, wb = of_w["in"]  # nested like the arguments, and within each like the arguments again
    flat = np.concatenate([w["in"].reshape(-1), b])
    whole = jc.hessian(lambda z: loss({"in": z[:6].reshape(3, 2)}, z[6:]))(flat)
    assert ww["in"].shape == (3, 2, 3, 2)
    assert_allclose(ww["in"].reshape(6, 6), whole[:6, :6], rtol=1e-12, atol=1e-13)
    assert_allclose(wb.reshape(6, 2), whole[:6, 6:], rtol=1e-12, atol=1e-13)
    assert_array_equal(bw["in"].reshape(2, 6), wb.reshape(6, 2).T)
    assert_allclose(bb, whole[6:, 6:], rtol=1e-12, atol=1e-13)
    v = ({"in": RNG.normal(size=(3, 2))}, RNG.normal(size=2))
    along, bent = jc.hvp(loss, (w, b), v)
    expected = whole @ np.concatenate([v[0]["in"].reshape(-1), v[1]])
    assert_allclose(np.concatenate([along["in"].reshape(-1), bent]), expected, rtol=1e-10)


def test_only_the_arguments_asked_for_are_differentiated():
    found = jc.hessian(lambda x, a: np.sum(a * x**3), argnums=0)(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    assert_allclose(found, np.diag([18.0, 48.0]))


def test_a_composition_of_layers_has_a_hessian():
    target = RNG.normal(size=2)
    layers = [Linear(RNG.normal(size=(4, 3))), Tanh(), Linear(RNG.normal(size=(2, 4))), MeanSquaredError(target)]
    f = jc.Sequential(layers)
    x = RNG.normal(size=3)
    found = jc.hessian(f)(x)
    n = x.size
    gradient = jc.gradient(f)
    expected = np.array([(gradient(x + e) - gradient(x - e)) / 2e-5 for e in 1e-5 * np.eye(n)])
    assert_allclose(found.reshape(n, n), expected.reshape(n, n), rtol=1e-6, atol=1e-8)
    v = RNG.normal(size=n)
    assert_allclose(jc.hvp(f, x, v), found.reshape(n, n) @ v, rtol=1e-10)
    layers[0].weight[...] *= 2  # parameters are read with every call, though the composition is recorded once
    assert_allclose(jc.hvp(f, x, v), jc.hessian(f)(x).reshape(n, n) @ v, rtol=1e-10)


def test_a_structured_hessian_has_a_pattern_that_does_not_depend_on_the_point():
    f, _ = FUNCTIONS["rosenbrock"]
    hess = jc.hessian(f, structured=True)
    found = hess(np.zeros(6))
    assert isinstance(found.structure, Sparse)
    assert found.structure.nonzeros == 16  # tridiagonal
    assert hess(RNG.normal(size=6)).structure == found.structure
    assert_allclose(found.todense(), jc.hessian(f)(np.zeros(6)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype):
    f, shape = FUNCTIONS["rosenbrock"]
    x = np.ones(shape, dtype)
    assert jc.hessian(f)(x).dtype == dtype
    assert jc.hvp(f, x, x).dtype == dtype


def test_results_are_arrays_of_their_own():
    f, shape = FUNCTIONS["rosenbrock"]
    hess = jc.hessian(f)
    first = hess(np.ones(shape))
    kept = first.copy()
    hess(np.zeros(shape))
    assert_array_equal(first, kept)


def test_the_function_is_called_once():
    calls = []

    def f(x):
        calls.append(1)
        return np.sum(x**3)

    hess = jc.hessian(f)
    for _ in range(3):
        hess(RNG.normal(size=4))
        hess.times(RNG.normal(size=4), RNG.normal(size=4))
    assert len(calls) == 1


def test_what_was_made_for_a_function_goes_with_it():
    def make():
        exec("def f(x): return (x * x * x).sum()", scope := {})  # a function that closes over nothing
        jc.hvp(scope["f"], np.ones(3), np.ones(3))
        return weakref.ref(scope["f"])

    found = make()
    gc.collect()
    assert found() is None


def plain(x):
    return np.sum(np.sin(x) ** 2)


def test_hessians_can_be_pickled():
    hess = jc.hessian(plain)
    x = RNG.normal(size=3)
    assert_array_equal(pickle.loads(pickle.dumps(hess))(x), hess(x))


def test_plans_explain_themselves():
    f, shape = FUNCTIONS["network"]
    plan = jc.hessian(f).plan(RNG.normal(size=shape))
    assert plan.flops <= min(found.flops for found in plan.baselines.values() if found.flops is not None)
    assert "multiplications" in str(plan)


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda: jc.hessian(3), OptionError, "cannot differentiate 3"),
        (lambda: jc.hessian(plain, planner="best"), OptionError, "best"),
        (lambda: jc.hvp(lambda x: x * x, np.ones(3), np.ones(3)), SizeError, "gives shape (3,), not one number"),
        (lambda: jc.hvp(plain, np.ones(3), np.ones(2)), SizeError, "shape (2,) of the vector v, but x has shape (3,)"),
        (lambda: jc.hessian(lambda x: x * x)(np.ones(3), weights=1j * np.ones(3)), DtypeError, "the weights"),
        (lambda: jc.hvp(plain, np.ones(3), ["a", "b", "c"]), DtypeError, "the vector v"),
        (lambda: jc.hessian(lambda x: x * x)(np.ones(3), weights=np.ones(2)), SizeError, "shape (2,) of the weights"),
        (lambda: jc.hessian(plain, check=True)(np.array([1.0, np.nan])), NonFiniteError, "NaN"),
        (lambda: jc.hessian(lambda x: x * x, structured=True)(np.ones(3)), SizeError, "give weights"),
        (lambda: jc.hessian(plain)(x=np.ones(3)), TraceError, "the argument 'x' is given by name"),
        (jc.hessian(lambda: 3.0), (OptionError, TraceError), "no argument"),
    ],
)
def test_bad_input_is_named(run, error, message):
    with pytest.raises(error, match=message.replace("(", r"\(").replace(")", r"\)")):
        run()


def with_scan(x):
    return np.sum(jc.scan(lambda c, t: (np.tanh(c * c) + t, None), x, np.arange(3.0))[0] ** 2)


MIXED = {
    "cumsum": lambda x: np.sum(np.exp(x) * np.cumsum(x)),
    "cumsum twice": lambda x: np.sum(np.sin(x * x)) + np.sum(np.cumsum(x) ** 2),
    "solve": lambda x: np.sum(np.linalg.solve(np.diag(x) + 3 * np.eye(3), np.sin(x)) ** 2),
    "scan": with_scan,
    "function": lambda x: np.sum(
        jc.Function(np.sin, jvp=lambda z, v: np.cos(z) * v, outputs=3, hvp=lambda z, u, v: -np.sin(z) * u * v)(x) ** 2
    ),
    "hypot and a small solve": lambda x: np.sum(np.hypot(x, x)) * np.linalg.solve(x[:1, None] + 2, x[1:2])[0],
}
"""Functions with links that are applied as well as links that are multiplied."""


@pytest.mark.parametrize("name", MIXED)
def test_products_with_vectors_through_links_that_are_applied(name):
    f, x, v = MIXED[name], np.array([0.3, 0.7, 0.5]), np.array([1.0, 0.0, 2.0])
    found = jc.hessian(f)(x)
    assert_allclose(found, differences(f, x), rtol=1e-6, atol=1e-7)
    assert_allclose(jc.hvp(f, x, v), found @ v, rtol=1e-10, atol=1e-12)


def test_an_operation_of_one_value_twice_is_not_written_over_it():
    c = np.array([-0.6, 0.9])

    def f(x):
        v = np.sin(x) * x
        return np.sum(v) + np.sum(c * np.arctan2(v, v))  # of which the second term is constant

    x = np.array([1.5, 0.87])
    expected = np.diag(2 * np.cos(x) - x * np.sin(x))
    assert_allclose(jc.hessian(f, structured=True)(x).todense(), expected, rtol=1e-12, atol=1e-12)
    assert_allclose(jc.hessian(f)(x), expected, rtol=1e-12, atol=1e-12)


def test_symmetric_products_without_any_entry():
    def f(x):  # of the second part, nothing is picked
        return np.sum(np.concatenate([x**3, x])[np.array([0, 0])] ** 3)

    found = jc.hessian(f)(np.ones(60))
    assert found[0, 0] == np.sum(found) == 144


C = RNG.normal(size=(4, 4))
OVERLAPPING = {
    "inverse": (lambda x: np.sum(C * np.linalg.inv(x @ x.T + 2 * np.eye(4))), (4, 4)),
    "product": (lambda x: np.sum(np.sin(x.T @ x) ** 2), (4, 2)),
    "reversed": (lambda x: np.sum(np.sin(np.outer(x, x[::-1])) * C), (4,)),
}


@pytest.mark.parametrize("name", OVERLAPPING)
@pytest.mark.parametrize("structured", [False, True])
def test_parts_of_an_input_that_overlap_leave_a_hessian_symmetric_to_the_last_bit(name, structured):
    f, shape = OVERLAPPING[name]
    hess = jc.hessian(f, structured=structured)
    for seed in range(10):
        x = np.random.default_rng(seed).normal(size=shape)
        found = hess(x).todense() if structured else hess(x).reshape(x.size, x.size)
        assert_array_equal(found, found.T)


@pytest.mark.parametrize("planner", ["forward_over_reverse", "reverse_over_forward", "reverse_over_reverse"])
def test_structured_hessians_by_the_textbook_modes(planner):
    w = np.random.default_rng(3).normal(size=(5, 2))

    def f(x):
        return np.exp(sum(np.sum(np.tanh(w @ x[i : i + 2])) for i in (0, 2, 4, 6)))

    found = jc.hessian(f, structured=True, planner=planner)(np.ones(8)).todense()
    assert_array_equal(found, found.T)
    assert_allclose(found, jc.hessian(f)(np.ones(8)), rtol=1e-12, atol=1e-13)


def test_the_whole_hessian_as_one_product_is_made_where_it_is_returned():
    a = RNG.normal(size=(300, 80))
    hess = jc.hessian(lambda x: np.sum(np.log1p(np.exp(a @ x))))
    x = RNG.normal(size=80)
    found = hess(x)
    assert hess.program(x).peak < 3 * found.nbytes + 2 * a.nbytes
    assert_array_equal(found, found.T)


def test_constants_made_once_count_in_the_peak():
    a = RNG.normal(size=(200, 200))
    hess = jc.hessian(lambda x: x @ a @ x)
    x = RNG.normal(size=200)
    assert_allclose(hess(x), a + a.T)
    assert hess.plan(x).peak >= 2 * a.nbytes  # the sum that is kept, and the result
