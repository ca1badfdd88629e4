"""Predicted seconds: curves, grids, every rule of the product table, profiles as documents, where they are kept."""

import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from math import fsum, inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import mixed_chains, structure_pairs

from jacchain.algebra.gemm_ways import GemmWay
from jacchain.algebra.product import PRODUCTS
from jacchain.algebra.structure import Dense, stored
from jacchain.errors import FileError, OptionError, ProfileWarning
from jacchain.planning.planner import plan
from jacchain.planning.pricing import store
from jacchain.planning.pricing.curve import as_curve, rising
from jacchain.planning.pricing.grid import Grid, as_grid
from jacchain.planning.pricing.prices import (
    gemm_seconds_many,
    product_seconds,
    sweep_seconds,
    way,
)
from jacchain.planning.pricing.profile import Machine, Profile
from jacchain.planning.pricing.published import published_profile
from jacchain.planning.pricing.this_machine import differences, this_machine
from jacchain.planning.pricing.way_table import LONG, SHORT, WayTable, no_ways

PROFILE = published_profile()
RATES = PROFILE.rates_of(8)
SIZES = st.integers(1, 40_000)


@given(st.lists(st.floats(1e-9, 1.0), min_size=2, max_size=6), SIZES, SIZES)
def test_measured_curves_never_fall_and_go_through_the_shortest_times(times, size, other):
    sizes = tuple(10**k for k in range(len(times)))
    curve = rising(sizes, tuple(times))
    assert all(seconds == min(times[k:]) for k, seconds in enumerate(curve.seconds))
    low, high = sorted((size, other))
    assert curve.at(low) <= curve.at(high) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("sizes", "seconds"), [((), ()), ((1, 2), (1.0,)), ((2, 1), (1.0, 2.0)), ((1,), (inf,)), ((1,), (0.0,))]
)
def test_curves_that_make_no_sense_are_refused(sizes, seconds):
    with pytest.raises(OptionError):
        as_curve(sizes, seconds)


@given(st.tuples(SIZES, SIZES, SIZES), st.integers(0, 2), st.integers(1, 1000))
def test_a_larger_product_never_takes_less(shape, axis, more):
    larger = tuple(size + more * (k == axis) for k, size in enumerate(shape))
    assert 0 < RATES.grid.at(*shape) <= RATES.grid.at(*larger) * (1 + 1e-12) < inf


@given(st.lists(st.tuples(SIZES, SIZES, SIZES), min_size=1, max_size=5), st.booleans())
def test_prices_of_many_products_are_those_of_each(shapes, plain):
    found = gemm_seconds_many(RATES, *np.array(shapes).T, plain=plain)
    np.testing.assert_allclose(found, [RATES.grid.at(*shape, plain=plain) for shape in shapes], rtol=1e-12)


@pytest.mark.parametrize("kinds", PRODUCTS, ids=lambda kinds: "-".join(kind.__name__ for kind in kinds))
@settings(max_examples=12)
@given(data=st.data())
def test_every_rule_of_the_product_table_has_a_positive_price(kinds, data):
    left, right = data.draw(structure_pairs(*kinds))
    stores = stored(left) and stored(right)
    assert (0 < product_seconds(RATES, left, right) < 1e-2) if stores else product_seconds(RATES, left, right) >= 0


@given(mixed_chains())
@settings(max_examples=25)
def test_a_plan_takes_the_seconds_of_its_nodes(chain):
    found = plan(chain, profile=PROFILE)
    assert found.seconds == fsum(found.step_seconds)
    assert all(seconds >= 0 for seconds in found.step_seconds)


def test_slices_take_the_seconds_of_all_of_them():
    whole, sliced = (plan([4000, 3000, 2000], profile=PROFILE, chunk_size=size) for size in (None, 1000))
    assert sliced.seconds == pytest.approx(whole.seconds, rel=0.2)


@given(mixed_chains(), st.integers(1, 50))
@settings(max_examples=25)
def test_more_tangents_never_take_less(chain, columns):
    for link in chain.links:
        one, more = (sweep_seconds(RATES, link, count, "tangent") for count in (columns, columns + 1))
        assert 0 < one <= more * (1 + 1e-12)


def test_a_dense_product_is_priced_in_the_grid_and_made_in_the_way_of_the_table():
    count = len(no_ways().numbers)
    panels = WayTable((GemmWay("matmul"), GemmWay("rows", 64)), (1,) * count)
    grid = Grid((1, 4), (1e-6,) * 8, (2e-6,) * 8)
    rates = replace(RATES, grid=grid, ways=panels)
    assert product_seconds(rates, Dense(3, 2), Dense(2, 4)) == pytest.approx(1e-6)
    assert product_seconds(rates, Dense(3, 2), Dense(2, 4), plain=True) == pytest.approx(2e-6)
    assert way(rates, LONG[3], SHORT[3], LONG[3]) == GemmWay("rows", 64)
    assert way(rates, 2, 2, 2) is None


