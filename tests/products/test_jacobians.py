"""Several Jacobians of one composition: each is the product of the local Jacobians between its two states."""

import copy
import pickle
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import compositions, structured_compositions
from strategies import pair_requests, seeds

import jacchain as jc
from jacchain.errors import NonFiniteError, OptionError, SizeError
from jacchain.execution.program import verify
from jacchain.layers import Linear, Reshape, Square, Tanh
from jacchain.planning.several.several import SHARED
from jacchain.products.several import jacobians


def states(f: jc.Sequential, x):
    found = [np.asarray(x)]
    for layer in f.layers:
        found.append(jc.Sequential([layer])(found[-1]))
    return found


@settings(max_examples=40, deadline=None)
@given(st.data(), structured_compositions(), st.sampled_from(sorted(SHARED)))
def test_every_request_is_the_product_of_the_local_jacobians_between(data, sample, planner):
    f = jc.Sequential(sample.layers)
    wanted = data.draw(pair_requests(len(sample.layers)))
    made = jacobians(f, wanted, planner=planner)
    plan = made.plan(sample.point)
    at = states(f, sample.point)
    for (output, source), found in zip(plan.requests, made(sample.point), strict=True):
        part = jc.Sequential(f.layers[source:output])
        np.testing.assert_allclose(found, jc.jacobian(part)(at[source]), rtol=1e-9, atol=1e-12)
    program = made.program(sample.point)
    verify(program)
    counted = made.count(sample.point)
    assert counted.multiplications == program.flops
    assert counted.nbytes <= program.peak + 64 == plan.peak + 64


@settings(max_examples=30, deadline=None)
@given(st.data(), compositions())
def test_layers_of_every_kind_are_taken_and_calls_do_not_disturb_each_other(data, sample):
    f = sample.layer
    made = jacobians(f, data.draw(pair_requests(len(f.layers))))
    first = made(sample.point)
    kept = [array.copy() for array in first]
    second = made(sample.point + 0.1)
    third = made(
        sample.point,
    )
    for one, same, two, again in zip(first, kept, second, third, strict=True):
        np.testing.assert_array_equal(one, same)
        np.testing.assert_array_equal(one, again)
        assert two.shape == one.shape
    at = states(f, sample.point)
    for (output, source), found in zip(made.plan(sample.point).requests, first, strict=True):
        expected = jc.jacobian(jc.Sequential(f.layers[source:output]))(at[source])
        assert found.shape == at[output].shape + at[source].shape
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_explicit_links_take_as_many_multiplications_as_planned(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 12, 6)
    f = jc.Sequential([Linear(rng.normal(size=(b, a))) for a, b in pairwise(sizes)])
    made = jacobians(f, "suffixes")
    x = rng.normal(size=sizes[0])
    assert made.count(x).multiplications == made.plan(x).flops


def test_large_results_are_not_written_over_while_somebody_holds_one_of_them():
    rng = np.random.default_rng(0)
    f = jc.Sequential([Linear(rng.normal(size=(60, 60))), Tanh(), Linear(rng.normal(size=(60, 60))), Tanh()])
    made = jacobians(f, "prefixes")
    held = [made(rng.normal(size=60))[2] for _ in range(6)]
    copies = [array.copy() for array in held]
    made(rng.normal(size=60))
    for array, same in zip(held, copies, strict=True):
        np.testing.assert_array_equal(array, same)


@pytest.mark.parametrize("requests", ["suffixes", "prefixes", [(4, 0), (2, 0), (4, 1)]])
def test_the_predicted_peak_bounds_what_is_really_held(requests):
    rng = np.random.default_rng(1)
    f = jc.Sequential([Linear(rng.normal(size=(150, 300))), Tanh(), Linear(rng.normal(size=(200, 150))), Tanh()])
    made = jacobians(f, requests)
    x = rng.normal(size=300)
    peak = made.plan(x).peak
    tracemalloc.start()
    try:
        made(x)
        measured = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert measured <= peak + 100_000  # calls and views are not counted
    assert peak <= 1.25 * measured


def test_what_is_asked_for_twice_is_not_one_array():
    f = jc.Sequential([Linear(np.eye(3)), Reshape((3,)), Square()])
    one, two, three = jacobians(f, [(3, 0), (3, 0), (3, 1)])(np.ones(3))
    one[...] = 0
    assert two.any()
    assert three.any()


def test_constant_local_jacobians_are_copied_out():
    weight = np.ones((2, 2))
    (found,) = jacobians(Linear(weight), "suffixes")(np.ones(2))
    found[...] = 7
    assert (weight == 1).all()


def test_single_precision_stays_single():
    f = jc.Sequential([Linear(np.ones((2, 3))), Tanh()])
    assert [a.dtype for a in jacobians(f, "suffixes")(np.ones(3, np.float32))] == [np.float32] * 2


def test_a_jacobians_object_survives_copying_and_pickling():
    made = jacobians(Tanh(), "suffixes")
    made(np.ones(2))
    for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        np.testing.assert_array_equal(again(np.ones(2))[0], made(np.ones(2))[0])
    made.release()
    assert repr(made) == "jacobians(Sequential([Tanh]), 'suffixes')"


def test_checking_names_the_layer():
    f = jc.Sequential([Square(), Tanh()])
    with pytest.raises(NonFiniteError, match=r"layer 1 \(Square\)"):
        jacobians(f, "suffixes", check=True)([1e300])


def test_bad_requests_are_refused():
    with pytest.raises(OptionError, match="the chain has the vertices 0 to 1"):
        jacobians(Tanh(), [(2, 0)])(np.ones(2))
    with pytest.raises(OptionError, match="unknown planner"):
        jacobians(Tanh(), "suffixes", planner="best")
    with pytest.raises(OptionError, match="cannot differentiate"):
        jacobians(np.tanh, "suffixes")
    with pytest.raises(SizeError):
        jacobians(Linear(np.eye(2)), "suffixes")(np.ones(3))


@pytest.mark.parametrize("requests", [None, 5])
def test_requests_that_are_no_pairs_are_refused_at_once(requests):
    with pytest.raises(OptionError, match="requests are"):
        jc.jacobians(jc.layers.Tanh(), requests)
