"""What was made for a function serves its next call only where nothing that it reads can have changed."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jacchain as jc
from jacchain.functions.surroundings import surroundings

FACTOR = 2.0
ARRAY = np.ones(3)


def square(x):
    return x * x


def scaled(x):
    return np.sum(FACTOR * square(x) * x)


def weighted(x):
    return np.sum(ARRAY * x**3)


def through(x):
    return weighted(x) + 0.0


def with_default(x, a=ARRAY):
    return np.sum(a * x**3)


X, V = np.array([1.0, 2.0, 3.0]), np.ones(3)


@pytest.mark.parametrize("run", [jc.hvp, jc.jvp], ids=["hvp", "jvp"])
def test_another_number_behind_a_global_name_is_noticed(run, monkeypatch):
    first = run(scaled, X, V)
    monkeypatch.setitem(globals(), "FACTOR", 6.0)
    assert_allclose(run(scaled, X, V), 3 * first)


@pytest.mark.parametrize("run", [jc.hvp, jc.jvp], ids=["hvp", "jvp"])
def test_another_function_behind_a_global_name_is_noticed(run, monkeypatch):
    first = run(scaled, X, V)
    monkeypatch.setitem(globals(), "square", lambda x: 5 * x * x)
    assert_allclose(run(scaled, X, V), 5 * first)


@pytest.mark.parametrize("run", [jc.hvp, jc.jvp], ids=["hvp", "jvp"])
@pytest.mark.parametrize("f", [weighted, through, with_default])
def test_arrays_may_be_written_into(run, f):
    first = run(f, X, V)
    ARRAY[...] = 4
    try:
        assert_allclose(run(f, X, V), 4 * first)
    finally:
        ARRAY[...] = 1


def test_what_may_change_where_it_is_has_no_surroundings():
    assert surroundings(scaled) is not None
    assert surroundings(weighted) is surroundings(through) is surroundings(with_default) is None
    assert surroundings(np.sin) is None
    k = 3
    assert surroundings(lambda x: x * k) is None
