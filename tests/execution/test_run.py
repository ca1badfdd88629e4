"""Running: results are the caller's own, buffers are used again, and users' functions cannot do harm."""

import copy
import gc
import pickle
import threading
import tracemalloc
import warnings
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import jacchain as jc
from jacchain.errors import SizeError
from jacchain.layers import (
    Exp,
    Linear,
    Relu,
    Reshape,
    Square,
    Tanh,
)


def weight(m, n, seed=0):
    return np.random.default_rng(seed).normal(size=(m, n)) / np.sqrt(n)


def network(*sizes):
    pairs = pairwise(sizes)
    return jc.Sequential([layer for k, (n, m) in enumerate(pairs) for layer in (Linear(weight(m, n, k)), Tanh())])


@pytest.mark.parametrize("size", [8, 300])  # copied out, and handed out
def test_results_are_the_caller_s_own(size):
    f = network(size, 4, size)
    j = jc.jacobian(f)
    rng = np.random.default_rng(0)
    points = [rng.normal(size=size) for _ in range(6)]
    held = [j(x) for x in points]
    kept = [h.copy() for h in held]
    views = [h[1:3] for h in held]
    for x in points:
        j(x)
    for h, k in zip(held, kept, strict=True):
        assert_array_equal(h, k)
    del held, h
    gc.collect()
    for x in points:
        j(x)
    for view, k in zip(views, kept, strict=True):
        assert_array_equal(view, k[1:3])


@pytest.mark.host(reason="looks at addresses")
def test_a_large_result_that_nobody_holds_is_used_again():
    j = jc.jacobian(network(300, 4, 300))
    x = np.ones(300)
    first = j(x).__array_interface__["data"][0]
    assert j(x).__array_interface__["data"][0] == first
    held = j(x)
    assert j(x).__array_interface__["data"][0] != held.__array_interface__["data"][0]


@pytest.mark.parametrize("size", [8, 300, 400])  # copied, copied from a large result, bound
def test_a_result_may_go_into_the_caller_s_array(size):
    j = jc.jacobian(network(size, 4, size))
    x = np.linspace(-1, 1, size)
    wanted = j(x)
    out = np.full((size, size), np.nan)
    assert j(x, out=out) is out
    assert_array_equal(out, wanted)
    turned = np.full((size, size), np.nan, order="F")
    assert_array_equal(j(x, out=turned), wanted)
    assert_array_equal(jc.jacobian(network(size, 4, size), check=True)(x, out=out), wanted)
    with pytest.raises(SizeError, match=r"out is float32 of shape \(3,\), but the result is float64"):
        j(x, out=np.empty(3, np.float32))


