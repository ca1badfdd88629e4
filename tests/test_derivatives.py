"""The front door: all planners agree, results are the caller's own, and calls do arithmetic only."""

import gc
import weakref
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import compositions, structured_compositions
from numpy.testing import assert_allclose, assert_array_equal

import jacchain as jc
from jacchain.compositions import _COMPILED
from jacchain.errors import DtypeError, InfeasibleError, NonFiniteError, OptionError, SizeError
from jacchain.layers import (
    CrossEntropy,
    Exp,
    LeftMultiply,
    Linear,
    Log,
    MeanSquaredError,
    RightMultiply,
    Softmax,
    Square,
    Sum,
    Tanh,
)
from jacchain.planning.planners import PLANNERS
from jacchain.workloads.workload import Settings, workload


def weight(m, n, seed=0):
    return np.random.default_rng(seed).normal(size=(m, n)) / np.sqrt(n)


@given(structured_compositions())
def test_every_planner_gives_the_dense_product_at_the_predicted_cost_and_peak(sample):
    f = jc.Sequential(sample.layers)
    for name in PLANNERS:
        derivative = jc.jacobian(f, planner=name)
        try:
            found = derivative(sample.point)
        except InfeasibleError:
            continue  # a planner that needs tangents or adjoints which a function lacks
        scale = np.abs(sample.product).max()
        assert_allclose(found, sample.product, rtol=1e-10, atol=1e-13 * scale, err_msg=name)
        program, counted = derivative.program(sample.point), derivative.count(sample.point)
        assert program.flops == counted.multiplications
        assert program.peak == counted.nbytes
        expansion = sum(step.flops for step in program.instructions if step.op == "expand")
        assert program.flops - expansion == derivative.plan(sample.point).flops


@given(compositions())
def test_every_planner_gives_the_same_jacobian_of_every_composition(sample):
    f, x = sample
    wanted = jc.jacobian(f)(x)
    for name in PLANNERS:
        try:
            found = jc.jacobian(f, planner=name)(x)
        except InfeasibleError:
            continue
        assert_allclose(found, wanted, rtol=1e-9, atol=1e-12 * max(1.0, np.abs(wanted).max()), err_msg=name)


@given(compositions(), st.integers(1, 3))
def test_jvp_and_vjp_are_products_with_the_jacobian(sample, count):
    f, x = sample
    j = jc.jacobian(f)(x)
    matrix = j.reshape(-1, x.size)
    outputs = j.shape[: j.ndim - x.ndim]
    rng = np.random.default_rng(count)
    v, u = rng.normal(size=(*x.shape, count)), rng.normal(size=(count, *outputs))
    scale = {"rtol": 1e-9, "atol": 1e-10 * max(1.0, np.abs(matrix).max())}
    assert_allclose(jc.jvp(f, x, v), (matrix @ v.reshape(-1, count)).reshape(*outputs, count), **scale)
    assert_allclose(jc.vjp(f, x, u), (u.reshape(count, -1) @ matrix).reshape(count, *x.shape), **scale)
    one, other = v[..., 0], u[0]
    assert jc.jvp(f, x, one).shape == outputs
    assert jc.vjp(f, x, other).shape == x.shape
    # ⟨J v, u⟩ = ⟨v, Jᵀ u⟩
    assert_allclose(np.vdot(jc.jvp(f, x, one), other), np.vdot(one, jc.vjp(f, x, other)), rtol=1e-8, atol=1e-9)


@given(structured_compositions(dtype=np.float32))
def test_float32_stays_float32(sample):
    f = jc.Sequential(sample.layers)
    found = jc.jacobian(f)(sample.point)
    assert found.dtype == np.float32
    assert_allclose(found, sample.product, rtol=1e-4)


@pytest.mark.parametrize("name", PLANNERS)
def test_the_wine_gradient_is_that_of_four_lines_of_numpy(name):
    problem = workload("wine", Settings(hidden=5, dtype="float64"))
    x, _, second, loss = (
        getattr(layer, field, None)
        for layer, field in zip(problem.function.layers, ("factor", "", "weight", "target"), strict=True)
    )
    s = np.tanh(problem.point @ x)
    wanted = (second.T @ (2 / 178 * (second @ s - loss)) * (1 - s * s)) @ x.T
    assert_allclose(problem.derivative(name)(problem.point), wanted, rtol=1e-12, atol=1e-15)


def network(*sizes):
    pairs = pairwise(sizes)
    return jc.Sequential([layer for k, (n, m) in enumerate(pairs) for layer in (Linear(weight(m, n, k)), Tanh())])


