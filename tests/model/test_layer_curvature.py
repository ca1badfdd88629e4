"""Curvature of every stock layer: u·∂²f as a structured matrix, and its product with a vector."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Cube, central_differences, compositions, samples, sine
from numpy.testing import assert_allclose

import jacchain as jc
from jacchain import layers as jl
from jacchain.algebra.kernels import run
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import BlockDiagonal, Dense, Diagonal, Sparse, array_shapes
from jacchain.errors import DtypeError, OptionError, SizeError
from jacchain.execution.operation import CurvedOperation
from jacchain.execution.source import Bent, Facts
from jacchain.model.layer import Layer
from jacchain.model.layer_operation import LayerOperation
from jacchain.planning.link import Link

NAMES = pytest.mark.parametrize("name", jl.__all__)
ROUNDING = {"rtol": 1e-9, "atol": 1e-12}


def adjoint_for(layer, x, seed=0):
    return np.random.default_rng(seed).normal(size=np.shape(layer.value(x)))


def dense_curvature(layer, x, u) -> np.ndarray:
    found = layer.curvature(x, u)
    return np.zeros((x.size, x.size), x.dtype) if found is None else found.todense()


@NAMES
@given(data=st.data())
def test_curvature_equals_central_differences_of_the_adjoint(name, data):
    layer, x = data.draw(samples(name))
    u = adjoint_for(layer, x)
    wanted = central_differences(lambda point: layer.adjoint(point, u), x)
    assert_allclose(dense_curvature(layer, x, u), wanted, rtol=1e-6, atol=1e-6 * max(1.0, np.abs(wanted).max()))


@NAMES
@given(data=st.data())
def test_the_produced_structure_is_the_stated_one_and_symmetric(name, data):
    layer, x = data.draw(samples(name))
    u = adjoint_for(layer, x)
    found, stated = layer.curvature(x, u), layer.facts(x.shape).curvature
    assert stated is not None
    if found is None:
        assert stated == ()
    else:
        assert [one.structure for one in stated] == [found.structure]
        whole = found.todense()
        assert_allclose(whole, whole.T, rtol=1e-14, atol=1e-300)
        assert name == "Softmax" or np.array_equal(whole, whole.T)


@NAMES
@given(data=st.data())
def test_a_bend_is_the_curvature_times_the_vector(name, data):
    layer, x = data.draw(samples(name))
    u, v = adjoint_for(layer, x), np.random.default_rng(1).normal(size=x.shape)
    bent = layer.bend(x, u, v)
    assert bent.shape == x.shape
    assert_allclose(bent.reshape(-1), dense_curvature(layer, x, u) @ v.reshape(-1), **ROUNDING)
    assert all(isinstance(layer, Bent) for one in layer.facts(x.shape).curvature if one.applies)


@NAMES
@settings(max_examples=20)
@given(data=st.data())
def test_curvature_of_float32_is_float32_even_with_parameters_in_float64(name, data):
    layer, x = data.draw(samples(name))
    u, small = adjoint_for(layer, x), x.astype(np.float32)
    found = layer.curvature(small, u)
    assert found is None or all(array.dtype == np.float32 for array in found.arrays)
    assert layer.bend(small, u, x).dtype == np.float32
    wanted = dense_curvature(layer, x, u)
    assert_allclose(dense_curvature(layer, small, u), wanted, rtol=1e-3, atol=1e-4 * max(1.0, np.abs(wanted).max()))


@NAMES
@settings(max_examples=20)
@given(data=st.data())
def test_a_layer_in_an_expression_has_the_layer_s_curvature_whatever_the_strides(name, data):
    layer, x = data.draw(samples(name))
    u = adjoint_for(layer, x)
    operation = LayerOperation(layer, x.shape)
    facts = operation.facts((x.shape,)).curvatures
    assert len(facts) == (layer.curvature(x, u) is not None)
    for one in facts:
        assert isinstance(operation, CurvedOperation)
        assert (one.first, one.second) == (0, 0)
        strided = np.empty((2, *x.shape[::-1])).T[..., 0]
        strided[...] = x
        xs, y = (strided if 0 in one.reads else None,), layer.value(x) if -1 in one.reads else None
        out = Operand(one.structure, tuple(np.empty(shape) for shape in array_shapes(one.structure)))
        run(operation.curvature_calls(NUMPY, (0, 0), xs, y, u.reshape(-1), out, np.empty(one.scratch)))
        assert_allclose(Matrix(*out).todense(), layer.curvature(x, u).todense())
        if one.applies:
            v, bent = np.ones(x.size), np.empty(x.size)
            run(operation.bend_calls(NUMPY, (0, 0), xs, y, u.reshape(-1), v, bent))
            assert_allclose(bent, layer.bend(x, u, v.reshape(x.shape)).reshape(-1))


@settings(max_examples=25)
@given(compositions(longest=4))
def test_hessians_of_random_compositions_equal_central_differences_of_gradients(sample):
    f, x = sample
    loss = jc.Sequential([f, jl.MeanSquaredError(np.ones(np.shape(f(x))))])
    wanted = central_differences(lambda point: jc.gradient(loss)(point).reshape(-1), x)
    scale = max(1.0, np.abs(wanted).max())
    found = jc.hessian(loss)(x).reshape(wanted.shape)
    assert_allclose(found, wanted, rtol=1e-5, atol=1e-6 * scale)
    assert np.array_equal(found, found.T)
    v = np.random.default_rng(0).normal(size=x.shape)
    assert_allclose(jc.hvp(loss, x, v).reshape(-1), found @ v.reshape(-1), rtol=1e-9, atol=1e-11 * scale)


def test_the_node_that_states_no_curvature_is_named_where_a_hessian_is_asked():
    net = jc.Sequential([Cosine(), jl.MeanSquaredError(np.ones(3))])
    assert jc.gradient(net)(np.ones(3)).shape == (3,)
    with pytest.raises(OptionError, match="Cosine"):
        jc.hessian(net)(np.ones(3))


S = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
T = np.array([[0.0, 1.0, 0.0], [0.25, 0.0, 0.75]])


@pytest.mark.parametrize(
    ("layer", "structures"),
    [
        (jl.LeftMultiply(np.ones((3, 2))), ()),
        (jl.Bias(np.ones(3)), ()),
        (jl.Sum(axis=0), ()),
        (jl.Reshape(6), ()),
        (jl.Relu(), ()),
        (jl.Abs(), ()),
        (jl.Tanh(), (Diagonal(6),)),
        (Cube(), (Diagonal(6),)),
        (jl.Softmax(), (BlockDiagonal(2, 3, 3),)),
        (jl.MeanSquaredError(T), (Diagonal(6),)),
        (jl.CrossEntropy(T), (Diagonal(6),)),
        (jl.CrossEntropy(T, logits=True), (BlockDiagonal(2, 3, 3),)),
        (jc.Function(lambda x: x[0], jacobian=lambda x: x, outputs=3, hvp=lambda x, u, v: v), (Dense(6, 6),)),
        (jc.Function(lambda x: x[0], jacobian=lambda x: x, outputs=3, is_linear=True), ()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_curvatures_are_as_narrow_as_they_can_be(layer, structures):
    assert tuple(one.structure for one in layer.facts((2, 3)).curvature) == structures


def test_distributions_along_another_axis_curve_in_interleaved_blocks():
    for layer in (jl.Softmax(axis=0), jl.CrossEntropy(T, axis=0, logits=True)):
        assert isinstance(layer.facts((2, 3)).curvature[0].structure, Sparse)


def test_at_a_kink_the_curvature_is_that_of_the_pieces():
    for layer in (jl.Relu(at_zero=0.5), jl.Abs(at_zero=-1.0)):
        assert layer.curvature(np.zeros(3), np.ones(3)) is None
        assert layer.bend(np.zeros(3), np.ones(3), np.ones(3)).tolist() == [0, 0, 0]


def test_saturated_curvatures_stay_finite_and_keep_their_digits():
    x, ones = np.array([-1e4, -50.0, 50.0, 1e4]), np.ones(4)
    for layer in (jl.Sigmoid(), jl.Softplus(), jl.Tanh(), jl.Softmax()):
        assert np.isfinite(layer.curvature(x, ones).todense()).all()
    # the second derivative of log(1 + eˣ) is even
    assert jl.Softplus().curvature(x, ones).arrays[0][[1, 2]] == pytest.approx([np.exp(-50)] * 2, rel=1e-12)


def test_a_probability_of_zero_that_is_not_wanted_does_not_curve():
    assert jl.CrossEntropy([0.0, 1.0]).curvature([0.0, 1.0], 1.0).arrays[0].tolist() == [0.0, 1.0]


class Cosine(jc.Elementwise):
    def function(self, x): return np.cos(x)  # fmt: skip

    def derivative(self, x): return -np.sin(x)  # fmt: skip


class Doubled(Layer):
    def facts(self, shape):
        return Facts(inputs=shape, outputs=shape, link=Link(3, 3, structure="diagonal"))

    def value_calls(self, kernels, x, y, scratch): return ((kernels.xp.add, (x, x, y)),)  # fmt: skip


@pytest.mark.parametrize(
    "layer", [Cosine(), Doubled(), jc.Function(np.cumsum, jvp=lambda x, v: np.cumsum(v), outputs=3)]
)
def test_a_layer_without_a_curvature_is_legal_until_it_is_asked_for(layer):
    assert layer.value(np.ones(3)).shape == (3,)
    assert LayerOperation(layer, (3,)).facts(((3,),)).curvatures is None
    for ask in (layer.curvature, lambda x, u: layer.bend(x, u, u)):
        with pytest.raises(OptionError, match=r"states no curvature\nwrite second_derivative"):
            ask(np.ones(3), np.ones(3))


def test_adjoints_and_tangents_of_another_shape_are_refused():
    with pytest.raises(SizeError, match=r"u has shape \(2,\), but the value of Tanh has \(3,\)"):
        jl.Tanh().curvature(np.ones(3), np.ones(2))
    with pytest.raises(SizeError, match=r"v has shape \(\), but the input of Tanh has \(3,\)"):
        jl.Tanh().bend(np.ones(3), np.ones(3), 1.0)


@pytest.mark.parametrize("vectorized", [False, True])
def test_a_function_s_hessian_and_hvp_give_the_same_matrix(vectorized):
    rng = np.random.default_rng(0)
    parts, x, u = sine(2, 4, rng), rng.normal(size=4), rng.normal(size=2)
    hvp = parts["hvp"]
    if vectorized:
        hvp = lambda x, u, v: np.stack([parts["hvp"](x, u, column) for column in v.T], axis=1)  # noqa: E731
    first = {"function": parts["function"], "jacobian": parts["jacobian"], "outputs": 2, "vectorized": vectorized}
    function = first.pop("function")
    by_matrix = jc.Function(function, **first, hessian=parts["hessian"])
    by_products = jc.Function(function, **first, hvp=hvp)
    wanted = parts["hessian"](x, u)
    for layer in (by_matrix, by_products):
        found = layer.curvature(x, u).todense()
        assert_allclose(found, wanted, rtol=1e-12)
        assert np.array_equal(found, found.T)
        assert_allclose(layer.bend(x, u, x), wanted @ x, rtol=1e-12)


def test_a_matrix_from_products_takes_one_product_for_each_column_and_a_bend_takes_one():
    calls = []

    def hvp(x, u, v):
        calls.append(v.copy())
        return u * v

    layer = jc.Function(lambda x: (x**2).sum() / 2, jacobian=lambda x: x, hvp=hvp, outputs=())
    assert_allclose(layer.curvature(np.ones(5), 2.0).todense(), 2 * np.eye(5))
    assert len(calls) == 5
    layer.bend(np.ones(5), 2.0, np.ones(5))
    assert len(calls) == 6


@pytest.mark.parametrize(
    ("structure", "made"),
    [
        ("diagonal", lambda x, u: 2 * u * np.ones(x.shape)),
        (Diagonal(4), lambda x, u: 2 * u * np.ones(4)),
        (BlockDiagonal(2, 2, 2), lambda x, u: 2 * u * np.stack([np.eye(2)] * 2)),
        (None, lambda x, u: 2 * u * np.eye(4).reshape(2, 2, 2, 2)),
        (Diagonal(4), lambda x, u: Matrix(Diagonal(4), (2 * u * np.ones(4),))),
    ],
)
def test_a_hessian_may_be_structured(structure, made):
    layer = jc.Function(
        lambda x: (x**2).sum(), jacobian=lambda x: 2 * x, outputs=(), hessian=made, curvature_structure=structure
    )
    found = layer.curvature(np.ones((2, 2)), 3.0)
    assert_allclose(found.todense(), 6 * np.eye(4))
    assert found.structure == (Diagonal(4) if structure == "diagonal" else structure or Dense(4, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"curvature_structure": "diagonal"}, "curvature_structure without hessian="),
        ({"curvature_pattern": np.eye(3)}, "curvature_pattern without hvp="),
        ({"hvp": np.add, "hessian": np.add, "curvature_pattern": np.eye(3)}, "both curvature_pattern= and hessian="),
        ({"hvp": np.add, "curvature_pattern": np.triu(np.ones((3, 3)))}, "is not symmetric"),
        ({"hvp": np.add, "curvature_pattern": np.ones((2, 3))}, "is not symmetric"),
        ({"hvp": np.add, "curvature_pattern": "diagonal"}, "the curvature_pattern of f is 'diagonal'"),
        ({"hvp": np.add, "is_linear": True}, "both is_linear= and hvp="),
        ({"pattern": np.eye(3)}, "both pattern= and jacobian="),
    ],
)
def test_curvatures_that_make_no_sense_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        jc.Function(lambda x: x, jacobian=lambda x: np.eye(3), name="f", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hessian": lambda x, u: np.ones((2, 3))}, r"the hessian of f gives shape \(2, 3\), not \(3, 3\)"),
        ({"hvp": lambda x, u, v: u}, r"the hvp of f gives shape \(2,\), not \(3,\)"),
        (
            {"hessian": lambda x, u: Matrix(Diagonal(3), (x,)), "curvature_structure": Dense(3, 3)},
            "the hessian of f is diagonal 3, not dense 3x3",
        ),
        (
            {"hessian": lambda x, u: x, "curvature_structure": Diagonal(2)},
            "has a curvature_structure of 2x2 for 3 inputs",
        ),
    ],
)
def test_wrong_curvatures_are_refused_by_name(options, message):
    layer = jc.Function(lambda x: x[:2], jacobian=lambda x: np.eye(2, 3), outputs=2, name="f", **options)
    with pytest.raises(SizeError, match=message):
        layer.curvature(np.ones(3), np.ones(2))


@pytest.mark.parametrize("layer", [jc.layers.Tanh(), jc.layers.Softmax()])
@pytest.mark.parametrize(
    ("values", "dtype"), [(np.ones(3) * 1j, "complex128"), (["a", "b", "c"], "<U1"), (None, "object")]
)
def test_adjoints_and_tangents_that_are_not_real_are_refused(layer, values, dtype):
    x = np.ones(3)
    for name, ask in (
        ("u", lambda: layer.curvature(x, values)),
        ("u", lambda: layer.bend(x, values, x)),
        ("v", lambda: layer.bend(x, x, values)),
    ):
        with pytest.raises(DtypeError, match=f"^{name} is {dtype}, not real numbers"):
            ask()
    np.testing.assert_array_equal(layer.bend(x, [1, 0, 0], [0, 1, 0]), layer.bend(x, np.eye(3)[0], np.eye(3)[1]))
