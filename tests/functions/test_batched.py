"""Derivatives at many points at once are those of one point after the other, by numbers and by arrays."""

import gc
import re
import tracemalloc

import numpy as np
import pytest
import strict_arrays
import strict_device
from functions.test_function_derivatives import FUNCTIONS
from hypothesis import given, settings
from hypothesis import strategies as st

import jacchain as jc
from jacchain import layers
from jacchain.errors import DeviceError, DtypeError, InfeasibleError, NonFiniteError, OptionError, SizeError
from jacchain.functions import batched
from jacchain.functions.points import chunks, lifted_derivative
from jacchain.functions.points.chunks import Chunks
from jacchain.functions.scalar.many_points import PointsExecutable
from jacchain.model.tree import flatten

PLENTY = 10**9
"""A limit that nothing reaches: with it, functions of few numbers are done on arrays too."""

RNG = np.random.default_rng(5)
WEIGHTS = [RNG.normal(size=shape) for shape in ((4, 3), (4, 4), (2, 4))]


def network(x):
    first, second, third = WEIGHTS
    return third @ np.tanh(second @ np.tanh(first @ x))


def attention(x):
    scores = x[:, None] * x[None, :]
    chances = np.exp(scores) / np.sum(np.exp(scores), axis=1, keepdims=True)
    return chances @ np.stack([x, x**2], axis=1)


VECTORS = {**FUNCTIONS, "network": network, "attention": attention}
NUMBERS = {
    "rosenbrock": lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2),
    "squared network": lambda x: np.sum(network(x) ** 2),
    "log-sum-exp": lambda x: np.log(np.sum(np.exp(x * x[::-1]))) * x[0],
    "norm": lambda x: np.linalg.norm(x) * np.sum(np.sin(x)),
    "solve": lambda x: np.sum(np.linalg.solve(np.diag(x) + 3 * np.eye(3), x)),
    "linear": lambda x: 2 * x[0] - x[2],
    "quadratic form": lambda x: x @ WEIGHTS[0][:3] @ x,
}


def kept(make):
    """Return a function of a name that makes something once, so that nothing is planned twice."""
    known = {}
    return lambda name: known[name] if name in known else known.setdefault(name, make(name))


by_numbers = kept(lambda name: jc.jacobian(VECTORS[name], planner="reverse"))
by_arrays = kept(lambda name: jc.jacobian(VECTORS[name], planner="reverse", memory=PLENTY))
hessians = kept(lambda name: jc.hessian(NUMBERS[name], planner="edge_pushing"))


def points(count, seed=0):
    return np.random.default_rng(seed).uniform(0.3, 1.3, (count, 3))


def stacked(found):
    """Return nested results of single points as a list of arrays with an axis of points."""
    return [np.stack(arrays) for arrays in zip(*(flatten((one,), "")[0] for one in found), strict=True)]


def close(found, expected):
    for mine, single in zip(flatten((found,), "")[0], stacked(expected), strict=True):
        assert mine.dtype == single.dtype
        np.testing.assert_allclose(mine, single, rtol=1e-9, atol=1e-10)


@settings(max_examples=50)
@given(st.sampled_from(list(VECTORS)), st.sampled_from([by_numbers, by_arrays]), st.sampled_from([0, 1, 2, 5]))
def test_jacobians_at_many_points_are_those_at_each(name, jacobians, count):
    derivative, x = jacobians(name), points(count)
    found = derivative.batched(x)
    if count:
        close(found, [derivative(point) for point in x])
    else:
        single = flatten((derivative(points(1)[0]),), "")[0]
        assert [part.shape for part in flatten((found,), "")[0]] == [(0, *part.shape) for part in single]


@settings(max_examples=20)
@given(st.sampled_from(list(NUMBERS)), st.sampled_from([0, 1, 2, 5]))
def test_hessians_at_many_points_are_those_at_each_and_exactly_symmetric(name, count):
    hessian, x = hessians(name), points(count)
    found = hessian.batched(x)
    assert found.shape == (count, 3, 3)
    np.testing.assert_array_equal(found, found.swapaxes(1, 2))
    if count:
        close(found, [hessian(point) for point in x])


@pytest.mark.parametrize("name", ["network", "an output that is used further"])
def test_hessians_of_several_numbers_take_weights_or_come_one_by_one(name):
    hessian, x = jc.hessian(VECTORS[name]), points(4)
    close(hessian.batched(x), [hessian(point) for point in x])
    heads = [part.shape for part in flatten((VECTORS[name](x[0]),), "")[0]]
    weights = [RNG.normal(size=(4, *head)) for head in heads]
    of_all = tuple(weights) if len(weights) > 1 else weights[0]
    of_each = [tuple(w[k] for w in weights) if len(weights) > 1 else weights[0][k] for k in range(4)]
    found = hessian.batched(x, weights=of_all)
    close(found, [hessian(point, weights=w) for point, w in zip(x, of_each, strict=True)])
    with pytest.raises(SizeError, match="weights"):
        hessian.batched(x[:2], weights=of_all)


