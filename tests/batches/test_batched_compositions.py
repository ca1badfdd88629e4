"""Derivatives at many points at once are those at each of them, stacked."""

import gc
import tracemalloc

import numpy as np
import pytest
import strict_arrays
import strict_device
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Cube, compositions, make, positive, samples, sine, structured_compositions
from scipy.linalg import block_diag
from strategies import dense_twin

import jacchain as jc
from jacchain import layers as jl
from jacchain.algebra.kernels import run
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Kronecker, array_shapes
from jacchain.batches import batch as choice
from jacchain.batches import chunks
from jacchain.batches.lifted_layers import by_position, lifted_layers
from jacchain.compiled import planned
from jacchain.errors import DeviceError, InfeasibleError, NonFiniteError, SizeError
from jacchain.model.mapped_layer import mapped

COUNT = 5
LAYERS = [*jl.__all__, "Function"]


def points_like(point, count=COUNT):
    """Points beside one at which everything is smooth."""
    return np.stack([point * (1 + 0.05 * k) for k in range(count)]) if count else np.empty((0, *point.shape))


def stacked(derivative, points):
    return np.stack([derivative(x) for x in points])


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("name", jl.__all__)
@settings(max_examples=8)
@given(data=st.data(), count=st.integers(2, 4))
def test_a_mapped_layer_is_the_layer_at_every_point(name, one_by_one, data, count):
    layer, point = data.draw(samples(name))
    facts, points = layer.facts(point.shape), points_like(point, count)
    if not facts.link.is_explicit:
        return
    source, many = mapped(layer, facts, count, one_by_one=one_by_one)
    x = points.reshape(many.inputs)
    y = np.full(many.outputs, np.nan)
    run(source.value_calls(NUMPY, x, y, np.empty(many.value_scratch)))
    np.testing.assert_allclose(y.reshape(count, -1), [layer.value(p).reshape(-1) for p in points], rtol=1e-12)
    structure = many.link.local
    if many.borrowed:
        arrays = source.borrowed_arrays(many.inputs)
    else:
        arrays = tuple(np.full(shape, np.nan) for shape in array_shapes(structure))
        given_x, given_y = x if "x" in many.reads else None, y if "y" in many.reads else None
        run(source.local_calls(NUMPY, given_x, given_y, Operand(structure, arrays), np.empty(many.local_scratch)))
    expected = block_diag(*(layer.jacobian(p).todense() for p in points))
    np.testing.assert_allclose(dense_twin(structure, arrays), expected, rtol=1e-12, atol=1e-14)


@settings(max_examples=25)
@given(compositions(), st.sampled_from([0, 1, 2, 7]), st.integers(1, 4))
def test_batched_jacobians_are_the_stacked_ones_whatever_the_chunks(sample, count, size):
    jacobian = jc.jacobian(sample.layer)
    points = points_like(sample.point, count)
    whole = jacobian.batched(points)
    outputs = sample.layer(sample.point).shape
    assert whole.shape == (count, *outputs, *sample.point.shape)
    if count:
        np.testing.assert_allclose(whole, stacked(jacobian, points), rtol=1e-9, atol=1e-12)
        jacobian.release()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(choice, "CACHE", size * 64)
            patch.setattr(choice, "FEW", 1)
            patch.setattr(chunks, "COPIED", size * 64)  # some blocks are copied, others made in their place
            np.testing.assert_array_equal(jacobian.batched(points).shape, whole.shape)
            np.testing.assert_allclose(jacobian.batched(points), whole, rtol=1e-9, atol=1e-12)
            plan, counted = jacobian.plan_batched(points), jacobian.count_batched(points)
            assert plan.flops == counted.multiplications
            assert counted.nbytes <= plan.peak
        jacobian.release()


