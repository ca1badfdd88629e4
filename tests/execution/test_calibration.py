"""Calibration from beginning to end in a moment, what becomes of its times, and how programs are priced."""

import json
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import structure_chains
from strict_device import STRICT
from threadpoolctl import threadpool_limits

from jacchain.algebra.structure import stored
from jacchain.errors import OptionError
from jacchain.execution.backend import CPU
from jacchain.execution.calibration.calibrate import calibrate
from jacchain.execution.calibration.diagnosis import diagnosis
from jacchain.execution.calibration.given_chain import chain_of_layers, executable, given_layers
from jacchain.execution.calibration.products import grid_of
from jacchain.execution.calibration.timing import Stopwatch, Task
from jacchain.execution.calibration.verification import rank_correlation
from jacchain.execution.duration import program_seconds
from jacchain.planning.planner import plan
from jacchain.planning.pricing.profile import CURVES, Profile
from jacchain.planning.pricing.published import published_profile
from jacchain.planning.pricing.this_machine import differences, this_machine
from jacchain.report.calibration import PEAK, calibration_json, calibration_text

RATES = published_profile().rates_of(8)


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def calibration(told):
    with threadpool_limits(1):
        yield calibrate(CPU, seconds=0.3, dtypes=("float32",), progress=told.append)


def test_a_moment_is_enough_for_a_whole_profile(calibration):
    profile = calibration.profile
    assert Profile.from_json(profile.to_json()).machine == profile.machine
    assert differences(profile.machine, this_machine()) == []
    rates = profile.rates_of(4)
    assert [name for name, _ in rates.curves] == list(CURVES)
    assert min(rates.call, rates.turned, rates.grid.at(1, 1, 1)) > 0
    assert rates.grid.at(2000, 2000, 2000) > rates.grid.at(20, 20, 20)


def test_it_tells_how_much_is_done_and_verifies_itself(calibration, told):
    assert all(0 <= done <= 1 for done in told)
    assert told[-1] == 1
    assert told == sorted(told)
    (verified,) = calibration.verifications
    assert len({prediction.name for prediction in verified.predictions}) == len(verified.predictions) > 5
    assert all(min(prediction.predicted, prediction.measured) > 0 for prediction in verified.predictions)


def test_what_it_found_fits_a_terminal(calibration):
    text = calibration_text(calibration, "here.json")
    assert max(map(len, text.splitlines())) <= 80
    assert "stored in here.json" in text
    assert '"median_error"' in calibration_json(calibration, "here.json")


def test_what_was_not_measured_has_no_figure_and_a_bad_profile_is_called_one(calibration):
    (rates,), (verified,) = calibration.profile.rates, calibration.verifications
    assert rates.grid.sizes[-1] < PEAK
    assert "-  10⁹ multiply-adds/s" in calibration_text(calibration, "here.json")
    assert json.loads(calibration_json(calibration, "here.json"))["rates"][0]["products"] is None
    for error, is_bad in ((1.2, False), (1.4, True)):
        predictions = tuple(each._replace(predicted=error * each.measured) for each in verified.predictions)
        found = calibration._replace(verifications=(verified._replace(predictions=predictions),))
        assert ("-> errors above 25%" in calibration_text(found, "here.json")) == is_bad


def test_a_device_is_measured_without_hidden_copies_and_with_its_transfers():
    with threadpool_limits(1):
        found = calibrate(STRICT, seconds=0.1, dtypes=("float32",)).profile
    assert found.machine.device == str(STRICT.device)
    rates = found.rates_of(4)
    assert rates["to_device"].at(1 << 20) > rates["to_device"].at(1) > 0
    assert set(rates.ways.numbers) == {0}


@pytest.mark.parametrize("seconds", [0, -1.0, float("inf"), float("nan")])
def test_a_calibration_takes_some_time(seconds):
    with pytest.raises(OptionError, match="seconds is"):
        calibrate(CPU, seconds=seconds)


@settings(max_examples=20)
@given(data=st.data())
def test_grids_never_fall_and_have_all_cells_whatever_was_measured(data):
    sizes = 1, 2, 4
    shapes = [("plain", m, k, n) for m in sizes for k in sizes for n in sizes]
    kept = [*data.draw(st.lists(st.sampled_from(shapes), unique=True)), ("plain", 1, 1, 1)]
    times = {shape: data.draw(st.floats(1e-7, 1e-3)) for shape in kept}
    for name in ("far", "best"):
        times |= {(name, *shape[1:]): data.draw(st.floats(1e-7, 1e-3)) for shape in kept[::2]}
    grid = grid_of(sizes, times)
    for table in (grid.seconds, grid.plain):
        cube = np.array(table).reshape(3, 3, 3)
        assert all((np.diff(cube, axis=axis) >= 0).all() for axis in range(3))
    assert all(best <= plain for best, plain in zip(grid.seconds, grid.plain, strict=True))


def test_after_the_deadline_only_what_is_needed_is_timed():
    ran = []
    watch = Stopwatch(CPU, perf_counter)
    tasks = [Task(name, ((ran.append, (name,)),), 1.0, is_needed) for name, is_needed in (("a", True), ("b", False))]
    assert set(watch.race(tasks, perf_counter() - 1, tick=lambda: None)) == {"a"}
    assert set(ran) == {"a"}
    assert set(watch.race(tasks, perf_counter() + 0.01, tick=lambda: None)) == {"a", "b"}


def test_ranks_are_compared_as_spearman_does():
    assert rank_correlation([3.0, 1.0, 2.0], [30.0, 10.0, 20.0]) == 1
    assert rank_correlation([1.0, 2.0], [2.0, 1.0]) == -1
    assert rank_correlation([1.0], [5.0]) == 1


@given(structure_chains(least=2))
@settings(max_examples=15)
def test_a_program_takes_what_its_plan_does_and_what_every_run_does(structures):
    if any(not stored(structure) for structure in structures):
        return  # what is the identity is merged away, and has to be written out
    layers = given_layers(structures, np.dtype(float), CPU)
    found = plan(chain_of_layers(layers), profile=published_profile())
    program = executable(found, layers, np.dtype(float), CPU)
    seconds = program_seconds(RATES, program.program)
    assert seconds >= RATES.run
    wanted = found.seconds + RATES.run
    dense = sum(step.op == "expand" for step in program.program.instructions)
    assert seconds <= (wanted + 4 * dense * RATES.call) * (1 + 1e-9)


def test_a_given_chain_is_the_product_of_its_matrices():
    from jacchain.algebra.structure import Dense, Diagonal

    layers = given_layers([Dense(4, 3), Diagonal(4), Dense(2, 4)], np.dtype(float), CPU)
    program = executable(plan(chain_of_layers(layers)), layers, np.dtype(float), CPU)
    first, second, third = (layer.arrays[0] for layer in layers)
    np.testing.assert_allclose(program(np.zeros(3)), third @ np.diag(second) @ first)


def test_a_diagnosis_names_the_machine_and_the_profile_of_the_processor():
    found = diagnosis()
    assert found.machine == this_machine()
    assert found.profiles[0].device == "cpu"
    assert bool(found.devices) != bool(found.no_devices)
