"""A Jacobian as factors: products with it are those with the dense Jacobian, for as many multiplications as planned."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import compositions, sine, structured_compositions
from scipy.sparse.linalg import lsqr

import jacchain as jc
from jacchain.errors import InfeasibleError, OptionError, SizeError
from jacchain.layers import Linear, Tanh
from jacchain.products.factored import factored

counts = st.sampled_from([(1, 0), (0, 1), (3, 2), (1000, 0), (0, 1000), (50, 50)])


@settings(max_examples=60, deadline=None)
@given(structured_compositions(), counts)
def test_products_with_the_factors_are_those_with_the_dense_jacobian(sample, count):
    made = factored(jc.Sequential(sample.layers), products=count[0], adjoint_products=count[1])
    jacobian = made(sample.point)
    dense = sample.product
    assert jacobian.shape == dense.shape
    program = made.program(sample.point)
    assert made.count(sample.point).multiplications == program.flops
    # a link applied to A⊗B writes that out first, which a program counts and a plan does not
    assert program.flops - sum(step.flops for step in program.instructions if step.op == "expand") == jacobian.flops
    rng = np.random.default_rng(0)
    v, u = rng.normal(size=(dense.shape[1], 2)), rng.normal(size=(dense.shape[0], 2))
    np.testing.assert_allclose(jacobian.todense(), dense, rtol=1e-9)
    if count[0]:
        np.testing.assert_allclose(jacobian.matmat(v), dense @ v, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(jacobian.matvec(v[:, 0]), dense @ v[:, 0], rtol=1e-7, atol=1e-9)
    if count[1]:
        np.testing.assert_allclose(jacobian.rmatmat(u), dense.T @ u, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(jacobian.rmatvec(u[:, 0]), dense.T @ u[:, 0], rtol=1e-7, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(compositions(), counts.filter(all))
def test_the_linear_operator_agrees_with_the_jacobian_of_layers_of_every_kind(sample, count):
    jacobian = factored(sample.layer, products=count[0], adjoint_products=count[1])(sample.point)
    operator = jacobian.linear_operator()
    dense = jc.jacobian(sample.layer)(sample.point).reshape(-1, sample.point.size)
    assert operator.shape == dense.shape
    for found, expected in [(operator @ np.eye(dense.shape[1]), dense), (operator.T @ np.eye(dense.shape[0]), dense.T)]:
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    ones = np.ones(dense.shape[0])
    np.testing.assert_allclose(operator.rmatvec(ones), dense.T @ ones, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(operator.matvec(np.ones(dense.shape[1])), dense.sum(1), rtol=1e-9, atol=1e-11)


def test_a_solver_takes_the_operator():
    rng = np.random.default_rng(0)
    f = jc.Sequential([Linear(rng.normal(size=(6, 4))), Tanh(), Linear(rng.normal(size=(8, 6)))])
    x, b = rng.normal(size=4), rng.normal(size=8)
    operator = factored(f, products=20, adjoint_products=20)(x).linear_operator()
    expected = np.linalg.lstsq(jc.jacobian(f)(x), b, rcond=None)[0]
    np.testing.assert_allclose(lsqr(operator, b, atol=1e-14, btol=1e-14)[0], expected, rtol=1e-8)


def test_factors_stay_as_they_are_when_others_are_made_or_parameters_change():
    rng = np.random.default_rng(3)
    weight = rng.normal(size=(60, 60))
    made = factored(jc.Sequential([Tanh(), Linear(weight), Tanh()]), products=1)
    x = rng.normal(size=60)
    jacobian = made(x)
    expected = jacobian.todense()
    made(x + 1)
    made(x + 2)
    weight *= 2
    np.testing.assert_array_equal(jacobian.todense(), expected)
    assert not np.allclose(made(x).todense(), expected)


def test_a_layer_of_the_users_own_is_kept_as_it_is():
    parts = sine(3, 4, np.random.default_rng(0))
    layer = jc.Function(parts["function"], jvp=parts["jvp"], vjp=parts["vjp"], outputs=3)
    x = np.linspace(0, 1, 4)
    jacobian = factored(jc.Sequential([layer, Tanh()]), products=1)(x)
    assert str(jacobian) == "J2 · F1, 3 x 4"
    assert jacobian.flops == 0
    np.testing.assert_allclose(jacobian.matvec(np.ones(4)), jc.jvp(jc.Sequential([layer, Tanh()]), x, np.ones(4)))
    forward = jc.Function(parts["function"], jvp=parts["jvp"], outputs=3)
    with pytest.raises(InfeasibleError, match="has no vjp"):
        factored(forward, products=1)(x).rmatvec(np.ones(3))
    np.testing.assert_allclose(
        factored(forward, products=1, adjoint_products=1)(x).rmatvec(np.ones(3)), parts["jacobian"](x).sum(0)
    )
    reverse = jc.Function(parts["function"], vjp=parts["vjp"], outputs=3)
    with pytest.raises(InfeasibleError, match="has no jvp"):
        factored(reverse, products=0, adjoint_products=1)(x).matvec(np.ones(4))


def test_single_precision_stays_single():
    jacobian = factored(jc.Sequential([Linear(np.ones((2, 3))), Tanh()]), products=1)(np.ones(3, np.float32))
    assert jacobian.matvec([1.0, 2.0, 3.0]).dtype == jacobian.rmatvec(np.ones(2)).dtype == np.float32
    assert jacobian.linear_operator().dtype == np.float32


def test_a_factorization_survives_copying_and_pickling():
    made = factored(Tanh(), products=2)
    for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        np.testing.assert_array_equal(again(np.ones(2)).todense(), made(np.ones(2)).todense())
    made.release()
    assert repr(made) == "factored(Sequential([Tanh]), products=2, adjoint_products=0)"


def test_a_jacobian_can_be_asked_for_as_factors():
    x = np.linspace(0, 1, 3)
    f = jc.Sequential([Linear(np.ones((2, 3))), Tanh()])
    made = jc.jacobian(f, factored=True, products=5)(x)
    np.testing.assert_allclose(made.matvec(np.ones(3)), jc.jacobian(f)(x) @ np.ones(3))
    for options in ({"planner": "forward"}, {"memory": 10**6}, {"workers": 2}, {"chunk_size": 1}):
        with pytest.raises(OptionError, match="factored=True and options"):
            jc.jacobian(f, factored=True, **options)
    with pytest.raises(OptionError, match="products are for a Jacobian as factors"):
        jc.jacobian(f, products=2)


def test_bad_calls_are_refused():
    with pytest.raises(OptionError, match="products is 0 and adjoint_products is 0"):
        factored(Tanh(), products=0)
    with pytest.raises(OptionError, match="products is -1"):
        factored(Tanh(), products=-1)
    jacobian = factored(Linear(np.ones((2, 3))), products=1)(np.ones(3))
    with pytest.raises(SizeError, match=r"the vector has shape \(2,\), not \(3,\)"):
        jacobian.matvec(np.ones(2))
    with pytest.raises(SizeError, match="give 2 numbers, or 2 rows"):
        jacobian.rmatmat(np.ones(2))
    with pytest.raises(OptionError, match="complex128"):
        jacobian.matvec(np.ones(3) * 1j)


@pytest.mark.parametrize("shape", [(1, 2), (3,), (2, 2)])
def test_a_vector_of_another_shape_is_refused_by_its_own_shape(shape):
    found = jc.factored(jc.layers.Linear(np.ones((3, 2))))(np.ones(2))
    with pytest.raises(SizeError, match="the vector has shape"):
        found.matvec(np.ones(shape))