@pytest.mark.parametrize(
    ("sizes", "count", "time"), [((1,), 1, 1.0), ((2, 4), 8, 1.0), ((1, 4), 7, 1.0), ((1, 4), 8, 0.0)]
)
def test_grids_that_make_no_sense_are_refused(sizes, count, time):
    with pytest.raises(OptionError):
        as_grid(sizes, (time,) * count, (time,) * count)


def test_a_profile_survives_its_document():
    shipped = store.shipped()
    for profile in (PROFILE, shipped):
        again = Profile.from_json(profile.to_json())
        assert again.machine == profile.machine
        assert again.rates_of(4).curves == profile.rates_of(4).curves
        assert again.rates_of(4).ways == profile.rates_of(4).ways
        shape = 13, 100, 7
        assert again.rates_of(8).grid.at(*shape) == pytest.approx(profile.rates_of(8).grid.at(*shape), 1e-3)
        assert Profile.from_json(again.to_json()) == again
        assert hash(again) == hash(Profile.from_json(again.to_json()))


def test_a_profile_without_the_dtype_says_so():
    with pytest.raises(OptionError, match="not numbers of 2 bytes"):
        PROFILE.rates_of(2)


def broken(**changes):
    document = json.loads(PROFILE.to_json())
    for path, value in changes.items():
        *where, last = path.split("__")
        found = document
        for step in where:
            found = found[int(step)] if step.isdecimal() else found[step]
        found[last] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{", "not JSON"),
        ('{"schema": "jacchain.plan/v1"}', r"jacchain\.plan/v1"),
        (broken(date="today"), r"\$\.date"),
        (broken(rates=[]), r"\$\.rates"),
        (broken(rates__0__dtype="float16"), r"\$\.rates\[0\]\.dtype"),
        (broken(rates__0__call=-1.0), r"\$\.rates\[0\]\.call"),
        (broken(rates__1__curves={}), r"\$\.rates\[1\]\.curves"),
        (broken(rates__1__curves__copy={"sizes": [2, 1], "seconds": [1.0, 2.0]}), r"\$\.rates\[1\]\.curves\.copy"),
        (broken(rates__0__products__sizes=[1, 2]), r"\$\.rates\[0\]\.products"),
        (broken(rates__0__ways__ways=["sideways 3"]), r"\$\.rates\[0\]\.ways"),
        (broken(rates__0__ways__numbers=[7]), r"\$\.rates\[0\]\.ways"),
        (broken(machine__cores="two"), r"\$\.machine\.cores"),
        (broken(machine__colour="red"), r"\$\.machine"),
    ],
)
def test_documents_that_are_wrong_name_the_place(text, place):
    with pytest.raises(FileError, match=place):
        Profile.from_json(text)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv(store.VARIABLE, raising=False)
    monkeypatch.setattr(store, "cache_directory", lambda: tmp_path / "cache" / "jacchain")
    store.warn_of_differences.cache_clear()
    return tmp_path


def measured_here(**changes):
    return replace(PROFILE, machine=this_machine()._replace(**changes), is_shipped=False, is_measured=True)


def test_the_calibrated_profile_is_in_use_and_before_it_the_shipped_one(cache):
    assert store.current().is_shipped
    assert not store.current("cuda:1").is_measured
    (cache / "cache").mkdir()
    store.check_place(store.place())
    store.save(measured_here(), store.place())
    assert not store.current().is_shipped
    assert store.current("cuda").is_shipped
    assert [path.name for path in store.place().parent.iterdir()] == ["profile-cpu.json"]


