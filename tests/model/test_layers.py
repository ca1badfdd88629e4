"""Every stock layer: its value, its local Jacobian, tangents and adjoints, dtypes, kinks and refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import Cube, central_differences, compositions, samples
from numpy.testing import assert_allclose
from scipy.special import log_softmax, softmax

import jacchain as jc
from jacchain import layers as jl
from jacchain.algebra.structure import BlockDiagonal, Dense, Diagonal, Identity, Kronecker, Sparse
from jacchain.errors import DtypeError, OptionError, SizeError

NAMES = pytest.mark.parametrize("name", jl.__all__)


@NAMES
@given(data=st.data())
def test_local_jacobian_equals_central_differences(name, data):
    layer, x = data.draw(samples(name))
    found = layer.jacobian(x)
    assert found.structure == layer.facts(x.shape).link.local
    assert_allclose(found.todense(), central_differences(layer.value, x), rtol=1e-6, atol=1e-8)


@NAMES
@given(data=st.data())
def test_adjoint_identity_holds(name, data):
    layer, x = data.draw(samples(name))
    rng = np.random.default_rng(0)
    v, u = rng.normal(size=x.shape), rng.normal(size=np.shape(layer.value(x)))
    # ⟨J v, u⟩ = ⟨v, Jᵀ u⟩
    assert_allclose(np.vdot(layer.tangent(x, v), u), np.vdot(v, layer.adjoint(x, u)), rtol=1e-9, atol=1e-12)


@NAMES
@given(data=st.data())
def test_float32_stays_float32_even_with_parameters_in_float64(name, data):
    layer, x = data.draw(samples(name))
    small = x.astype(np.float32)
    assert layer.value(small).dtype == np.float32
    assert all(a.dtype == np.float32 for a in layer.jacobian(small).arrays)
    assert_allclose(layer.jacobian(small).todense(), layer.jacobian(x).todense(), rtol=1e-3, atol=1e-4)


@NAMES
@given(data=st.data())
def test_a_layer_alone_differentiates_like_its_local_jacobian(name, data):
    layer, x = data.draw(samples(name))
    y = layer.value(x)
    assert_allclose(jc.jacobian(layer)(x), layer.jacobian(x).todense().reshape(y.shape + x.shape))


S = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
W = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
T = np.array([[0.0, 1.0, 0.0], [0.25, 0.0, 0.75]])


@pytest.mark.parametrize(
    ("layer", "x", "value"),
    [
        (jl.Linear(W), S[:, 0], W @ S[:, 0]),
        (jl.LeftMultiply(W), S, W @ S),
        (jl.RightMultiply(W), S, S @ W),
        (jl.Bias([[1.0], [2.0]]), S, np.add(S, [[1.0], [2.0]])),
        (jl.Bias([1.0, 2.0, 3.0]), S, np.add(S, [1.0, 2.0, 3.0])),
        (jl.Tanh(), S, np.tanh(S)),
        (jl.Sigmoid(), S, 1 / (1 + np.exp(-S))),
        (jl.Softplus(), S, np.log1p(np.exp(S))),
        (jl.Exp(), S, np.exp(S)),
        (jl.Log(), np.abs(S), np.log(np.abs(S))),
        (jl.Square(), S, S**2),
        (jl.Relu(), S, np.maximum(S, 0)),
        (jl.Abs(), S, np.abs(S)),
        (jl.Softmax(), S, softmax(S, axis=-1)),
        (jl.Softmax(axis=0), S, softmax(S, axis=0)),
        (jl.MeanSquaredError(T), S, np.mean((S - T) ** 2)),
        (jl.CrossEntropy(T), softmax(S, axis=-1), -np.sum(T * log_softmax(S, axis=-1)) / 2),
        (jl.CrossEntropy(T, logits=True), S, -np.sum(T * log_softmax(S, axis=-1)) / 2),
        (jl.CrossEntropy(T, axis=0, logits=True), S, -np.sum(T * log_softmax(S, axis=0)) / 3),
        (jl.Sum(), S, S.sum()),
        (jl.Sum(axis=1), S, S.sum(1)),
        (jl.Reshape((3, -1)), S, S.reshape(3, 2)),
        (jl.Reshape(6), S, S.reshape(6)),
        (Cube(), S, S**3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_are_those_of_plain_numpy(layer, x, value):
    assert_allclose(layer.value(x), value, rtol=1e-13)
    assert np.shape(layer.value(x)) == np.shape(value)


@pytest.mark.parametrize(
    ("layer", "shape", "structure"),
    [
        (jl.Linear(W), (2,), Dense(3, 2)),
        (jl.LeftMultiply(W), (2, 5), Kronecker(Dense(3, 2), Identity(5))),
        (jl.RightMultiply(W), (4, 3), Kronecker(Identity(4), Dense(2, 3))),
        (jl.RightMultiply(W), (1, 3), Dense(2, 3)),
        (jl.Bias([1.0]), (4, 3), Identity(12)),
        (jl.Tanh(), (4, 3), Diagonal(12)),
        (jl.Softmax(), (4, 3), BlockDiagonal(4, 3, 3)),
        (jl.Softmax(), (3,), Dense(3, 3)),
        (jl.Sum(axis=0), (4, 3), Kronecker(Dense(1, 4), Identity(3))),
        (jl.Sum(axis=1), (4, 3), Kronecker(Identity(4), Dense(1, 3))),
        (jl.Sum(), (4, 3), Dense(1, 12)),
        (jl.Reshape((12,)), (4, 3), Identity(12)),
    ],
)
def test_structures_are_as_narrow_as_they_can_be(layer, shape, structure):
    assert layer.facts(shape).link.local == structure


def test_interleaved_blocks_are_a_sparse_pattern():
    for layer in (jl.Softmax(axis=0), jl.Sum(axis=1)):
        assert isinstance(layer.facts((2, 3, 4)).link.local, Sparse)


@pytest.mark.parametrize(("layer", "at_zero"), [(jl.Relu(), 0.0), (jl.Relu(at_zero=0.25), 0.25), (jl.Abs(), 0.0)])
def test_the_derivative_at_a_kink_is_the_chosen_one(layer, at_zero):
    for zero in (0.0, -0.0):
        assert layer.jacobian([zero]).arrays[0][0] == at_zero


def test_abs_goes_by_either_branch():
    for branch in (-1.0, 1.0):
        assert jc.gradient(jc.Sequential([jl.Abs(at_zero=branch), jl.Sum()]))(np.zeros(2)).tolist() == [branch] * 2


@pytest.mark.parametrize(
    "make", [lambda: jl.Relu(at_zero=1.5), lambda: jl.Abs(at_zero=-2), lambda: jl.Abs(at_zero=np.nan)]
)
def test_what_is_no_subgradient_is_refused(make):
    with pytest.raises(OptionError, match="is no subgradient"):
        make()


def test_saturated_values_stay_finite():
    x = np.array([-1e4, -50.0, 50.0, 1e4])
    for layer in (jl.Sigmoid(), jl.Softplus(), jl.Tanh(), jl.Softmax()):
        assert np.isfinite(layer.value(x)).all()
        assert np.isfinite(layer.jacobian(x).todense()).all()
    assert jl.Sigmoid().value([-50.0])[0] == pytest.approx(np.exp(-50), rel=1e-12)


def test_a_probability_of_zero_that_is_not_wanted_does_no_harm():
    loss = jl.CrossEntropy([0.0, 1.0])
    assert loss.value([0.0, 1.0]) == 0
    assert loss.jacobian([0.0, 1.0]).todense().tolist() == [[0.0, -1.0]]


def test_parameters_are_not_copied():
    weight = np.ones((3, 2))
    assert np.shares_memory(jl.Linear(weight).jacobian(np.ones(2)).arrays[0], weight)
    assert np.shares_memory(jl.LeftMultiply(weight).jacobian(np.ones((2, 4))).arrays[0], weight)
    assert np.shares_memory(jl.RightMultiply(weight).jacobian(np.ones((4, 3))).arrays[0], weight)


@pytest.mark.parametrize("dtype", [int, bool, complex, object, np.float16, np.longdouble])
def test_arrays_without_a_derivative_are_refused_with_a_cure(dtype):
    with pytest.raises(DtypeError, match=r"which has no derivative\n(convert|give)"):
        jl.Tanh().value(np.ones(2, dtype))
    with pytest.raises(DtypeError, match="the weight of Linear is"):
        jl.Linear(np.ones((2, 2), dtype))


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (jl.Linear(W), (3,), "Linear takes 2 inputs, but is given 3 inputs"),
        (jl.LeftMultiply(W), (3, 3), "takes a matrix of 2 rows"),
        (jl.RightMultiply(W), (3,), "takes a matrix of 3 columns"),
        (jl.Bias([1.0, 2.0]), (3,), r"takes a shape that \(2,\) broadcasts to"),
        (jl.Bias([[1.0], [2.0]]), (3,), "broadcasts to"),
        (jl.MeanSquaredError(T), (6,), r"takes shape \(2, 3\)"),
        (jl.Reshape((5,)), (6,), "takes 5 numbers"),
        (jl.Reshape((4, -1)), (6,), "takes a multiple of 4 numbers"),
        (jl.Softmax(axis=1), (6,), "takes at least 2 axes"),
        (jl.Sum(axis=-3), (6, 2), "takes at least 3 axes"),
        (jl.Function(np.sin, jvp=np.multiply), (6,), "unknown number of outputs"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer, shape, message):
    with pytest.raises(SizeError, match=message):
        layer.value(np.ones(shape))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: jl.Linear(np.ones(3)), "has 1 axes, not 2"),
        (lambda: jl.Linear(np.ones((0, 3))), "is empty"),
        (lambda: jl.Reshape((0, 2)), "is not a shape"),
        (lambda: jl.Reshape((-1, -1)), "is not a shape"),
        (lambda: jl.CrossEntropy(T, axis=2), "axis 2 is not one of the target's shape"),
        (lambda: jc.Function(np.sin), "sin has no derivative"),
        (lambda: jc.Function(np.sin, jvp=np.multiply, structure="diagonal"), "structure without jacobian="),
        (lambda: jc.Function(np.sin, jvp=np.multiply, adjoint_cost=3), "adjoint_cost without vjp="),
        (lambda: jc.Function(np.sin, jvp=np.multiply, outputs=0), "outputs of sin is 0"),
    ],
)
def test_layers_that_make_no_sense_are_refused(make, message):
    with pytest.raises((SizeError, OptionError), match=message):
        make()


@pytest.mark.host(reason="functions of the user's make arrays of the host")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jacobian": lambda x: np.ones((3, 3))}, r"the jacobian of f gives shape \(3, 3\), not \(2, 3\)"),
        ({"jacobian": lambda x: np.ones((3, 2))}, r"the jacobian of f gives shape \(3, 2\), not \(2, 3\)"),
        ({"jacobian": lambda x: (np.ones((2, 3)), 1)}, "gives 2 arrays, not 1"),
        ({"jvp": lambda x, v: v}, r"the jvp of f gives shape \(3,\), not \(2,\)"),
        ({"vjp": lambda x, u: u}, r"the vjp of f gives shape \(2,\), not \(3,\)"),
        ({"jacobian": lambda x: np.ones((2, 3), complex)}, "the jacobian of f gives complex128"),
        ({"jacobian": lambda x: jl.Linear(np.ones((3, 3))).jacobian(x)}, "is dense 3x3, not dense 2x3"),
    ],
)
def test_functions_with_wrong_derivatives_are_refused_by_name(options, message):
    layer = jc.Function(lambda x: x[:2], outputs=2, name="f", **options)
    with pytest.raises((SizeError, DtypeError), match=message):
        jc.jacobian(layer)(np.ones(3))


def test_a_function_s_value_must_have_the_stated_shape():
    layer = jc.Function(lambda x: x, outputs=2, jvp=lambda x, v: v)
    with pytest.raises(SizeError, match=r"gives shape \(3,\), not \(2,\)"):
        layer.value(np.ones(3))


def test_a_diagonal_may_have_the_point_s_shape():
    layer = jc.Function(np.cos, jacobian=lambda x: -np.sin(x), structure="diagonal", outputs=(2, 2))
    x = np.arange(4.0).reshape(2, 2)
    assert_allclose(jc.jacobian(layer)(x).reshape(4, 4), np.diag(-np.sin(x).reshape(-1)))


@given(compositions())
def test_random_compositions_agree_with_central_differences(sample):
    f, x = sample
    found = jc.jacobian(f)(x)
    assert found.shape == np.shape(f(x)) + x.shape
    wanted = central_differences(f, x)
    assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-6 * max(1.0, np.abs(wanted).max()))
