"""The rules of both tables, and structured matrices, on a device that is not the host: they give what NumPy gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import dense_twin, matching_structures, seeds, sizes_for, structure_pairs, structures, twin_of
from strict_arrays import StrictArray, running
from strict_device import KERNELS, fetch, install, place

from jacchain.algebra import symmetric
from jacchain.algebra.addition import ADDITIONS, add_calls, addition
from jacchain.algebra.kernels import run
from jacchain.algebra.matrix import Matrix
from jacchain.algebra.product import PRODUCTS, multiply_calls, product
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense, Sparse, array_shapes
from jacchain.execution.count import CountingKernels

install()
FEW = settings(max_examples=5)
KINDS = st.sampled_from([np.float32, np.float64])


def ids(pair):
    return f"{pair[0].__name__}-{pair[1].__name__}"


def buffers(structure, dtype):
    return Operand(structure, tuple(KERNELS.xp.empty(shape, dtype) for shape in array_shapes(structure)))


def fill(buffer, matrix):
    for array, values in zip(buffer.arrays, matrix.arrays, strict=True):
        array[...] = place(values)


def on_host(operand):
    assert all(isinstance(array, StrictArray) for array in operand.arrays)
    return dense_twin(operand.structure, tuple(map(fetch, operand.arrays)))


def combined(calls, predicted, x, y, dtype, kernels=KERNELS):
    left, right, out = (buffers(s, dtype) for s in (x.matrix.structure, y.matrix.structure, predicted.structure))
    bound = calls(kernels, left, right, out, KERNELS.xp.empty(predicted.scratch, dtype))
    fill(left, x.matrix)
    fill(right, y.matrix)
    with running():
        run(bound)
    assert all(array.dtype == dtype for array in out.arrays)
    return on_host(out)


@pytest.mark.parametrize("pair", PRODUCTS, ids=ids)
@FEW
@given(data=st.data(), seed=seeds, dtype=KINDS)
def test_every_product_is_made_on_the_device_without_a_transfer(pair, data, seed, dtype):
    x, y = (twin_of(s, seed + k, dtype) for k, s in enumerate(data.draw(structure_pairs(*pair))))
    predicted, counting = product(x.matrix.structure, y.matrix.structure), CountingKernels(KERNELS)
    found = combined(multiply_calls, predicted, x, y, dtype, counting)
    assert_allclose(found, x.dense @ y.dense, rtol=1e-4 if dtype == np.float32 else 1e-12)
    assert counting.multiplications == predicted.cost


@pytest.mark.parametrize("pair", ADDITIONS, ids=ids)
@FEW
@given(data=st.data(), seed=seeds, dtype=KINDS)
def test_every_sum_is_made_on_the_device_without_a_transfer(pair, data, seed, dtype):
    x, y = (twin_of(s, seed + k, dtype) for k, s in enumerate(data.draw(matching_structures(*pair))))
    found = combined(add_calls, addition(x.matrix.structure, y.matrix.structure), x, y, dtype)
    assert_allclose(found, x.dense + y.dense, rtol=1e-5 if dtype == np.float32 else 1e-12)


@FEW
@given(data=st.data(), seed=seeds)
def test_matrices_of_the_device_multiply_add_and_turn_there(data, seed):
    a = data.draw(structures(most=6))
    b = data.draw(structures(a.columns, most=6))
    x, y = (twin_of(s, seed + k) for k, s in enumerate((a, b)))
    first, second = (Matrix(t.matrix.structure, tuple(map(place, t.matrix.arrays))) for t in (x, y))
    assert_allclose(
        on_host(Operand((first @ second).structure, (first @ second).arrays)), x.dense @ y.dense, rtol=1e-11
    )
    if first.arrays:
        assert_allclose(fetch(first.T.todense()), x.dense.T)
        assert_allclose(fetch((first - first).todense()), 0 * x.dense)
        ones = np.ones((a.columns, 2))
        assert_allclose(fetch(first.matmat(place(ones))), x.dense @ ones, rtol=1e-11)


@FEW
@given(data=st.data(), seed=seeds, size=st.integers(1, 40))
def test_symmetric_products_are_mirrored_on_the_device(data, seed, size):
    p = twin_of(data.draw(st.one_of(st.builds(Dense, st.integers(1, 6), st.just(size)), sizes_for(Sparse))), seed)
    here = Operand(p.matrix.structure, tuple(map(place, p.matrix.arrays)))
    bound = symmetric.gram_calls(KERNELS, here)
    with running():
        run(bound.calls)
    assert_allclose(on_host(bound.result), p.dense.T @ p.dense, rtol=1e-11)
    g = np.random.default_rng(seed).normal(size=(p.dense.shape[0],) * 2)
    bound = symmetric.congruence_calls(KERNELS, Operand(Dense(*g.shape), (place(g + g.T),)), here)
    with running():
        run(bound.calls)
    assert_allclose(on_host(bound.result), p.dense.T @ (g + g.T) @ p.dense, rtol=1e-10, atol=1e-12)