def test_a_variable_names_another_file(cache, monkeypatch):
    monkeypatch.setenv(store.VARIABLE, str(cache / "own.json"))
    with pytest.raises(FileError, match="there is no profile at"):
        store.current()
    store.save(measured_here(), cache / "own.json")
    assert store.current().name == PROFILE.name
    assert store.place("cuda:1").name == "profile-cuda-1.json"
    assert store.place("cuda") == store.place("cuda:0")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"processor": "Another"}, "the processor Another, here "),
        ({"threads": 77}, "77 BLAS threads, here "),
        ({"jacchain": "0.0.1"}, "jacchain 0.0.1, here "),
        ({"numpy": "1.0"}, "NumPy 1.0, here "),
    ],
)
def test_a_profile_of_another_machine_is_used_with_a_warning_that_comes_once(cache, change, what):
    store.save(measured_here(**change), cache / "p.json")
    with pytest.warns(ProfileWarning, match=what) as found:
        store.as_profile(cache / "p.json")
    assert "jacchain calibrate" in str(found[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.as_profile(str(cache / "p.json"))


def test_what_is_not_known_of_a_machine_is_not_held_against_it():
    there = Machine("A", 8, "Linux", "openblas 0.3", 8, "2.1", "1.0")
    assert differences(there, there._replace(threads=0, blas="")) == []
    assert len(differences(there, Machine("B", 4, "Windows", "mkl 1", 4, "2.2", "2.0", "cuda:0"))) == 8


def test_a_profile_may_be_given_in_many_ways(cache):
    store.save(measured_here(), cache / "p.json")
    document = PROFILE.to_json()
    for given_ in (PROFILE, str(cache / "p.json"), cache / "p.json", document, document.encode(), json.loads(document)):
        assert store.as_profile(given_).name == PROFILE.name
    assert store.as_profile(None).is_shipped
    with pytest.raises(OptionError, match="profile is 3"):
        store.as_profile(3)
    with pytest.raises(FileError, match="cannot read the profile"):
        store.as_profile(cache / "none.json")


@pytest.mark.parametrize("text", ["", "a\0b"])
def test_names_of_no_file_are_refused(cache, text):
    with pytest.raises((FileError, OptionError), match="profile"):
        store.as_profile(text)
    if text:
        with pytest.raises(FileError, match="cannot write"):
            store.save(PROFILE, text)


def test_every_form_of_a_foreign_profile_is_warned_of(cache):
    for k in range(4):
        foreign = replace(measured_here(threads=77), name=f"foreign {k}")
        store.save(foreign, cache / "p.json")
        forms = foreign, foreign.to_json(), json.loads(foreign.to_json()), cache / "p.json"
        with pytest.warns(ProfileWarning, match="77 BLAS threads"):
            store.as_profile(forms[k])


def test_the_threads_of_the_blas_are_known_before_anything_else_loads_it(tmp_path):
    store.save(measured_here(threads=77), tmp_path / "p.json")
    command = [sys.executable, "-m", "jacchain", "plan", "--dims", "5,4,3", "--profile", str(tmp_path / "p.json")]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "77 BLAS threads, here " in found.stderr


def test_a_device_is_chosen_by_a_dependable_profile_without_a_word(cache, monkeypatch):
    assert store.dependable("cpu", 8).is_shipped
    only = replace(measured_here(), rates=PROFILE.rates[:1])
    store.save(only, store.place())
    assert not store.dependable("cpu", only.rates[0].itemsize).is_shipped
    assert store.dependable("cpu", 12 - only.rates[0].itemsize).is_shipped
    store.save(measured_here(threads=77), store.place())
    assert store.dependable("cpu", 8).is_shipped
    with pytest.warns(ProfileWarning):  # it is not taken for said
        store.current()
    store.place().write_text("{}")
    assert store.dependable("cpu", 8).is_shipped
    monkeypatch.setenv(store.VARIABLE, str(cache / "none.json"))
    assert store.dependable("cpu", 8).is_shipped


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="caches lie elsewhere there")
def test_the_cache_directory_may_be_a_link_and_is_never_relative(tmp_path, monkeypatch):
    monkeypatch.delenv(store.VARIABLE, raising=False)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "link"))
    store.check_place(store.place())
    store.save(measured_here(), store.place())
    assert (tmp_path / "real" / "jacchain" / "profile-cpu.json").is_file()
    mask = os.umask(0)
    os.umask(mask)
    assert store.place().stat().st_mode & 0o777 == 0o666 & ~mask
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.cache_directory() == tmp_path / ".cache" / "jacchain"


def test_a_variable_that_names_a_directory_is_told_so(cache, monkeypatch):
    monkeypatch.setenv(store.VARIABLE, str(cache))
    with pytest.raises(FileError) as found:
        store.current()
    assert found.value.cure.startswith("name a file with JACCHAIN_PROFILE")


def test_a_profile_prints_shortly():
    shipped = store.shipped()
    for value in (shipped, shipped.rates[0], shipped.rates[0].grid, shipped.rates[0].ways):
        assert len(repr(value)) < 120


def test_a_profile_that_cannot_be_written_leaves_what_was_there(cache, monkeypatch):
    target = cache / "p.json"
    target.write_text("kept")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.save(PROFILE, target)
    assert target.read_text() == "kept"
    assert [path.name for path in cache.iterdir()] == ["p.json"]
    for path in (cache / "no" / "p.json", cache):
        with pytest.raises(FileError, match="cannot write "):
            store.check_place(path)