@settings(max_examples=20)
@given(structured_compositions(longest=4), st.integers(1, 4))
def test_structures_and_products_only_are_batched_too_for_no_more_multiplications(sample, count):
    jacobian = jc.jacobian(jc.Sequential(sample.layers))
    points = points_like(sample.point, count)
    found = jacobian.batched(points)
    np.testing.assert_allclose(found, np.broadcast_to(sample.product, found.shape), rtol=1e-9, atol=1e-12)
    counted = jacobian.count_batched(points)
    assert counted.multiplications <= count * jacobian.count(points[0]).multiplications


def network(sizes, rng, *, kink=jl.Tanh, dtype=np.float64):
    weights = [rng.normal(size=shape).astype(dtype) / 3 for shape in zip(sizes[1:], sizes, strict=False)]
    return weights, [layer for weight in weights for layer in (jl.Linear(weight), kink())]


def test_constant_neighbours_are_multiplied_once_for_all_points():
    rng = np.random.default_rng(0)
    first, second, third = rng.normal(size=(20, 6)), rng.normal(size=(5, 20)), rng.normal(size=(4, 5))
    jacobian = jc.jacobian(jc.Sequential([jl.Linear(first), jl.Linear(second), jl.Tanh(), jl.Linear(third)]))
    points = rng.normal(size=(50, 6))
    plan = jacobian.plan_batched(points)
    each = 5 * 6 + 4 * 5 * 6  # diag(σ')·(W2 W1) and the product with W3
    assert plan.flops == 5 * 20 * 6 + 50 * min(each, 4 * 5 + 4 * 5 * 6)
    assert plan.flops == jacobian.count_batched(points).multiplications < 50 * jacobian.plan(points[0]).flops
    assert "J2 J1 the same at every point, formed once" in plan.reason
    np.testing.assert_allclose(jacobian.batched(points), stacked(jacobian, points), rtol=1e-12, atol=1e-15)


@pytest.mark.host(reason="on a device, chunks are as large as its memory allows")
def test_shared_products_are_made_once_in_chunks_too_and_anew_when_weights_change(monkeypatch):
    monkeypatch.setattr(choice, "CACHE", 2000)
    monkeypatch.setattr(choice, "FEW", 1)
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(5, 7)), rng.normal(size=(6, 5))
    jacobian = jc.jacobian(jc.Sequential([jl.Linear(weights[0]), jl.Linear(weights[1]), jl.Square()]))
    points = rng.normal(size=(11, 7))
    piece, *_ = jacobian._batch(points).run.pieces(len(points))
    assert piece.points < len(points)
    assert piece.program.once > 0
    before = jacobian.batched(points)
    weights[0][...] *= 2
    np.testing.assert_allclose(jacobian.batched(points), 4 * before, rtol=1e-12)


def test_gradients_have_the_points_shape_and_losses_are_taken_point_by_point():
    rng = np.random.default_rng(2)
    _, layers = network([4, 5, 3], rng)
    for loss in (jl.MeanSquaredError(rng.normal(size=3)), jl.CrossEntropy(np.eye(3)[1], logits=True), jl.Sum()):
        gradient = jc.gradient(jc.Sequential([*layers, loss]))
        points = rng.normal(size=(9, 4))
        assert gradient.batched(points).shape == points.shape
        np.testing.assert_allclose(gradient.batched(points), stacked(gradient, points), rtol=1e-12)
    with pytest.raises(SizeError, match="a gradient needs one output, but Tanh gives 3"):
        jc.gradient(jc.Sequential(layers)).batched(points)


def test_float32_stays_float32_and_refreshes_converted_weights():
    rng = np.random.default_rng(3)
    weights, layers = network([4, 5, 3], rng)
    jacobian = jc.jacobian(jc.Sequential(layers))
    points = rng.normal(size=(6, 4)).astype(np.float32)
    jacobian.batched(points)
    weights[0][...] *= 0.5
    found = jacobian.batched(points)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, stacked(jacobian, points.astype(float)), rtol=1e-4, atol=1e-6)


