"""Plain functions: the derivatives are those of central differences, whatever the function does with its arguments."""

import gc
import pickle
import weakref
from collections import namedtuple

import numpy as np
import pytest

import jacchain as jc
from jacchain.algebra.structure import Diagonal, Identity
from jacchain.errors import (
    DtypeError,
    InfeasibleError,
    NonFiniteError,
    OptionError,
    SizeError,
    TraceError,
)

PLANNERS = ("auto", "forward", "reverse", "markowitz", "search")


def differences(f, *args, k=0, h=1e-6):
    """Return the Jacobian of f with respect to argument k by central differences."""
    x = np.asarray(args[k], dtype=float)
    columns = []
    for i in np.ndindex(*x.shape):
        moved = []
        for sign in (1, -1):
            y = x.copy()
            y[i] += sign * h
            moved.append(np.asarray(f(*args[:k], y, *args[k + 1 :])))
        columns.append((moved[0] - moved[1]) / (2 * h))
    shape = np.shape(f(*args))
    return (
        np.moveaxis(np.array(columns).reshape(*x.shape, *shape), range(x.ndim), range(-x.ndim, 0))
        if x.ndim
        else (columns[0])
    )


X = np.array([0.3, -0.7, 1.2])
M = np.array([[0.5, -0.2, 0.1], [0.4, 0.9, -0.3]])


def helper(v):
    return np.exp(-v) + v


def twice(x):
    y = np.cos(x)
    return y, y


def further(x):
    y = np.sin(x)
    return y, np.sum(y * x)


FUNCTIONS = {
    "x*x": lambda x: x * x,
    "x+x": lambda x: x + x,
    "x-x": lambda x: x - x,
    "x*x*sin(x)": lambda x: x * x * np.sin(x),
    "an output that is an input": lambda x: (x, np.tanh(x)),
    "one value returned twice": twice,
    "an output that is used further": further,
    "nested function calls": lambda x: helper(helper(x) * x),
    "a constant output": lambda x: (np.ones(2), x**2),
    "only a constant output": lambda _: np.ones(2),
    "matrix": lambda x: M @ x,
    "outer product": lambda x: np.outer(x, M @ x),
    "scalar": lambda x: np.dot(x, x) / (1 + np.sum(x**2)),
    "slices": lambda x: x[1:] - x[:-1] ** 2,
    "reversed and stacked": lambda x: np.stack([x[::-1], x * 2.0]),
    "a number of an array": lambda x: x[1] * x,
    "broadcast": lambda x: x[:, None] * x[None, :] + 1.0,
    "norm": lambda x: x / np.linalg.norm(x),
    "solve": lambda x: np.linalg.solve(np.diag(x) + 3 * np.eye(3), x),
}


def flat(result):
    return [np.asarray(part) for part in result] if isinstance(result, tuple | list) else [np.asarray(result)]