@pytest.mark.host(reason="measures the memory of the host")
def test_the_steady_state_allocates_nothing():
    f = network(400, 100, 20, 100, 400)
    j, x, out = jc.jacobian(f), np.ones(400), np.empty((400, 400))
    for _ in range(3):
        j(x, out=out)
        j(x)
    tracemalloc.start()
    j(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80_000, peak  # NumPy's own buffer of 8192 numbers; the smallest partial product is 320 kB


def test_the_predicted_peak_bounds_what_is_allocated():
    f = network(200, 50, 10, 50, 200)
    x = np.ones(200)
    jc.jacobian(f)(x)  # modules and plans are loaded
    predicted = jc.jacobian(f).program(x).peak
    g = network(200, 50, 10, 50, 200)
    jc.jacobian(g).plan(x)
    tracemalloc.start()
    kept = jc.jacobian(g)
    kept(x)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown <= predicted + 20_000
    assert jc.jacobian(f).count(x).nbytes == predicted


def test_calls_may_overlap_in_threads():
    f = network(120, 30, 120)
    j = jc.jacobian(f)
    points = [np.full(120, 0.1 * k) for k in range(8)]
    wanted = [j(x).copy() for x in points]
    wrong = []

    def work(k):
        for _ in range(30):
            if not np.array_equal(j(points[k]), wanted[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_calls_may_nest():
    inner = jc.jacobian(network(3, 3))
    layer = jc.Function(lambda x: x, jacobian=inner, outputs=3)
    outer = jc.jacobian(jc.Sequential([layer, layer]))
    assert_allclose(outer(np.zeros(3)), inner(np.zeros(3)) @ inner(np.zeros(3)))


def test_parameters_changed_in_place_are_seen():
    for dtype in (np.float64, np.float32):  # shared, and converted at every call
        w = weight(3, 3).astype(dtype)
        j = jc.jacobian(jc.Sequential([Linear(w), Tanh()]))
        before = j(np.zeros(3))
        w *= 2
        assert_allclose(j(np.zeros(3)), 2 * before)
    turned = np.asfortranarray(weight(3, 4))
    j = jc.jacobian(Linear(turned))
    turned[:] = 1
    assert_allclose(j(np.zeros(4)), np.ones((3, 4)))


def test_products_of_equal_layers_are_formed_once():
    layer = Linear(weight(5, 5))
    f = jc.Sequential([layer] * 4)
    j = jc.jacobian(f)
    x = np.ones(5)
    assert_allclose(j(x), np.linalg.matrix_power(layer.weight, 4))
    assert j.plan(x).flops == 3 * 125
    balanced = jc.jacobian(jc.Sequential([layer, layer, Reshape((5,)), layer, layer]), planner="inward")
    assert balanced.count(x).multiplications == balanced.program(x).flops <= 3 * 125


def test_a_borrowed_jacobian_is_returned_as_a_copy():
    w = weight(3, 2)
    for j in (
        jc.jacobian(Linear(w))(np.zeros(2)),
        jc.jacobian(jc.Sequential([Linear(w), Reshape((3, 1))]))(np.zeros(2)),
    ):
        assert_array_equal(j.reshape(3, 2), w)
        assert not np.shares_memory(j, w)


def test_the_point_is_not_written_to():
    x = np.array([0.1, 0.2])
    x.flags.writeable = False
    for layer in (Square(), Tanh(), Exp(), Relu()):
        jc.jacobian(jc.Sequential([layer, layer, layer]))(x)


def test_copies_of_a_jacobian_compute_anew():
    f = network(3, 3)
    j = jc.jacobian(f)
    a, b = np.zeros(3), np.ones(3)
    wanted = j(a)
    j(b)
    for copied in (copy.deepcopy(j), copy.copy(j), pickle.loads(pickle.dumps(j))):
        assert_array_equal(copied(a), wanted)
    assert_array_equal(jc.jacobian(copy.deepcopy(f))(a), wanted)


@pytest.mark.host(reason="arrays of a device can always be written")
def test_functions_of_users_cannot_write_into_what_they_are_given():
    def spoil(x, *_):
        x *= 2
        return x

    class Spoil(jc.Elementwise):
        def function(self, x):
            return spoil(x)

        def derivative(self, x):
            return spoil(x)

    layers = [
        jc.Function(spoil, jvp=lambda x, v: v, outputs=3),
        jc.Function(lambda x: x, jacobian=spoil, outputs=3, structure="diagonal"),
        jc.Function(lambda x: x, jvp=lambda x, v: spoil(v), outputs=3),
        jc.Function(lambda x: x, vjp=lambda x, u: spoil(u), outputs=3),
        Spoil(),
    ]
    for layer in layers:
        with pytest.raises(ValueError, match="read-only"):
            jc.jacobian(jc.Sequential([layer, Square()]))(np.ones(3))


def test_changing_the_shape_of_a_result_leaves_later_ones_alone():
    j = jc.jacobian(network(300, 4, 300))
    result = j(np.ones(300))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer NumPy advises against it, but allows it
        result.shape = (-1,)
    result.flags.writeable = False
    del result
    again = j(np.ones(300))
    assert again.shape == (300, 300)
    assert again.flags.writeable


@pytest.mark.parametrize("check", [False, True])
def test_arrays_that_cannot_take_the_result_are_refused(check):
    j = jc.jacobian(Square(), check=check)
    frozen = np.empty((3, 3))
    frozen.flags.writeable = False
    for out in (np.zeros((3, 3), int), np.zeros((4, 3, 3)), [0.0], frozen):
        with pytest.raises(SizeError, match="out is"):
            j(np.ones(3), out=out)
