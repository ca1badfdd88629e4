"""Tracing records what a function computes, whatever of NumPy it is written in, and its derivative."""

import math
import threading
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import expit, logsumexp, softmax

import jacchain as jc
from jacchain.algebra.kernels import run
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import array_shapes
from jacchain.errors import DtypeError, JacchainError, SizeError, TraceError
from jacchain.execution.operation import VALUE
from jacchain.model.expression import differentiable
from jacchain.model.numpy_functions import FUNCTIONS
from jacchain.model.primitive import Primitive
from jacchain.model.scipy_functions import SCIPY_FUNCTIONS
from jacchain.model.trace import trace
from jacchain.model.tree import flatten
from tests.model.trace_examples import EXAMPLES, REFUSED, SCIPY_EXAMPLES, A, N, V, X, Y


def local_matrix(operation, position, xs):
    """Return the local Jacobian as the runner makes it."""
    if isinstance(operation, Primitive):
        return operation.local(position, *xs)
    facts = operation.facts(tuple(x.shape for x in xs))
    local = facts.locals[position]
    xs = [np.asfortranarray(x) for x in xs]  # operations take inputs of any strides
    y, scratch = np.empty(facts.output), np.empty(facts.scratch)
    run(operation.value_calls(NUMPY, tuple(xs), y, scratch))
    structure = local.link.local
    out = Operand(structure, tuple(np.empty(shape) for shape in array_shapes(structure)))
    read = tuple(x if k in local.reads else None for k, x in enumerate(xs))
    if local.link.is_explicit:
        y_read = y if VALUE in local.reads else None
        run(operation.local_calls(NUMPY, position, read, y_read, out, np.empty(local.scratch)))
    elif local.link.tangent_cost is not None:
        run(operation.tangent_calls(NUMPY, position, tuple(xs), np.eye(structure.columns), out.arrays[0]))
    else:
        run(operation.adjoint_calls(NUMPY, position, tuple(xs), np.eye(structure.rows), out.arrays[0]))
    return Matrix(structure, out.arrays)


def dense_jacobian(expression, points):
    """Accumulate forward, node by node, with dense matrices: the twin of every plan."""
    inputs = [np.asarray(leaf, expression.dtype) for leaf in flatten(points)[0]]
    values = expression.values(inputs)
    starts = np.cumsum([0, *(x.size for x in inputs)])
    total = {node: np.eye(starts[-1])[starts[k] : starts[k + 1]].copy() for k, node in enumerate(expression.inputs)}
    graph, places = differentiable(expression, expression.inputs, expression.outputs)
    for edge, (node, position) in zip(graph.edges, places, strict=True):
        operation, operands, *_ = expression.nodes[node]
        local = local_matrix(operation, position, [values[k] for k in operands])
        assert local.structure == edge.link.local
        total[node] = total.get(node, 0) + local.todense() @ total[edge.tail]
    rows = [total.get(k, np.zeros((values[k].size, starts[-1]))) for k in expression.outputs]
    return np.concatenate(rows)


def flat_value(fun, points):
    return np.concatenate([np.ravel(leaf).astype(float) for leaf in flatten(fun(*points))[0]])


def central_differences(fun, points, step=1e-6):
    leaves, tree = flatten(tuple(points))
    columns = []
    for k, leaf in enumerate(leaves):
        for place in np.ndindex(np.shape(leaf)):
            ends = []
            for sign in (1, -1):
                moved = np.array(leaf, float)
                moved[place] += sign * step
                ends.append(flat_value(fun, tree.unflatten([*leaves[:k], moved, *leaves[k + 1 :]])))
            columns.append((ends[0] - ends[1]) / (2 * step))
    return np.stack(columns, axis=1)


def assert_traced(fun, points):
    expression = trace(fun, *points)
    value, expected = expression(*points), fun(*points)
    for found, wanted in zip(flatten(value)[0], flatten(expected)[0], strict=True):
        assert np.shape(found) == np.shape(wanted)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        dense_jacobian(expression, points), central_differences(fun, points), rtol=1e-6, atol=1e-7
    )
    assert all(len(line) <= 80 for line in str(expression).splitlines())