@pytest.mark.parametrize("planner", PLANNERS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_jacobians_of_functions_equal_central_differences(name, planner):
    f = FUNCTIONS[name]
    found = flat(jc.jacobian(f, planner=planner, seconds=0.05)(X))
    count = len(flat(f(X)))
    for k in range(count):
        expected = differences(lambda x, k=k: flat(f(x))[k], X)
        np.testing.assert_allclose(found[k], expected, atol=1e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_jacobians_belong_together(name):
    f = FUNCTIONS[name]
    value, found = jc.value_and_jacobian(f)(X)
    for a, b in zip(flat(value), flat(f(X)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    for a, b in zip(flat(found), flat(jc.jacobian(f)(X)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_products_with_tangents_and_adjoints_equal_the_jacobians(name):
    f = FUNCTIONS[name]
    v, several = np.array([1.0, -2.0, 0.5]), np.arange(6.0).reshape(3, 2)
    j = flat(jc.jacobian(f)(X))
    for a, b, c in zip(flat(jc.jvp(f, X, v)), flat(jc.jvp(f, X, several)), j, strict=True):
        np.testing.assert_allclose(a, c @ v, atol=1e-13)
        np.testing.assert_allclose(b, c @ several, atol=1e-13)
    value = f(X)
    u = [np.cos(np.arange(part.size)).reshape(part.shape) for part in flat(value)]
    u = type(value)(u) if isinstance(value, tuple) else u[0]
    expected = sum(np.tensordot(w, c, axes=w.ndim) for w, c in zip(flat(u), j, strict=True))
    np.testing.assert_allclose(jc.vjp(f, X, u), expected, atol=1e-13)


def test_arguments_and_results_nest():
    point = namedtuple("point", "a b")

    def f(params, x):
        hidden = np.tanh(x @ params["w"][0] + params["w"][1])
        return {"loss": np.sum(hidden**2), "rest": [hidden, point(params["c"], x[0])]}

    rng = np.random.default_rng(0)
    params = {"w": (rng.normal(size=(3, 2)), rng.normal(size=2)), "c": 2.0}
    found = jc.jacobian(f, argnums=(0, 1))(params, X)
    assert set(found) == {"loss", "rest"}
    assert isinstance(found["rest"][1], point)
    (by_params, by_x) = found["rest"][0]
    assert by_params["w"][0].shape == (2, 3, 2)
    assert by_x.shape == (2, 3)
    np.testing.assert_array_equal(found["rest"][1].a[0]["c"], 1.0)
    np.testing.assert_array_equal(found["rest"][1].b[1], [1, 0, 0])
    np.testing.assert_array_equal(found["rest"][1].b[0]["w"][1], np.zeros(2))
    expected = differences(lambda w: f({"w": (w, params["w"][1]), "c": 2.0}, X)["loss"], params["w"][0])
    np.testing.assert_allclose(found["loss"][0]["w"][0], expected, atol=1e-7)
    gradient = jc.gradient(lambda p, x: f(p, x)["loss"])(params, X)
    np.testing.assert_allclose(gradient["w"][0], expected, atol=1e-7)
    assert gradient["c"] == 0


def counted(x):
    counted.calls += 1  # of the function itself: a list of the module would have it recorded with every call
    return np.sin(x)


counted.calls = 0


def test_the_function_is_evaluated_once_for_a_trace_and_never_after_it():
    calls = []

    def f(x):
        calls.append(x.shape)
        return np.sum(np.sin(x))

    derivative = jc.gradient(f)
    for _ in range(3):
        derivative(X)
        derivative(X + 1)
    assert calls == [(3,)]
    derivative(np.ones(2))
    derivative(X.astype(np.float32))
    derivative(X)
    assert calls == [(3,), (2,), (3,)]
    for _ in range(3):
        jc.jvp(counted, X, X)
    assert counted.calls == 1


def test_results_are_the_callers_own():
    derivative = jc.jacobian(lambda x: (x * 2.0, x * 2.0, M @ x, x))
    first = derivative(X)
    kept = [part.copy() for part in first]
    for part in first:
        part[...] = 7
    for part, expected in zip(derivative(X), kept, strict=True):
        np.testing.assert_array_equal(part, expected)


def test_large_results_are_not_overwritten_by_later_calls():
    derivative = jc.jacobian(lambda x: np.outer(np.sin(x), x))
    points = [np.linspace(k, k + 1, 30) for k in range(4)]
    found = [derivative(x) for x in points]
    for x, j in zip(points, found, strict=True):
        np.testing.assert_array_equal(j, derivative(x))


def test_captured_arrays_are_constants_as_they_were_at_the_trace():
    scale = np.array([1.0, 2.0, 3.0])
    derivative = jc.jacobian(lambda x: x * scale)
    before = derivative(X)
    scale[:] = 0
    np.testing.assert_array_equal(derivative(X), before)


def test_structures_are_kept_where_asked():
    found = jc.jacobian(lambda x: (np.sin(x), x, x * x + x, np.ones(3)), structured=True)(X)
    assert found[0].structure == Diagonal(3)
    assert found[1].structure == Identity(3)
    assert found[2].structure == Diagonal(3)
    np.testing.assert_allclose(found[2].todense(), np.diag(2 * X + 1))
    np.testing.assert_array_equal(found[3].todense(), np.zeros((3, 3)))


def test_structured_views_are_the_callers_own():
    derivative = jc.jacobian(lambda a, b: a * b, structured=True)
    found = derivative(X, X + 1)
    np.testing.assert_array_equal(found.todense(), np.diag(X + 1))
    derivative(X, X + 5)
    np.testing.assert_array_equal(found.todense(), np.diag(X + 1))


def test_float32_stays_float32():
    j = jc.jacobian(lambda x: np.tanh(M @ x) * 3.0)(X.astype(np.float32))
    assert j.dtype == np.float32
    np.testing.assert_allclose(j, differences(lambda x: np.tanh(M @ x) * 3, X), atol=1e-5)


def test_python_numbers_are_arguments_too():
    assert jc.jacobian(np.sin)(0.0) == 1.0
    assert jc.gradient(lambda a, b: a * b, argnums=(0, 1))(2.0, 3.0) == (3.0, 2.0)


def test_predicted_multiplications_and_bytes_are_those_of_the_run():
    def f(w, x):
        return np.sum(np.tanh(w @ x) ** 2)

    w, x = np.random.default_rng(1).normal(size=(5, 4)), np.ones((4, 6))
    for planner in PLANNERS:
        derivative = jc.jacobian(f, argnums=(0, 1), planner=planner, seconds=0.05)
        counted = derivative.count(w, x)
        program = derivative.program(w, x)
        assert counted.multiplications == program.flops <= derivative.plan(w, x).flops
        assert counted.nbytes <= program.peak


def test_a_memory_limit_is_kept_or_refused_with_a_limit_that_does():
    def f(x):
        return np.sum(np.tanh(np.outer(x, x)) ** 2)

    x = np.linspace(0, 1, 40)
    usual = jc.gradient(f).program(x).peak
    assert jc.gradient(f, memory=usual).program(x).peak <= usual
    with pytest.raises(InfeasibleError, match="no order that was tried") as caught:
        jc.gradient(f, memory=1000)(x)
    limit = int(caught.value.cure.split("memory=")[1].split()[0])
    assert jc.gradient(f, memory=limit).program(x).peak <= limit


def test_not_a_number_is_found_where_it_arises():
    with pytest.raises(NonFiniteError, match="log"):
        jc.gradient(lambda x: np.sum(np.log(x)), check=True)(-np.ones(2))
    with pytest.raises(NonFiniteError, match="argument a"):
        jc.gradient(np.sum, check=True)(np.array([np.nan, 1.0]))


@pytest.mark.parametrize(
    ("f", "error", "match"),
    [
        (lambda _: None, TraceError, "None"),
        (lambda _: "text", TraceError, "str"),
        (lambda x: x if x[0] > 0 else -x, TraceError, "branch"),
        (lambda x: float(x[0]), TraceError, "numpy"),
        (lambda x: x.__setitem__(0, 1.0), TraceError, "numpy"),
    ],
)
def test_what_cannot_be_recorded_is_refused_with_a_cure(f, error, match):
    with pytest.raises(error, match=match):
        jc.jacobian(f)(X)


def test_bad_arguments_and_options_are_named():
    f = np.sin
    with pytest.raises(DtypeError, match="int64"):
        jc.jacobian(f)(np.arange(3))
    with pytest.raises(TraceError, match="str"):
        jc.jacobian(lambda x, y: x)(X, "text")
    with pytest.raises(TraceError, match="'k' is given by name"):
        jc.gradient(lambda x, k=2: np.sum(x) * k)(X, k=3)
    with pytest.raises(OptionError, match="argnums 1 of 1 argument"):
        jc.jacobian(f, argnums=1)(X)
    with pytest.raises(OptionError, match="twice"):
        jc.jacobian(f, argnums=(0, 0))
    with pytest.raises(OptionError, match="unknown planner 'nonsense'"):
        jc.jacobian(f, planner="nonsense")
    with pytest.raises(OptionError, match="compositions of layers"):
        jc.jacobian(f, workers=2)
    with pytest.raises(OptionError, match="plain functions"):
        jc.jacobian(jc.layers.Tanh(), argnums=1)
    with pytest.raises(OptionError, match="no function"):
        jc.jacobian(3)
    with pytest.raises(SizeError, match="gradient"):
        jc.gradient(f)(X)
    with pytest.raises(SizeError, match="tangent"):
        jc.jvp(f, X, np.ones(4))
    with pytest.raises(SizeError, match="adjoint"):
        jc.vjp(f, X, np.ones(4))
    with pytest.raises(OptionError, match="nest"):
        jc.jvp(np.multiply, (X, X), (X,))
    with pytest.raises(OptionError, match="no argument to differentiate"):
        jc.gradient(lambda: 3.0)()
    with pytest.raises(TraceError, match="called with 1 argument: missing"):
        jc.gradient(lambda x, y: x)(X)
    for argnums in (True, 1.0, (), (0, 1.5), np.array([0, 1])):
        with pytest.raises(OptionError, match="argnums is"):
            jc.jacobian(f, argnums=argnums)


def test_results_and_arguments_without_arrays_are_named():
    with pytest.raises(TraceError, match="returns nothing"):
        jc.jacobian(lambda x: ())(X)
    with pytest.raises(TraceError, match="returns nothing"):
        jc.vjp(lambda x: (), X, ())
    for x in ((), {}):
        with pytest.raises(OptionError, match="x holds no array"):
            jc.jvp(lambda *_: 1.0, x, x)
        with pytest.raises(OptionError, match="x holds no array"):
            jc.vjp(lambda *_: 1.0, x, 1.0)


def test_numbers_of_arguments_may_be_integers_of_any_kind():
    one, both = np.int64(1), [np.int64(1), np.int32(0)]
    np.testing.assert_array_equal(jc.gradient(np.dot, argnums=one)(X, 2 * X), X)
    np.testing.assert_array_equal(jc.gradient(np.dot, argnums=both)(X, 2 * X), (X, 2 * X))


def test_plain_numbers_do_not_widen_float32():
    x = X.astype(np.float32)
    assert jc.vjp(np.sum, x, 1.0).dtype == np.float32
    assert jc.jvp(lambda s: s * s, np.float32(2), 1.0).dtype == np.float32
    assert jc.jvp(np.multiply, (x, 2.0), (x, 1.0)).dtype == np.float32
    assert jc.jvp(np.multiply, (X, 2.0), (X, 1.0)).dtype == np.float64
    assert jc.vjp(np.sum, x, np.float64(1.0)).dtype == np.float64


def test_products_so_far_of_many_numbers_have_a_gradient():
    x = 1 - 1e-6 * np.random.default_rng(0).random(10**6)
    y = np.cumprod(x)
    found = jc.gradient(lambda x: np.sum(np.cumprod(x)))(x)
    np.testing.assert_allclose(found, np.cumsum(y[::-1])[::-1] / x, rtol=1e-11)


def test_a_derivative_can_be_stored_and_lets_go_of_what_it_made():
    derivative = jc.jacobian(np.sin)
    derivative(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(derivative))(X), derivative(X))
    derivative.release()
    np.testing.assert_array_equal(derivative(X), np.diag(np.cos(X)))


def test_products_do_not_keep_a_function_alive():
    def f(x):
        return x * 2.0

    jc.jvp(f, X, X)
    jc.vjp(f, X, X)
    held = weakref.ref(f)
    del f
    gc.collect()
    assert held() is None


def test_an_input_that_is_not_used_has_a_zero_jacobian():
    found = jc.jacobian(lambda x, _: np.sin(x), argnums=(0, 1))(X, np.ones(2))
    np.testing.assert_array_equal(found[1], np.zeros((3, 2)))


def test_layers_and_functions_of_ones_own_can_be_called():
    square = jc.Function(lambda x: x**2, vjp=lambda x, u: 2 * x * u, jvp=lambda x, v: 2 * x * v, outputs=3)
    layer = jc.layers.Linear(M)

    def f(x):
        return np.sum(layer(square(np.sin(x))) ** 2)

    def plain(x):
        return np.sum((M @ np.sin(x) ** 2) ** 2)

    np.testing.assert_allclose(jc.gradient(f)(X), differences(plain, X), atol=1e-7)


def test_results_that_are_held_are_not_overwritten_whatever_their_structure():
    x = np.linspace(0.1, 1.0, 3000)
    structured = jc.jacobian(np.sin, structured=True)
    several = jc.jacobian(lambda x: (np.sum(np.sin(x)), np.sum(x) * x[0]))
    held = [(structured(k * x).arrays[0], several(k * x)[0]) for k in range(1, 5)]
    for k, (diagonal, gradient) in enumerate(held, 1):
        np.testing.assert_array_equal(diagonal, np.cos(k * x))
        np.testing.assert_array_equal(gradient, np.cos(k * x))


def test_products_of_a_function_that_closes_over_something_see_it_change():
    factors = [2.0]

    def f(x):
        return factors[0] * x

    np.testing.assert_array_equal(jc.jvp(f, X, np.ones(3)), [2, 2, 2])
    factors[0] = 5.0
    np.testing.assert_array_equal(jc.jvp(f, X, np.ones(3)), [5, 5, 5])
    np.testing.assert_array_equal(jc.vjp(f, X, np.ones(3)), [5, 5, 5])


def test_products_are_checked_where_asked_after_they_were_not():
    jc.jvp(unclosed, np.ones(3), np.ones(3))
    with pytest.raises(NonFiniteError):
        jc.jvp(unclosed, np.array([0.0, 1, 2]), np.ones(3), check=True)


def unclosed(x):
    return np.log(x)


def test_a_masked_array_is_refused_after_a_plain_one_too():
    derivative = jc.gradient(lambda x: np.sum(x * x))
    derivative(X)
    with pytest.raises(DtypeError, match="masked"):
        derivative(np.ma.array(X, mask=[0, 1, 0]))


def test_layers_that_a_function_calls_go_with_its_derivative():
    def reference():
        layer = jc.layers.Linear(np.ones((2, 3)))
        jc.jacobian(lambda x: layer(np.sin(x)))(X)
        return weakref.ref(layer)

    held = reference()
    gc.collect()
    assert held() is None


def test_tangents_of_numbers_and_arrays_must_be_of_one_kind():
    with pytest.raises(SizeError, match="tangent"):
        jc.jvp(np.multiply, (2.0, np.ones(3)), (1.0, np.ones((3, 2))))


def test_numbers_are_taken_again_without_another_trace():
    derivative = jc.jacobian(lambda a, b: a * b, argnums=(0, 1))
    assert [derivative(2.0, x) for x in (3.0, 4.0)] == [(3.0, 2.0), (4.0, 2.0)]
    assert derivative(2.0, np.float64(5.0)) == (5.0, 2.0)
    with pytest.raises(DtypeError):
        derivative(2.0, 3)