def test_arguments_and_results_nest_and_values_come_along():
    def f(params, x):
        hidden = np.tanh(params["w"] @ x + params["b"])
        return {"loss": np.sum(hidden**2), "rest": [hidden, params["w"]]}

    params, x = {"w": RNG.normal(size=(6, 4, 3)), "b": RNG.normal(size=(6, 4))}, points(6)
    each = [({"w": w, "b": b}, point) for w, b, point in zip(params["w"], params["b"], x, strict=True)]
    derivative = jc.value_and_jacobian(f, argnums=(0, 1))
    close(derivative.batched(params, x), [derivative(*one) for one in each])
    hessian = jc.hessian(lambda p, x: f(p, x)["loss"], argnums=(0, 1))
    close(hessian.batched(params, x), [hessian(*one) for one in each])
    gradient = jc.gradient(lambda p, x: f(p, x)["loss"])
    close(gradient.batched(params, x), [gradient(*one) for one in each])


def test_many_points_are_taken_in_parts_that_fit_the_cache_or_the_memory(monkeypatch):
    x = points(50)
    derivative = jc.jacobian(network, planner="reverse")
    whole = derivative.batched(x)
    monkeypatch.setattr(chunks, "CACHE", 2000)
    monkeypatch.setattr(chunks, "SHARE", 1 << 19)  # of a gigabyte, which is what the device of the tests has
    parts = jc.jacobian(network, planner="reverse")
    np.testing.assert_allclose(parts.batched(x), whole, rtol=1e-12, atol=1e-14)
    monkeypatch.setattr(lifted_derivative, "COPIED", 0)
    np.testing.assert_allclose(parts.batched(x + 0), whole, rtol=1e-12, atol=1e-14)
    assert parts.plan_batched(x).flops < derivative.plan_batched(x).flops
    monkeypatch.undo()
    for memory in (4000, 6000, 20000):
        limited = jc.jacobian(network, planner="reverse", memory=memory)
        np.testing.assert_allclose(limited.batched(x), whole, rtol=1e-12, atol=1e-14)
        assert limited.plan_batched(x).peak <= memory
    assert _run(limited).length(50) > 1
    with pytest.raises(InfeasibleError, match="50 points take") as error:
        jc.jacobian(network, memory=2500).batched(x)
    least = int(re.findall(r"give memory=(\d+)", str(error.value))[0])
    np.testing.assert_allclose(jc.jacobian(network, memory=least).batched(x), whole, rtol=1e-12, atol=1e-14)


def _run(derivative):
    (found,) = derivative._many._known.values()
    return found.run


@pytest.mark.host(reason="numbers one by one are for the host")
def test_products_of_matrices_are_done_on_arrays_and_scalar_code_by_numbers():
    for function, kind in ((network, Chunks), (lambda x: np.sin(x[0]) * x[1] + x[2], PointsExecutable)):
        derivative = jc.gradient(lambda x, f=function: np.sum(f(x)))
        derivative.batched(points(3))
        assert isinstance(_run(derivative), kind)


def test_results_are_the_callers_own():
    x = points(3000)
    derivative = jc.jacobian(network, planner="reverse", memory=1 << 20)
    first = derivative.batched(x)
    assert first.nbytes > chunks.LARGE
    held = first.copy()
    second = derivative.batched(x + 1)
    third = derivative.batched(x + 2)
    np.testing.assert_array_equal(first, held)
    assert not np.shares_memory(second, third)
    assert first.flags.writeable


@pytest.mark.parametrize("name", ["network", "broadcast", "solve"])
def test_points_on_a_device_stay_there(name):
    strict_device.install()
    x = points(6)
    there = strict_arrays.wrap(x)
    for derivative in (by_arrays(name), jc.hessian(lambda x: np.sum(np.sin(VECTORS[name](x))))):
        found = derivative.batched(there)
        assert isinstance(found, strict_arrays.StrictArray)
        np.testing.assert_allclose(strict_arrays.raw(found), derivative.batched(x), rtol=1e-10, atol=1e-11)
    with pytest.raises(DeviceError, match="another on cpu"):
        jc.jacobian(lambda a, b: a * b).batched(there, x)


def test_not_a_number_is_found_with_its_point_and_node():
    x = points(5)
    x[3] = -1
    for make in (jc.jacobian, jc.hessian):
        with pytest.raises(NonFiniteError, match=r"\(log\) at point 3 of 5"), np.errstate(all="ignore"):
            make(lambda x: np.sum(np.log(x)), check=True).batched(x)