def test_the_derivative_at_a_kink_is_the_chosen_one_at_every_point():
    jacobian = jc.jacobian(jc.Sequential([jl.Relu(at_zero=0.25), jl.Abs(at_zero=-0.5)]))
    points = np.array([[0.0, 1.0], [-1.0, 0.0], [2.0, 0.0]])
    np.testing.assert_array_equal(jacobian.batched(points), stacked(jacobian, points))


class ByPosition(jc.Elementwise):
    """Looks at where a number stands, so that it must not be given several points at once."""

    def function(self, x): return np.concatenate([x[:1] ** 2, x[1:]])  # fmt: skip

    def derivative(self, x): return np.concatenate([2 * x[:1], np.ones_like(x[1:])])  # fmt: skip


@pytest.mark.parametrize(("layer", "is_together"), [(Cube(), True), (ByPosition(), False)])
def test_elementwise_functions_get_many_points_only_where_that_is_the_same(layer, is_together):
    asked = []
    function = type(layer).derivative
    spy = type("Spy", (type(layer),), {"derivative": lambda self, x: (asked.append(x.shape), function(self, x))[1]})
    jacobian = jc.jacobian(jc.Sequential([spy(), jl.Tanh()]))
    points = np.random.default_rng(4).normal(size=(6, 3))
    expected = stacked(jacobian, points)
    jacobian.batched(points)
    asked.clear()
    np.testing.assert_allclose(jacobian.batched(points), expected, rtol=1e-12)
    assert asked == ([(6, 3)] if is_together else [(3,)] * 6)