def test_every_supported_function_has_an_example():
    assert set(FUNCTIONS) == set(EXAMPLES) | REFUSED
    assert set(SCIPY_FUNCTIONS) == set(SCIPY_EXAMPLES)


@pytest.mark.parametrize("function", EXAMPLES, ids=lambda f: f.__name__)
def test_a_numpy_function_has_its_value_and_derivative(function):
    for fun, points in EXAMPLES[function]:
        assert_traced(fun, points)


@pytest.mark.parametrize("name", SCIPY_EXAMPLES)
def test_a_scipy_function_has_its_value_and_derivative(name):
    for fun, points in SCIPY_EXAMPLES[name]:
        assert_traced(fun, points)


@pytest.mark.parametrize("function", sorted(REFUSED, key=lambda f: f.__name__), ids=lambda f: f.__name__)
def test_what_depends_on_the_order_of_numbers_is_refused(function):
    with pytest.raises(TraceError, match=r"numpy\.where"):
        trace(function, V)


STEPS = [
    lambda x: x @ A,
    lambda x: np.tanh(x) * x,
    lambda x: x[::-1] - 0.5,
    lambda x: x / (1 + np.sum(x * x, axis=-1, keepdims=True)),
    lambda x: softmax(x, axis=-1),
    lambda x: np.concatenate([x[:1], x[1:] * 2]),
    lambda x: np.where(x > 0.4, x * x, -x),
    lambda x: np.cumsum(x, axis=0),
    lambda x: np.array([row + 1 for row in x]),
    lambda x: x.T[:, [1, 0]].T,
    lambda x: np.exp(-x) + x,
]


@given(st.lists(st.integers(0, len(STEPS) - 1), min_size=1, max_size=6), st.booleans())
def test_any_composition_has_its_value_and_derivative(chosen, skips):
    def fun(x):
        value = x
        for k in chosen:
            value = STEPS[k](value) + value if skips else STEPS[k](value)
        return value

    expression = trace(fun, X)
    np.testing.assert_allclose(expression(X), fun(X), rtol=1e-12)
    np.testing.assert_allclose(dense_jacobian(expression, (X,)), central_differences(fun, (X,)), rtol=1e-4, atol=1e-6)


def outer_function(x):
    return np.cos(x) * inner_function(x)


def inner_function(x):
    return x + np.sum(x)


def twice(x):
    y = np.sin(x)
    return y, y


def unpacked(x):
    a, b = x
    return a * b