def test_parameters_of_layers_may_change_and_single_precision_stays():
    weight = RNG.normal(size=(4, 3))
    layer, x = layers.Linear(weight), points(6)
    derivative = jc.jacobian(lambda x: np.tanh(layer(x)))
    for scale in (1.0, 2.0):
        weight *= scale
        close(derivative.batched(x), [derivative(point) for point in x])
    found = jc.jacobian(lambda x: np.tanh(x) * x[0], memory=PLENTY).batched(x.astype(np.float32))
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: jc.hessian(np.sum, structured=True).batched(points(2)), OptionError, "structured"),
        (lambda: jc.hessian(np.sum).batched(1.0), SizeError, "first axis"),
        (lambda: jc.hessian(lambda a, b: np.sum(a * b)).batched(points(2), points(3)), SizeError, "many points"),
        (lambda: jc.gradient(network).batched(points(2)), SizeError, "gradient"),
    ],
)
def test_what_many_points_do_not_take_is_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_results_handed_out_at_the_same_time_are_not_the_same_memory(monkeypatch):
    x = points(3000)
    derivative = jc.jacobian(network, planner="reverse", memory=1 << 20)
    derivative.batched(x)
    run, others, ask = _run(derivative), [], chunks._Results.is_free

    def interrupted(kept, home):
        found = ask(kept, home)
        if not others:
            others.append(None)
            others[0] = run._taken([(3000, 2, 3)])  # what another thread may do now
        return found

    monkeypatch.setattr(chunks._Results, "is_free", interrupted)
    found = derivative.batched(x)
    assert not np.shares_memory(found, others[0][0])


WIDE = np.random.default_rng(1).normal(size=(40, 40)) / 7
MEMORY = {
    "outer": lambda x: np.outer(x, np.sin(x))[:4],
    "network": lambda x: np.tanh(WIDE @ np.tanh(WIDE @ x)),
    "cumsum": lambda x: np.cumsum(np.sin(WIDE @ x)),
}


@pytest.mark.host(reason="the memory of the host is looked at")
@pytest.mark.parametrize("name", MEMORY)
def test_no_more_memory_is_taken_and_held_than_may_be(name):
    x = RNG.normal(size=(201, 40))
    result = jc.jacobian(MEMORY[name]).batched(x).nbytes
    limit = result + 200_000
    derivative = jc.jacobian(MEMORY[name], memory=limit)
    assert result < derivative.plan_batched(x).peak <= limit
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(3):
            found = derivative.batched(x)
            del found
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held <= peak <= 1.05 * limit + (1 << 16)


@pytest.mark.host(reason="seconds are those of the host")
def test_points_are_taken_together_only_where_that_is_quicker():
    x = RNG.normal(size=(60, 40))
    for function, is_together in ((MEMORY["network"], True), (MEMORY["cumsum"], False)):
        derivative = jc.jacobian(function)
        derivative.batched(x)
        assert (_run(derivative).length(60) > 1) == is_together
    hessian = jc.hessian(lambda x: x @ (WIDE @ x) + np.sum(x**3))
    close(hessian.batched(x[:3]), [hessian(point) for point in x[:3]])


@pytest.mark.host(reason="the cache is that of the host")
def test_other_numbers_of_points_take_programs_that_are_there(monkeypatch):
    made = []
    one = lifted_derivative.lifted_derivative
    monkeypatch.setattr(batched, "lifted_derivative", lambda *a, **k: made.append(a[2]) or one(*a, **k))
    derivative = jc.jacobian(network, planner="reverse")
    monkeypatch.setattr(chunks, "CACHE", 4000)
    for count in range(40, 80):
        x = points(count)
        found = derivative.batched(x)
        close(found[-1:], [derivative(x[-1])])
    assert len(made) <= 5
    assert max(made) < 40


logarithms = jc.jacobian(lambda x: np.stack([np.log(x[0]) * x[1], x[2] / x[0]]))


@pytest.mark.host(reason="numbers one by one are for the host")
@given(st.integers(1, 12), st.sampled_from([0.0, -1.0, 2.0]))
@settings(max_examples=10)
def test_few_points_in_floats_are_many_points_in_rows(count, first):
    x = points(count)
    x[0, 0] = first
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(logarithms.batched(x), logarithms.batched(np.tile(x, (12, 1)))[:count], rtol=1e-14)


def test_no_points_have_no_weights_and_what_is_amiss_is_said():
    hessian = jc.hessian(network)
    assert hessian.batched(points(0), weights=np.ones((0, 2))).shape == (0, 3, 3)
    with pytest.raises(DtypeError, match="the weights are int64"):
        hessian.batched(points(2), weights=np.ones((2, 2), np.int64))
    with pytest.raises(SizeError, match="3 numbers as the arguments for many points\na list of numbers"):
        hessian.batched([0.1, 1, 0.3])
    with pytest.raises(SizeError, match=r"numpy\.full\(count, number\)"):
        jc.jacobian(lambda x, y: x * y).batched(points(2), 2.0)
    scaled = jc.jacobian(lambda x: np.linalg.solve(np.array([[2.0]]), x[None]), memory=PLENTY)
    close(scaled.batched(points(4)), [scaled(point) for point in points(4)])