def test_plans_are_made_once_per_shape_and_dtype():
    f = jc.Sequential([Tanh(), Square()])
    j = jc.jacobian(f)
    x = np.ones(3)
    assert j.plan(x) is j.plan(2 * x) is jc.jacobian(f).plan(x)
    assert j.plan(x) is not j.plan(np.ones(4))
    assert j.plan(x) is not j.plan(x.astype(np.float32))
    assert j.plan(x) is not jc.jacobian(f, planner="forward").plan(x)


def test_a_single_layer_is_not_planned_anew():
    layer = Tanh()
    assert jc.jacobian(layer).plan(np.ones(3)) is jc.jacobian(layer).plan(np.ones(3))


def test_an_empty_input_is_refused():
    with pytest.raises(SizeError, match=r"the input is empty: its shape is \(0,\)"):
        jc.jacobian(Tanh())(np.ones(0))


def test_what_was_compiled_goes_with_its_composition():
    f = jc.Sequential([Tanh()])
    jc.jvp(f, np.ones(3), np.ones(3))
    gone = weakref.ref(f)
    del f
    gc.collect()
    assert gone() is None


def test_jacobians_have_the_shape_of_output_and_input():
    f = jc.Sequential([LeftMultiply(weight(4, 2)), RightMultiply(weight(3, 5))])
    assert jc.jacobian(f)(np.ones((2, 3))).shape == (4, 5, 2, 3)
    assert jc.gradient(jc.Sequential([f, Sum()]))(np.ones((2, 3))).shape == (2, 3)
    assert jc.jacobian(jc.Sequential([f, Sum()]))(np.ones((2, 3))).shape == (2, 3)
    assert jc.jacobian(Sum())(np.float64(3.0)) == 1.0


@pytest.mark.parametrize(
    "x", [[1.0, 2.0], (1.0, 2.0), np.array([1.0, 9.0, 2.0])[::2], np.array([1.0, 2.0]).astype(">f8")]
)
def test_points_of_any_layout_are_taken(x):
    assert_allclose(jc.jacobian(Square())(x), [[2.0, 0.0], [0.0, 4.0]])


def test_checking_names_the_layer_and_lets_good_points_pass():
    f = jc.Sequential([Square(), Log(), Exp()])
    j = jc.jacobian(f, check=True)
    assert_allclose(j([1.0, 2.0]), jc.jacobian(f)([1.0, 2.0]))
    with pytest.raises(NonFiniteError, match=r"NaN or infinity in the input"):
        j([np.nan, 1.0])
    with pytest.raises(NonFiniteError, match=r"of layer 2 \(Log\)"):
        j([0.0, 1.0])
    assert jc.jacobian(f)([2.0, 1.0]).shape == (2, 2)
    with pytest.raises(NonFiniteError, match="the input"):
        jc.jvp(f, [np.inf, 1.0], [1.0, 1.0], check=True)
    with pytest.raises(NonFiniteError, match="the adjoint u"):
        jc.vjp(f, [1.0, 1.0], [np.nan, 1.0], check=True)


def test_a_gradient_needs_one_output():
    with pytest.raises(SizeError, match="a gradient needs one output, but Square gives 2"):
        jc.gradient(Square())([1.0, 2.0])


@pytest.mark.parametrize("f", [3, None, [Tanh()]])
def test_what_is_no_function_is_refused(f):
    with pytest.raises(OptionError, match="give a callable, a Sequential or a layer"):
        jc.jacobian(f)


def test_unknown_planners_are_refused_at_once():
    with pytest.raises(OptionError, match="did you mean 'reverse'"):
        jc.jacobian(Tanh(), planner="revers")


def test_seeds_of_wrong_shape_are_refused():
    f = jc.Sequential([Linear(weight(3, 2))])
    with pytest.raises(SizeError, match=r"the tangent v has shape \(3,\), but x has shape \(2,\)"):
        jc.jvp(f, np.ones(2), np.ones(3))
    with pytest.raises(SizeError, match=r"the adjoint u has shape \(2,\), but f\(x\) has shape \(3,\)"):
        jc.vjp(f, np.ones(2), np.ones(2))


def test_one_tangent_and_one_adjoint_never_form_the_jacobian():
    f = network(400, 300, 400)
    x = np.ones(400)
    jc.jvp(f, x, x)
    jc.vjp(f, x, x)
    for compiled in _COMPILED[f].values():
        assert compiled.plan.flops == 2 * 400 * 300 + 300 + 400
        program = compiled.run.program
        assert program.peak - program.extra < 8 * 4000  # less copies of parameters, as devices have them


def test_one_hot_losses_train():
    x = np.random.default_rng(0).normal(size=(6, 40))
    target = np.tanh(weight(2, 6, 9) @ x)
    f = jc.Sequential([RightMultiply(x), Tanh(), MeanSquaredError(target)])
    w, g = np.zeros((2, 6)), jc.gradient(f)
    start = f(w)
    for _ in range(200):
        w -= g(w)
    assert f(w) < 1e-3 * start


