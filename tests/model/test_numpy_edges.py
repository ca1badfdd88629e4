"""NumPy's functions where they are easily wrong: options by position, NaN, infinity, stacks, lists, chosen kinks."""

import numpy as np
import pytest

import jacchain as jc
from jacchain import kinks
from jacchain.errors import SizeError, TraceError
from jacchain.model.dual import Dual
from jacchain.model.trace import trace


def test_accumulations_take_what_numpys_take():
    x = np.arange(1.0, 7.0).reshape(2, 3)
    for ufunc in (np.add, np.multiply):
        for args, options in (((), {}), ((1,), {}), ((1, float), {}), ((1, float, None), {}), ((), {"axis": 1})):
            found = trace(lambda x, u=ufunc, a=args, o=options: u.accumulate(x, *a, **o), x)(x)
            np.testing.assert_array_equal(found, ufunc.accumulate(x, *args, **options))


@pytest.mark.parametrize("ufunc", [np.add, np.multiply])
def test_accumulations_refuse_what_would_change_the_value(ufunc):
    x = np.ones((2, 3))
    for dtype in (int, np.float32):
        with pytest.raises(TraceError, match=r"dtype int|to float32"):
            trace(lambda x, d=dtype: ufunc.accumulate(x, 1, d), x)
        with pytest.raises(TraceError, match=r"dtype int|to float32"):
            trace(lambda x, d=dtype: ufunc.accumulate(x, dtype=d), x)
    with pytest.raises(TraceError, match="out="):
        trace(lambda x: ufunc.accumulate(x, 1, None, np.empty((2, 3))), x)


@pytest.mark.parametrize("function", [np.tril, np.triu])
@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 4), (3,)])
def test_what_a_triangle_leaves_out_is_zero_whatever_it_was(function, shape):
    x = np.full(shape, np.nan)
    for k in (-1, 0, 1):
        np.testing.assert_array_equal(trace(lambda x, k=k: function(x, k), x)(x), function(x, k))
        y = np.random.default_rng(1).normal(size=shape)
        jacobian = jc.jacobian(lambda x, k=k: function(x, k))(y)
        np.testing.assert_allclose(np.tensordot(jacobian, y, axes=y.ndim), function(y, k))


NUMBERS = np.array([-np.inf, -1.0, 0.0, 1.0, 1.0 + 1e-9, np.inf, np.nan])


@pytest.mark.filterwarnings("ignore:invalid")
def test_infinities_are_close_to_themselves_alone():
    wanted = np.isclose(NUMBERS[:, None], NUMBERS)
    np.testing.assert_array_equal(trace(lambda x: np.isclose(x[:, None], x) * 1.0, NUMBERS)(NUMBERS), wanted)
    np.testing.assert_array_equal(trace(lambda x: np.isclose(x[:, None], NUMBERS) * 1.0, NUMBERS)(NUMBERS), wanted)
    np.testing.assert_array_equal(trace(lambda x: np.isclose(NUMBERS[:, None], x) * 1.0, NUMBERS)(NUMBERS), wanted)
    duals = [[np.isclose(Dual(a, 1.0), Dual(b, 2.0)) for b in NUMBERS.tolist()] for a in NUMBERS.tolist()]
    np.testing.assert_array_equal(duals, wanted)


def test_one_matrix_solves_a_stack_and_a_stack_one_matrix():
    numbers = np.random.default_rng(2)
    one, stack = (numbers.normal(size=shape) + 3 * np.eye(2) for shape in ((2, 2), (3, 2, 2)))
    for a, b in ((one, stack), (stack, one), (stack, stack)):
        for function, x in ((lambda a, b=b: np.linalg.solve(a, b), a), (lambda b, a=a: np.linalg.solve(a, b), b)):
            np.testing.assert_allclose(trace(function, x)(x), np.linalg.solve(a, b))
    with pytest.raises(TraceError, match="a stack of matrices and one vector"):
        trace(lambda a: np.linalg.solve(a, np.ones(2)), stack)


CHOSEN = {
    "absolute": (lambda x: kinks.absolute(x, at_zero=1.0), [0.0, -2.0], [[1, 0], [0, -1]]),
    "maximum": (lambda x: kinks.maximum(x, [0.0, 0.0], at_tie=1.0), [0.0, -2.0], [[1, 0], [0, 0]]),
    "maximum of a list": (lambda x: kinks.maximum([0.0, 0.0], x, at_tie=1.0), [0.0, 2.0], [[0, 0], [0, 1]]),
    "minimum": (lambda x: kinks.minimum(x, 0.0, at_tie=1.0), [0.0, -2.0], [[1, 0], [0, 1]]),
    "relu": (lambda x: kinks.relu(x, at_zero=1.0), [0.0, 2.0], [[1, 0], [0, 1]]),
    "max": (lambda x: kinks.max(x, ties="first"), [2.0, 2.0], [1, 0]),
    "max from the end": (lambda x: kinks.max([x, x], -1, ties="first"), [2.0, 2.0], [[1, 0], [1, 0]]),
    "min": (lambda x: kinks.min(x, axis=(0,), ties="first"), [2.0, 2.0], [1, 0]),
    "min of numbers": (lambda x: kinks.min(x[0], axis=()), [2.0, 2.0], [1, 0]),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_functions_with_a_chosen_derivative_take_lists_too(name):
    function, point, wanted = CHOSEN[name]
    x = np.array(point)
    np.testing.assert_array_equal(jc.jacobian(function)(x), wanted)
    if name != "min of numbers" and not name.startswith("max from"):
        np.testing.assert_array_equal(jc.jacobian(lambda x: function([x[0], x[1]]))(x), wanted)


def test_an_axis_that_is_not_there_is_named_at_kinks():
    with pytest.raises(SizeError, match="axis 2 of shape"):
        trace(lambda x: kinks.max(x, axis=2), np.ones((2, 3)))
