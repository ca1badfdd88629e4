"""Compositions: nesting, sizes, and what they refuse."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jacchain as jc
from jacchain.errors import DtypeError, OptionError, SizeError
from jacchain.layers import Bias, LeftMultiply, Linear, MeanSquaredError, Reshape, RightMultiply, Softmax, Tanh


def weight(m, n, seed=0):
    return np.random.default_rng(seed).normal(size=(m, n))


def test_nested_compositions_are_taken_apart():
    inner = jc.Sequential([Linear(weight(3, 2)), Tanh()])
    outer = jc.Sequential([inner, Linear(weight(1, 3)), jc.Sequential([Tanh()])])
    assert len(outer.layers) == 4
    x = np.array([0.5, -0.25])
    assert_allclose(outer(x), np.tanh(weight(1, 3) @ np.tanh(weight(3, 2) @ x)))
    assert repr(outer) == "Sequential([Linear, Tanh, Linear, Tanh])"


def test_both_layouts_of_a_network_have_transposed_values_and_the_same_gradient():
    x, w, b, t = weight(5, 7), weight(4, 5, 1), weight(4, 1, 2), weight(4, 7, 3)
    columns = jc.Sequential([LeftMultiply(w), Bias(b), Tanh(), MeanSquaredError(t)])
    rows = jc.Sequential([RightMultiply(w.T), Bias(b.T), Tanh(), MeanSquaredError(t.T)])
    assert_allclose(columns(x), rows(x.T))
    assert_allclose(jc.gradient(columns)(x), jc.gradient(rows)(x.T).T)
    assert jc.gradient(columns).plan(x).flops == jc.gradient(rows).plan(x.T).flops


def test_column_stacking_is_the_textbook_s_identity():
    # vec(A X B) = (Bᵀ⊗A) vec(X) with columns stacked; (A⊗Bᵀ) vec(X) with rows stacked, as here
    a, b = weight(2, 3), weight(4, 5, 1)
    f = jc.Sequential([LeftMultiply(a), RightMultiply(b)])
    tensor = jc.jacobian(f)(weight(3, 4, 2))
    assert_allclose(tensor.reshape(10, 12), np.kron(a, b.T))
    by_columns = tensor.transpose(1, 0, 3, 2).reshape(10, 12)
    assert_allclose(by_columns, np.kron(b.T, a))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [Linear(weight(8, 2)), Tanh(), Linear(weight(1, 9))],
            r"layer 2 \(Tanh\) gives 8 outputs but layer 3 \(Linear\) takes 9 inputs",
        ),
        ([Tanh(), Tanh(), Linear(weight(8, 2)), Linear(weight(1, 9))], "layer 3 .* gives 8 outputs but layer 4"),
        ([Linear(weight(8, 2)), MeanSquaredError(np.ones(7))], "gives 8 outputs but layer 2 .* takes 7 inputs"),
        ([Linear(weight(6, 2)), Reshape((2, 3)), LeftMultiply(weight(2, 3))], r"gives shape \(2, 3\) but layer 3"),
        ([MeanSquaredError(np.ones(7)), Softmax()], r"gives shape \(\) but layer 2 \(Softmax\) takes at least 1 axes"),
    ],
)
def test_neighbours_that_do_not_meet_are_refused_when_composed(layers, message):
    with pytest.raises(SizeError, match=message):
        jc.Sequential(layers)


def test_an_input_that_does_not_fit_names_the_layer_that_refuses_it():
    f = jc.Sequential([Tanh(), Linear(weight(3, 2))])
    for call in (f, jc.jacobian(f), jc.jacobian(f).plan):
        with pytest.raises(SizeError, match=r"layer 1 \(Tanh\) gives 5 outputs but layer 2 \(Linear\) takes 2 inputs"):
            call(np.ones(5))
    with pytest.raises(SizeError, match=r"the input has 5 numbers but layer 1 \(Linear\) takes 2 inputs"):
        jc.Sequential([Linear(weight(3, 2))])(np.ones(5))


@pytest.mark.parametrize(("layers", "message"), [([], "no layers"), ([np.tanh], "layer 1 is <ufunc 'tanh'>")])
def test_what_is_no_layer_is_refused(layers, message):
    with pytest.raises(OptionError, match=message):
        jc.Sequential(layers)


@pytest.mark.host(reason="the functions multiply by matrices of the host")
def test_functions_without_a_stated_shape_are_called_to_find_it():
    calls = []

    def f(x):
        calls.append(x)
        return x[:2]

    layer = jc.Function(f, vjp=lambda x, u: np.concatenate([u, np.zeros(x.size - 2)]))
    g = jc.Sequential([Tanh(), layer, Tanh()])
    assert g(np.ones(4)).shape == (2,)
    assert jc.jacobian(g)(np.ones(4)).shape == (2, 4)
    calls.clear()
    jc.jacobian(g)(np.ones(4))
    assert len(calls) == 1  # planned already: only the value is needed


@pytest.mark.parametrize("x", [[1, 2], [1 + 2j, 1.0], [True, False], ["a", "b"]])
def test_integer_complex_and_other_inputs_are_refused(x):
    f = jc.Sequential([Linear(weight(3, 2))])
    for call in (f, jc.jacobian(f), lambda x: jc.jvp(f, x, x), lambda x: jc.vjp(f, x, x)):
        with pytest.raises(DtypeError, match="the input is"):
            call(x)


def test_unknown_layers_are_refused_with_the_nearest():
    with pytest.raises(OptionError, match=r"unknown layer 'Sofmax'\ndid you mean 'Softmax'\?"):
        jc.layers.Sofmax  # noqa: B018  (the access is the test)
    assert not hasattr(jc.layers, "Sofmax")
    with pytest.raises(AttributeError, match=r"the layers are in jacchain\.layers"):
        jc.Tanh  # noqa: B018  (the access is the test)


@pytest.mark.parametrize("layers", [Tanh(), None, 3])
def test_what_is_no_list_of_layers_is_refused(layers):
    with pytest.raises(OptionError, match="is no list of layers"):
        jc.Sequential(layers)