def test_a_layer_may_be_used_at_several_shapes():
    a, b = weight(4, 4), weight(6, 5)
    once, between = LeftMultiply(a), RightMultiply(b)
    f = jc.Sequential([once, between, once, once])
    x = weight(4, 6)
    for name in PLANNERS:
        found = jc.jacobian(f, planner=name)(x).reshape(20, 24)
        assert_allclose(found, np.kron(a @ a @ a, b.T), rtol=1e-10)
    total = Sum(axis=0)
    assert_array_equal(jc.jacobian(jc.Sequential([total, total]))(np.ones((2, 3))), np.ones((2, 3)))


def test_masked_and_ragged_inputs_are_refused():
    with pytest.raises(DtypeError, match="masked"):
        jc.jacobian(Square())(np.ma.array([1.0, 2.0], mask=[False, True]))
    with pytest.raises(SizeError, match="no array"):
        jc.jacobian(Square())([[1.0], [1.0, 2.0]])


@pytest.mark.host(reason="a layer of the user's holds an array of integers")
def test_parameters_that_are_not_floating_point_are_left_alone():
    @dataclass(frozen=True, eq=False)
    class Scale(jc.Elementwise):
        which: np.ndarray

        def function(self, x):
            return x * (self.which > 0)

        def derivative(self, x):
            return 1.0 * (self.which > 0)

    layer = Scale(np.array([1, 0]))
    assert_array_equal(jc.jacobian(layer)(np.ones(2)), np.diag([1.0, 0.0]))


def test_nan_in_a_parameter_is_named():
    w = np.eye(3)
    w[0, 1] = np.nan
    with pytest.raises(NonFiniteError, match=r"of layer 1 \(Linear\)"):
        jc.jacobian(Linear(w), check=True)(np.ones(3))


def test_planning_allocates_no_result():
    assert jc.jacobian(Tanh()).plan(np.ones(300_000)).flops == 0


def test_a_network_on_columns_is_planned_at_once():
    # (A⊗I)·diagonal is a pattern of millions of entries, which no plan may write out just to look at it
    layers = [LeftMultiply(weight(h, n)) for n, h in ((20, 500), (500, 500), (500, 10))]
    net = [layers[0], Tanh(), layers[1], Tanh(), layers[2], Softmax(axis=0), MeanSquaredError(np.zeros((10, 500)))]
    plan = jc.gradient(jc.Sequential(net)).plan(np.ones((20, 500)))
    assert plan.flops == plan.baselines["reverse"].flops


def test_what_is_kept_is_bounded_and_can_be_released():
    f = jc.Sequential([Tanh()])
    j = jc.jacobian(f)
    for n in range(1, 50):
        j(np.ones(n))
    assert len(_COMPILED[f]) <= 32
    j.release()
    assert not _COMPILED[f]
    assert_allclose(j(np.zeros(2)), np.eye(2))
    with pytest.raises(AttributeError):
        f.layers = ()


def test_a_function_of_unknown_shape_is_called_once_per_adjoint():
    calls = []

    def f(x):
        calls.append(1)
        return np.sin(x)

    net = jc.Sequential([jc.Function(f, vjp=lambda x, u: u * np.cos(x)), Square()])
    jc.vjp(net, np.ones(3), np.ones(3))
    calls.clear()
    jc.vjp(net, np.ones(3), np.ones(3))
    assert len(calls) == 1


def test_checking_looks_at_values_that_are_not_needed_too():
    for f, x in ((Log(), [-0.5, 1.5]), (jc.Sequential([Log(), Sum()]), [-1.0, 2.0])):
        with pytest.raises(NonFiniteError, match=r"the value of layer 1 \(Log\)"):
            jc.jacobian(f, check=True)(x)


def test_a_saturated_softmax_before_a_loss_is_never_silently_wrong():
    x = np.array([-200.0, 200.0], np.float32)
    wanted = [1.0, 0.0]
    assert_allclose(jc.gradient(CrossEntropy(wanted, logits=True))(x), [-1, 1])
    f = jc.Sequential([Softmax(), CrossEntropy(wanted)])
    with pytest.raises(NonFiniteError):
        jc.gradient(f, check=True)(x)
    with np.errstate(all="ignore"):
        assert not np.isfinite(jc.gradient(f)(x)).all()
    assert jc.gradient(CrossEntropy([0.5, 0.5]))(np.array([-0.5, 1.5])).tolist() == [1.0, -1 / 3]


def test_a_jacobian_says_what_it_is():
    assert (
        repr(jc.gradient(jc.Sequential([Square(), Sum()]))) == "gradient(Sequential([Square, Sum]), planner='optimal')"
    )