def test_memory_is_kept_to_and_the_smallest_that_does_is_named():
    rng = np.random.default_rng(5)
    _, layers = network([9, 20, 3, 20, 9], rng)
    points = rng.normal(size=(30, 9))
    free = jc.jacobian(jc.Sequential(layers))
    needed, result = free.plan_batched(points).peak, 30 * 9 * 9 * 8
    for limit in (needed, result + (needed - result) // 3, result + 12_000):
        jacobian = jc.jacobian(jc.Sequential(layers), memory=limit)
        np.testing.assert_allclose(jacobian.batched(points), free.batched(points), rtol=1e-12, atol=1e-15)
        assert jacobian.count_batched(points).nbytes <= jacobian.plan_batched(points).peak <= limit
    with pytest.raises(InfeasibleError, match="the results at 30 points take 19,440 bytes") as error:
        jc.jacobian(jc.Sequential(layers), memory=result + 100).batched(points)
    assert error.value.least is not None
    least = jc.jacobian(jc.Sequential(layers), memory=error.value.least)
    np.testing.assert_allclose(least.batched(points), free.batched(points), rtol=1e-12, atol=1e-15)
    assert least.count_batched(points).nbytes <= error.value.least
    with pytest.raises(InfeasibleError):
        jc.jacobian(jc.Sequential(layers), memory=error.value.least - 1).batched(points)


def test_results_are_written_where_they_are_wanted_and_held_ones_are_left_alone():
    rng = np.random.default_rng(6)
    _, layers = network([40, 30, 40], rng)
    jacobian = jc.jacobian(jc.Sequential(layers))
    points = rng.normal(size=(20, 40))
    first = jacobian.batched(points)
    kept = first.copy()
    second = jacobian.batched(-points)
    np.testing.assert_array_equal(first, kept)
    out = np.empty((20, 40, 40))
    assert jacobian.batched(-points, out=out) is out
    np.testing.assert_array_equal(out, second)
    strided = np.empty((20, 40, 80))[..., ::2]
    np.testing.assert_array_equal(jacobian.batched(-points, out=strided), second)
    np.testing.assert_array_equal(jacobian.batched(np.asfortranarray(-points)), second)
    address = second.ctypes.data
    del second, first
    assert jacobian.batched(points).ctypes.data == address or jacobian.batched(points) is not None
    with pytest.raises(SizeError, match=r"out is float64 of shape \(3, 40, 40\)"):
        jacobian.batched(points, out=np.empty((3, 40, 40)))


def test_checking_names_the_layer_and_the_point():
    jacobian = jc.jacobian(jc.Sequential([jl.Square(), jl.Log()]), check=True)
    points = np.array([[1.0, 2.0], [3.0, 0.0]])
    with pytest.raises(NonFiniteError, match=r"the value of layer 2 \(Log\), at point 1 of 2"):
        jacobian.batched(points)


@pytest.mark.parametrize("points", [1.0, np.ones((3, 4)), np.empty((3, 0))])
def test_points_that_do_not_fit_are_refused(points):
    with pytest.raises(SizeError):
        jc.jacobian(jl.Linear(np.ones((2, 3)))).batched(points)


def test_layers_that_would_fall_apart_are_taken_point_by_point():
    rng = np.random.default_rng(7)
    jacobian = jc.jacobian(jc.Sequential([jl.LeftMultiply(rng.normal(size=(3, 2))), jl.Tanh()]))
    points = rng.normal(size=(4, 2, 5))
    assert "one by one: the kronecker (3x2)⊗I(5) of layer 1 (LeftMultiply)" in jacobian.plan_batched(points).reason
    function = jc.Function(sine(3, 2, rng)["function"], jvp=sine(3, 2, rng)["jvp"], outputs=3)
    assert "no local Jacobian but by its products" in jc.jacobian(function).plan_batched(positive(rng, (4, 2))).reason
    chained = jc.jacobian(jc.Sequential([make("RightMultiply", (3, 4), rng), jl.Tanh()]))
    assert isinstance(chained.plan_batched(rng.normal(size=(6, 3, 4))).chain.links[0].local, Kronecker)


def test_batches_of_a_device_stay_there_and_those_of_the_host_travel_once():
    strict_device.install()
    rng = np.random.default_rng(8)
    weights, layers = network([4, 6, 3], rng)
    points = rng.normal(size=(9, 4))
    expected = stacked(jc.jacobian(jc.Sequential(layers), device="cpu"), points)
    brought = jc.jacobian(jc.Sequential(layers), device="strict").batched(points)
    assert isinstance(brought, np.ndarray)
    np.testing.assert_allclose(brought, expected, rtol=1e-12, atol=1e-15)
    placed = [jl.Linear(strict_device.place(weight)) for weight in weights]
    jacobian = jc.jacobian(jc.Sequential([placed[0], jl.Tanh(), placed[1], jl.Tanh()]))
    there = strict_device.place(points)
    jacobian.batched(there)
    with strict_arrays.running():  # refuses every transfer
        found = jacobian.batched(there)
    np.testing.assert_allclose(strict_device.fetch(found), expected, rtol=1e-12, atol=1e-15)
    with pytest.raises(DeviceError, match="arrays lie on strict:0, but device='cpu'"):
        jc.jacobian(jc.Sequential(layers), device="cpu").batched(there)


@settings(max_examples=20)
@given(structured_compositions(longest=5), st.integers(2, 40))
def test_orders_between_two_numbers_of_points_are_planned_for_neither(sample, count):
    jacobian = jc.jacobian(jc.Sequential(sample.layers))
    many = jacobian._many_of(points_like(sample.point, count))
    several = lifted_layers(many.ready, count)
    assert many._order(count).of(several.chain).flops == planned(several, many.free).flops


def test_other_numbers_of_points_use_the_same_programs_again(monkeypatch):
    rng = np.random.default_rng(9)
    _, layers = network([20, 30, 20], rng)
    jacobian = jc.jacobian(jc.Sequential(layers))
    points = rng.normal(size=(127, 20))
    jacobian.batched(points)
    run = jacobian._batch(points).run
    monkeypatch.setattr(choice, "planned", None)  # nothing is planned any more
    for count in (64, 71, 100, 126, 71):
        np.testing.assert_allclose(
            jacobian.batched(points[:count]), stacked(jacobian, points[:count]), rtol=1e-12, atol=1e-15
        )
        assert jacobian._batch(points[:count]).run is run
        assert jacobian.count_batched(points[:count]).multiplications == run.flops(count)


def held_after(work):
    """Return the bytes that are held after some work and were not before."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    work()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return after - before


@pytest.mark.host(reason="NumPy's allocations are traced")
def test_results_are_kept_for_the_last_number_of_points_only_and_within_the_memory():
    rng = np.random.default_rng(10)
    _, layers = network([30, 40, 30], rng)
    points = rng.normal(size=(300, 30))
    result = 300 * 30 * 30 * 8
    free = jc.jacobian(jc.Sequential(layers))

    def rebound(jacobian, numbers):
        found = None
        for count in numbers:
            found = jacobian.batched(points[:count])
        del found

    assert held_after(lambda: rebound(free, [290, 300, 300, 300, *range(280, 290)])) < 2 * result + (1 << 20)
    assert held_after(lambda: rebound(jc.gradient(jc.Sequential([*layers, jl.Sum()])), [300])) < 1 << 20
    limit = free.plan_batched(points).peak + result // 2
    limited = jc.jacobian(jc.Sequential(layers), memory=limit)
    limited.plan_batched(points)
    assert held_after(lambda: rebound(limited, [280, 300, 300, 300, 300])) < limit


@pytest.mark.host(reason="NumPy's allocations are traced")
def test_results_at_one_point_are_kept_within_the_memory_too():
    rng = np.random.default_rng(13)
    layers = [jl.Linear(rng.normal(size=(300, 200))), jl.Tanh()]
    point = rng.normal(size=200)
    limit = jc.jacobian(jc.Sequential(layers)).plan(point).peak + 300 * 200 * 8 // 2
    jacobian = jc.jacobian(jc.Sequential(layers), memory=limit)
    jacobian.plan(point)

    def three():
        found = [jacobian(point) for _ in range(3)]  # held together, and then dropped
        del found

    assert held_after(three) < limit


@pytest.mark.parametrize("first", ["Linear", "LeftMultiply"])
def test_what_is_written_over_the_points_does_not_change_those_still_to_come(first):
    rng = np.random.default_rng(11)
    shape = (30,) if first == "Linear" else (30, 2)
    jacobian = jc.jacobian(jc.Sequential([make(first, shape, rng), jl.Tanh()]))
    points = rng.normal(size=(90, *shape))
    expected = jacobian.batched(points).copy()
    for start in (0, expected.size - points.size):
        out = np.empty(expected.shape)
        inside = out.reshape(-1)[start : start + points.size].reshape(points.shape)
        inside[...] = points
        np.testing.assert_array_equal(jacobian.batched(inside, out=out), expected)


@pytest.mark.parametrize("count", [1, 3])
def test_writing_out_both_factors_counts_at_every_point(count):
    rng = np.random.default_rng(12)
    both = jl.LeftMultiply(rng.normal(size=(4, 5))), jl.RightMultiply(rng.normal(size=(3, 2)))
    jacobian = jc.jacobian(jc.Sequential(both))
    points = rng.normal(size=(count, 5, 3))
    assert (
        jacobian.plan_batched(points).flops == jacobian.count_batched(points).multiplications == count * 4 * 5 * 3 * 2
    )


class ByTheLargest(jc.Elementwise):
    """Is elementwise only where no number is large."""

    def function(self, x): return x / max(1.0, abs(x).max())  # fmt: skip

    def derivative(self, x): return np.full_like(x, 1 / max(1.0, abs(x).max()))  # fmt: skip


@pytest.mark.host(reason="its function is NumPy's")
def test_elementwise_functions_are_tried_where_numbers_are_large_and_without_warning():
    points = np.full((9, 3), 0.5)
    points[5] = 2.0
    jacobian = jc.jacobian(jc.Sequential([ByTheLargest(), jl.Square()]))
    np.testing.assert_allclose(jacobian.batched(points), stacked(jacobian, points), rtol=1e-12)
    points[5] = 1e200
    overflowing = jc.jacobian(jc.Sequential([Cube(), jl.Tanh()]))
    assert by_position(overflowing._many_of(points).ready, points, np) == frozenset()
