"""The built-in problems: their data, their sizes, and the race between orders."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jacchain as jc
from jacchain.errors import OptionError, SizeError
from jacchain.workloads.differences import compare
from jacchain.workloads.race import race
from jacchain.workloads.wine import wine_data
from jacchain.workloads.workload import WORKLOADS, Settings, workload


def test_the_wine_data_is_standardised_as_its_description_says():
    features, targets = wine_data()
    assert features.shape == (13, 178)
    assert targets.shape == (1, 178)
    assert_allclose(features[:3, 0], [1.51434, -0.560668, 0.2314], rtol=1e-5)
    assert_allclose(features.mean(1), 0, atol=1e-14)
    assert_allclose(features.std(1, ddof=1), 1)
    assert np.unique(targets).tolist() == [-1, 0, 1]


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_workload_agrees_with_central_differences(name, dtype):
    dims = None if name == "wine" else (12, 5, 3, 9)
    problem = workload(name, Settings(dims=dims, dtype=dtype, seed=3))
    found = problem.derivative("optimal")(problem.point)
    assert found.dtype == dtype
    assert compare(problem.function, problem.point, found).agrees
    assert not compare(problem.function, problem.point, found * 1.01).agrees


@pytest.mark.parametrize("hidden", [1, 2, 64])
def test_wine_takes_any_number_of_hidden_units(hidden):
    problem = workload("wine", Settings(hidden=hidden))
    gradient = problem.derivative("optimal")(problem.point)
    assert gradient.shape == (hidden, 13)
    assert compare(problem.function, problem.point, gradient).agrees


def test_nan_never_agrees():
    f = jc.Sequential([jc.Function(lambda x: x * np.nan, jacobian=lambda x: np.eye(2), outputs=2)])
    assert not compare(f, np.ones(2), np.eye(2)).agrees


def test_a_large_problem_is_compared_at_random_columns():
    problem = workload("autoencoder", Settings(dims=(600, 2, 3)))
    found = compare(problem.function, problem.point, problem.derivative("optimal")(problem.point))
    assert (found.columns, found.inputs, found.agrees) == (512, 600, True)


def test_seeds_make_workloads_repeatable():
    first, second, other = (workload("chain", Settings(seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.point, second.point)
    assert first.notes != other.notes
    assert first.derivative("optimal").plan(first.point) == second.derivative("optimal").plan(second.point)


def test_the_race_predicts_what_it_counts():
    problem = workload("autoencoder", Settings(dims=(30, 8, 2, 8, 30)))
    ticks = []
    laps = race(problem, ["optimal", "forward", "reverse"], seconds=0, tick=lambda: ticks.append(1))
    assert [lap.planner for lap in laps] == ["optimal", "forward", "reverse"]
    assert len(ticks) == 9
    for lap in laps:
        assert lap.predicted_flops == lap.counted_flops == lap.plan.flops
        assert lap.predicted_peak == lap.counted_peak
        assert lap.milliseconds > 0
    assert laps[0].predicted_flops < min(lap.predicted_flops for lap in laps[1:])


@pytest.mark.parametrize(
    ("name", "settings", "error", "message"),
    [
        ("wines", Settings(), OptionError, "did you mean 'wine'"),
        ("wine", Settings(dims=(3, 2)), OptionError, "no sizes of its own"),
        ("chain", Settings(hidden=3), OptionError, "chain has no hidden size"),
        ("wine", Settings(hidden=0), SizeError, "hidden is 0"),
        ("chain", Settings(dims=(3,)), SizeError, "1 size cannot make a link"),
        ("chain", Settings(dims=(3, 0)), SizeError, "size d_1 is 0"),
        ("chain", Settings(seed=-1), OptionError, "seed -1 is negative"),
        ("wine", Settings(dtype="float16"), OptionError, "unknown dtype 'float16'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(name, settings, error, message):
    with pytest.raises(error, match=message):
        workload(name, settings)