TRAPS = {
    "x times x": (lambda x: x * x, (X,)),
    "x plus x": (lambda x: x + x, (X,)),
    "x in both places of a product": (lambda x: x.T @ x, (X,)),
    "three uses": (lambda x: x * x + x * np.sin(x), (X,)),
    "an output that is an input": (lambda x, y: (x, x * y), (X, Y)),
    "one value returned twice": (twice, (X,)),
    "an output that is used further": (lambda x: (np.sin(x), np.sin(x) ** 2), (X,)),
    "a nested function call": (outer_function, (X,)),
    "a constant output": (lambda x: (x, np.ones(2), 3.0), (X,)),
    "only a constant output": (lambda x: [1.0, np.arange(3)], (X,)),
    "an input that is not used": (lambda x, y: 2 * x, (X, Y)),
    "no derivative": (np.floor, (X,)),
    "numbers": (lambda a, b: a * b + a**2, (N, 2.0)),
    "trees": (lambda p, q: {"a": p["w"] @ q[0], "b": [p["b"], q[1] * 2]}, ({"w": X, "b": V}, (V, N))),
    "a number beside lists": (lambda v: np.array([[v[0], 1.0], [v[1], v[2] * 2]]), (V,)),
    "python's sum": (lambda v: sum(v) + sum(x for x in v), (V,)),
    "asarray": (lambda x: np.asarray(x, dtype=float) + np.array(x), (X,)),
    "asarray of a list": (lambda a, b: np.asarray([a, b, a * b]), (N, N + 1)),
    "a list beside a value": (lambda v: np.dot(v, [v[0], 1.0, v[2]]), (V,)),
    "reflected operators": (lambda v: 1 - v + 2 / v + 2**v + V @ v - 7 % (v + 1) + abs(-v) + (+v), (V,)),
    "every kind of index": (
        lambda x: (
            x[1, 2] + x[..., None][0, [0, 2]] + x[-1:, ::2].sum() + x[x.shape[0] - 1][np.array([True, False, True])][0]
        ),
        (X,),
    ),
    "matrices of masks": (lambda x: (x > 0.4) * x + (x <= 0.4) @ A, (X,)),
    "a mask's mean": (lambda x: x * np.mean(x > 0.4), (X,)),
    "python's functions": (lambda v: round(v[0]) * v + divmod(v, 0.2)[1] + pow(v, 3) + max(len(v), 2) * v, (V,)),
    "unpacking": (unpacked, (X,)),
    "constants alone": (lambda x: x * np.sin(np.ones(3)) + np.linalg.inv(A) @ V, (X,)),
    "ufunc methods": (lambda x: np.add.reduce(x) + np.multiply.outer(x[0], x[1])[0] + np.add.accumulate(x)[1], (X,)),
    "var by methods": (lambda x: x.var(axis=0) + x.std(axis=0) + x.mean() - x.min() * x.max() + x.prod(axis=0), (X,)),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_known_traps_are_none(trap):
    assert_traced(*TRAPS[trap])


Pair = namedtuple("Pair", "a b")


def test_results_nest_as_they_do():
    fun = lambda p: Pair(p["x"], [p["y"], (p["x"],)])  # noqa: E731
    expression = trace(fun, {"x": X, "y": V})
    found = expression({"x": Y, "y": V + 1})
    assert isinstance(found, Pair)
    assert found.b[1][0] is found.a
    np.testing.assert_array_equal(found.b[0], V + 1)


def booleans(x):
    return (np.ones(3) > 0) & np.array([True, False, True])


SUMS_OF_MASKS = {
    "or": lambda x: (x > 0) + (x > 1),
    "and": lambda x: (x > 0) * (x > -3) + (x < 0) * (x > -2),
    "of a constant": lambda x: (x > 0) + np.array([True, False, True]),
    "of constants": lambda x: (x > 0) + booleans(x),
    "of a bool": lambda x: True + (x > 1),
    "of views and pieces": lambda x: (x > 0)[::-1] + (x > 1)[[0, 1, 2]] + np.stack([x[0] > 0, x[1] > 0, x[2] > 1]),
    "of extremes": lambda x: np.max(x > 0) + np.maximum(x > 1, x < 0),
    "of choices": lambda x: np.where(x > 0, x > 1, x < 0) + (x > 1),
    "of complements": lambda x: ~(x > 0) + (x > 1),
    "of a row of them": lambda x: sum([x > 0, x > 1]),
    "counted": lambda x: np.sum(np.stack([x > 0, x > 1]), axis=0) + np.count_nonzero(x > 0),
    "counted one by one": lambda x: np.sum(x[1] > 0) + np.sum(x[2] > 0),
    "averaged": lambda x: np.mean(x > 0) + np.prod(x[0] > -3) + np.cumsum(x > 0),
    "as numbers": lambda x: (x > 0).astype(float) + (x > 1),
    "as booleans": lambda x: (x > 0).astype(bool) + (x > 1),
    "as an array of numbers": lambda x: np.array(x > 0, dtype=float) + (x > 1),
    "times a number": lambda x: 1 * (x > 0) + (x > 1),
    "squared": lambda x: (x > 0) ** 2 + (x > 1),
    "to the first power": lambda x: (x > 0) ** 1 + (x > 1),
    "plus nothing": lambda x: 0 + (x > 0) + (x > 1),
    "less": lambda x: 1 - (x > 0),
    "differences": lambda x: np.diff(x > 0)[0] + (x > 0),
    "times numbers": lambda x: (x > 0) @ x,
}


@pytest.mark.parametrize("case", SUMS_OF_MASKS)
@pytest.mark.parametrize("point", [(-1.0, 0.5, 2.0), (2.0, 3.0, 4.0), (-3.0, -2.0, 0.5)])
def test_sums_of_masks_are_numpys(case, point):
    x = np.array(point)
    fun = lambda x: SUMS_OF_MASKS[case](x) * x  # noqa: E731  (a mask has no derivative; what it chooses has)
    np.testing.assert_array_equal(trace(fun, x)(x), fun(x))


@given(st.data())
def test_values_are_inserted_where_numpy_inserts_them(data):
    x = np.arange(12.0).reshape(3, 4)
    axis = data.draw(st.sampled_from([0, 1]))
    places = data.draw(st.lists(st.integers(-x.shape[axis], x.shape[axis]), min_size=1, max_size=4))
    shape = tuple(len(places) if k == axis else data.draw(st.sampled_from([1, n])) for k, n in enumerate(x.shape))
    values = 100 + np.arange(float(np.prod(shape))).reshape(shape)
    fun = lambda x, v: np.insert(x, places, v, axis=axis)  # noqa: E731  (traced and called)
    np.testing.assert_array_equal(trace(fun, x, values)(x, values), fun(x, values))


@pytest.mark.parametrize(
    ("name", "match"),
    [("compress", "call numpy.compress"), ("imag", "jacchain.Function"), ("foo", "no attribute 'foo'")],
)
def test_an_attribute_that_is_not_there_names_the_way_out(name, match):
    with pytest.raises(AttributeError, match=match) as caught:
        trace(lambda x: getattr(x, name), V)
    assert isinstance(caught.value, JacchainError)
    assert trace(lambda x: x * hasattr(x, name), V)(V).tolist() == [0, 0, 0]
    assert not hasattr(jc.Dual(1.0, 1.0), name)


def test_the_function_is_called_once_for_a_trace_and_not_again():
    calls = []

    def fun(x):
        calls.append(x)
        return np.sin(x)

    expression = trace(fun, X)
    expression(X)
    str(expression)
    expression.graph()
    assert len(calls) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_dtype_everywhere(dtype):
    x = X.astype(dtype)
    expression = trace(lambda x, s: np.float64(2.0) * x @ A + s * np.mean(x) + np.ones(3), x, 2.0)
    assert expression.dtype == dtype
    assert expression(x, 1.0).dtype == dtype
    assert {node.constant.dtype for node in expression.nodes if node.constant is not None} == {np.dtype(dtype)}
    assert trace(lambda x, y: x + y, X.astype(np.float32), X).dtype == np.float64
    assert trace(lambda x: x, 1.0).dtype == np.float64


@pytest.mark.parametrize("function", EXAMPLES, ids=lambda f: f.__name__)
def test_a_function_of_float32_stays_float32(function):
    for fun, points in EXAMPLES[function]:
        narrow = tuple(np.asarray(point, np.float32) for point in points)
        found = flatten(trace(fun, *narrow)(*narrow))[0]
        for value, wanted in zip(found, flatten(fun(*points))[0], strict=True):
            assert np.asarray(value).dtype == np.float32
            np.testing.assert_allclose(value, wanted, rtol=2e-4, atol=2e-4)


LEAKED = []
ENDLESS = []
ENDLESS.append(ENDLESS)


def assigned(x):
    y = np.zeros(3)
    y[0] = x[0]
    return y


def written(x):
    x[0] = 1.0
    return x


def added(x):
    y = np.ones(3)
    y += x
    return y


REFUSALS = {
    "an if": (lambda x: x if x[0] > 0 else -x, TraceError, "numpy.where"),
    "an and": (lambda x: x[0] > 0 and x[1] > 0, TraceError, "numpy.where"),
    "an assignment into an array": (assigned, TraceError, "numpy.stack"),
    "an assignment to a traced value": (written, TraceError, "numpy.where"),
    "adding in place": (added, TraceError, r"x = x \+ y"),
    "out": (lambda x: np.sin(x, out=np.zeros(3)), TraceError, "new array"),
    "out of a function": (lambda x: np.cumsum(x, out=np.zeros(3)), TraceError, "new array"),
    "copyto": (lambda x: np.copyto(np.zeros(3), x), TraceError, "numpy.copyto writes in place"),
    "add.at": (lambda x: np.add.at(np.zeros(3), [0], x[:1]), TraceError, "in place"),
    "sorting in place": (lambda x: x.sort() or x, TraceError, "in place"),
    "an index that depends on values": (lambda x: x[np.argmax(x)], TraceError, "indices must be constants"),
    "a mask as an index": (lambda x: x[x > 0], TraceError, "numpy.where"),
    "a value as a slice's end": (lambda x: x[: x[0]], TraceError, "indices must be constants"),
    "where of one argument": (lambda x: np.where(x > 0)[0], TraceError, "choose with numpy.where"),
    "a value as a count": (lambda x: np.zeros(x[0]), TraceError, "shapes and constants"),
    "range": (lambda x: list(range(x[0])), TraceError, "shapes and constants"),
    "math": (lambda x: math.sin(x[0]), TraceError, "NumPy's functions rather than math's"),
    "item": (lambda x: x[0].item(), TraceError, "Python number"),
    "nothing": (lambda x: None, TraceError, "the result of <lambda> is None"),
    "a string": (lambda x: (x, ["text"]), TraceError, r"\[1\]\[0\] is a str, 'text'"),
    "an object array": (lambda x: np.array([x[0], x[1]], dtype=object), TraceError, "dtype object"),
    "an array of objects": (lambda x: np.array(["a", None]), (DtypeError, TraceError), "numpy.stack|real numbers"),
    "a masked array": (lambda x: x * np.ma.array(V), TraceError, "filled"),
    "a sparse matrix that is added": (lambda x: x + scipy.sparse.csr_array(A), TraceError, "csr_array(.|\n)*toarray"),
    "a sparse matrix times a matrix": (
        lambda x: scipy.sparse.csr_array(A) @ np.outer(x, x),
        TraceError,
        "of shape(.|\n)*one vector at a time",
    ),
    "a complex constant": (lambda x: x * 1j, DtypeError, "real and imaginary"),
    "an unsupported function": (np.fft.fft, TraceError, r"numpy.fft.fft is not supported(.|\n)*jacchain.Function"),
    "an unsupported option": (lambda x: np.average(x, returned=True), TraceError, "returned="),
    "another order": (lambda x: np.reshape(x, (1, 3), order="F"), TraceError, "transpose"),
    "an integer dtype": (lambda x: np.sum(x, dtype=int), TraceError, "leave dtype out"),
    "a difference of masks": (lambda x: (x > 0) - (x > 1), TraceError, r"1.0 \* mask"),
    "the negative of a mask": (lambda x: -(x > 0), TraceError, r"1.0 \* mask"),
    "a product of masks": (lambda x: (x > 0) @ (x > 1), TraceError, r"1.0 \* mask"),
    "a product of a mask and booleans": (lambda x: np.dot(x > 0, np.ones(3, bool)), TraceError, r"1.0 \* mask"),
    "an Einstein sum of masks": (lambda x: np.einsum("i,i", x > 0, x > 1), TraceError, r"1.0 \* mask"),
    "vecdot of masks": (lambda x: np.linalg.vecdot(x > 0, x > 1), TraceError, r"1.0 \* mask"),
    "a convolution of masks": (lambda x: np.convolve(x > 0, x > 1), TraceError, r"1.0 \* mask"),
    "an empty part of a split": (lambda x: np.split(x, [0, 2])[1], TraceError, "a part takes nothing"),
    "an empty part of an array_split": (lambda x: np.array_split(x, 5)[0], TraceError, "a part takes nothing"),
    "unequal parts": (lambda x: np.split(x, 2), SizeError, "numpy.split of size 3 into 2"),
    "no parts": (lambda x: np.split(x, 0), SizeError, "numpy.split of size 3 into 0"),
    "no arrays": (lambda x: (), TraceError, "<lambda> returns nothing"),
    "no arrays in a dict": (lambda x: {"a": []}, TraceError, "<lambda> returns nothing"),
    "a list in itself": (lambda x: ENDLESS, TraceError, "the result of <lambda>: something contains itself"),
    "another dtype of a sum": (lambda x: np.sum(x, dtype=np.float32), TraceError, "numpy.sum (.|\n)*float32 arguments"),
    "another dtype of a ufunc": (lambda x: np.sin(x, dtype=np.float32), TraceError, "all values here are float64"),
    "another dtype": (lambda x: x.astype(np.float32), TraceError, "one dtype throughout"),
    "another dtype of an array": (lambda x: np.asarray(x, np.float32), TraceError, "one dtype throughout"),
    "a narrow dtype": (lambda x: x.astype(np.float16), TraceError, "leave the dtype out: there is"),
    "an argument less": (lambda x, y: x, TraceError, r"\(x, y\) is called with 1 argument(.|\n)*close over"),
    "a keyword argument": (lambda x, *, k: x, TraceError, r"\(x, \*, k\) is called with 1 argument(.|\n)*close over"),
    "no argument": (lambda: 1.0, TraceError, "called with 1 argument: too many"),
    "conversion to integers": (lambda x: x.astype(int), TraceError, "numpy.floor"),
    "SciPy's own": (
        lambda x: scipy.linalg.expm(np.outer(x, x)),
        TraceError,
        "scipy.linalg.expm(.|\n)*jacchain.Function",
    ),
    "an unsupported ufunc": (scipy.special.airy, TraceError, "scipy.special.airy"),
    "shapes that do not meet": (lambda x: x + np.ones(4), SizeError, r"add of shapes \(3,\) and \(4,\)"),
    "matrices that do not meet": (lambda x: x @ np.ones((4, 2)), SizeError, "matmul of shapes"),
    "a wrong reshape": (lambda x: x.reshape(2, 2), SizeError, "3 numbers"),
    "a wrong axis": (lambda x: x.sum(axis=3), SizeError, "axis 3"),
    "an index out of bounds": (lambda x: x[7], IndexError, "7"),
    "a derivative inside": (lambda x: jc.layers.Tanh().value(x), TraceError, "differentiate outside"),
    "a value of an earlier trace": (lambda x: x + LEAKED[0], TraceError, "another trace"),
    "a value of an earlier trace returned": (lambda x: LEAKED[0], TraceError, "another trace"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_recorded_names_the_way_out(case):
    LEAKED.clear()
    trace(lambda x: LEAKED.append(x) or x, V)
    fun, kinds, match = REFUSALS[case]
    with pytest.raises(kinds, match=match):
        trace(fun, V)


@pytest.mark.parametrize(
    ("example", "kind", "match"),
    [
        (np.arange(3), DtypeError, "x is int64"),
        (3, DtypeError, "x is int64"),
        ({"w": "text"}, TraceError, r"x\['w'\] is a str, 'text'"),
        ([V, None], TraceError, r"x\[1\] is None"),
        ([V, V.astype(complex)], DtypeError, r"x\[1\] is complex128"),
        (np.ones((0, 3)), SizeError, "x is empty"),
        (object(), TraceError, "an object"),
        (ENDLESS, TraceError, "x: something contains itself"),
    ],
)
def test_arguments_without_derivatives_are_named(example, kind, match):
    with pytest.raises(kind, match=match):
        trace(lambda x: x, example)


def test_a_late_import_of_softmax_is_named(monkeypatch):
    monkeypatch.setattr("jacchain.model.substitution._replace_codes", lambda: None)
    with pytest.raises(TraceError, match=r"scipy.special.softmax(.|\n)*import it before"):
        trace(softmax, V)


def test_what_is_replaced_during_a_trace_is_put_back_even_after_an_error():
    before = np.array, np.asarray, softmax.__code__, logsumexp.__code__

    def fun(x):
        assert np.array is not before[0]
        np.testing.assert_allclose(softmax(V), np.exp(V) / np.exp(V).sum())
        np.testing.assert_allclose(logsumexp(V, keepdims=True), [np.log(np.exp(V).sum())])
        trace(lambda y: np.array([y, y]), N)  # one trace within another
        assert np.array is not before[0]
        raise KeyError("of the function's own")

    with pytest.raises(KeyError, match="own"):
        trace(fun, V)
    assert (np.array, np.asarray, softmax.__code__, logsumexp.__code__) == before


def test_traces_in_several_threads_do_not_disturb_each_other():
    failures = []

    def work(seed):
        x = np.random.default_rng(seed).uniform(size=3)
        for _ in range(30):
            expression = trace(lambda x: np.array([softmax(x)[0], expit(x[1])]), x)
            found, wanted = expression(x), [np.exp(x[0]) / np.exp(x).sum(), 1 / (1 + np.exp(-x[1]))]
            if not np.allclose(found, wanted) or not np.allclose(softmax(x).sum(), 1):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_layers_and_functions_of_ones_own_apply_to_traced_values():
    net = jc.Sequential([jc.layers.Linear(A), jc.layers.Tanh()])
    assert_traced(lambda v: net(v * 2) + jc.layers.Softplus()(v[::-1]), (V,))
    weights = np.asfortranarray(A.astype(np.float32))
    assert_traced(lambda v: jc.layers.Bias(V)(jc.layers.Linear(weights)(v)), (V,))
    assert_traced(lambda x: jc.layers.LeftMultiply(A)(jc.layers.RightMultiply(A)(x.T @ x)), (X,))
    assert_traced(lambda x: jc.layers.Sum()(jc.layers.Reshape((3, 2))(x).T), (X,))
    summed = {"vjp": lambda x, u: np.cumsum(u[::-1])[::-1], "outputs": 3}
    assert_traced(lambda v: jc.Function(np.cumsum, **summed)(v) + v, (V,))
    summed = {"jvp": lambda x, t: np.cumsum(t), "outputs": 3}
    assert_traced(lambda v: jc.Function(np.cumsum, **summed)(v) + v, (V,))
    cube = jc.Function(lambda x: x**3, jacobian=lambda x: np.diag(3 * x**2), outputs=3, name="cube")
    assert_traced(lambda x: cube(x[1]) + cube(x[0]), (X,))
    np.testing.assert_array_equal(cube(V), V**3)


@dataclass(frozen=True)
class Scaled(jc.Elementwise):
    factors: np.ndarray

    def function(self, x):
        return x * self.factors

    def derivative(self, x):
        return self.factors


def test_a_layer_that_is_a_dataclass_of_arrays_applies_too():
    layer = Scaled(V)
    assert_traced(lambda v: layer(layer(v)) + layer(v), (V,))
    assert sum(node.operation is not None for node in trace(lambda v: layer(v) + layer(v), V).nodes) == 2


def test_a_function_of_unknown_outputs_says_what_to_state():
    with pytest.raises(SizeError, match="outputs="):
        trace(jc.Function(np.cumsum, vjp=lambda x, u: np.cumsum(u[::-1])[::-1]), V)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "dia"])
def test_sparse_matrices_multiply_traced_vectors_from_both_sides(form):
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(4, 3)) * (rng.random((4, 3)) < 0.6)
    for made in (scipy.sparse.coo_array(dense), scipy.sparse.coo_matrix(dense)):
        matrix = made.asformat(form)
        x, y = rng.normal(size=3), rng.normal(size=4)
        found = jc.jacobian(lambda v, a=matrix: a @ np.sin(v))(x)
        assert_allclose(found, dense * np.cos(x), rtol=1e-14)
        assert_allclose(jc.jacobian(lambda v, a=matrix: np.sin(v) @ a)(y), dense.T * np.cos(y), rtol=1e-14)
    structured = jc.jacobian(lambda v: matrix @ v, structured=True)(x)
    assert structured.structure.nonzeros == np.count_nonzero(dense)
