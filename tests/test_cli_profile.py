"""``jacchain calibrate`` and ``jacchain doctor``."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from threadpoolctl import threadpool_limits

from jacchain.cli import calibrate
from jacchain.planning.pricing import store
from jacchain.planning.pricing.published import published_profile
from jacchain.planning.pricing.this_machine import this_machine


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv(store.VARIABLE, raising=False)
    monkeypatch.setattr(store, "cache_directory", lambda: tmp_path / "jacchain")
    monkeypatch.setattr(calibrate, "LEAST", 0.1)  # more takes longer
    with threadpool_limits(1):  # threads that wait for one another take long where the suite has the other processors
        yield tmp_path


def test_calibrating_stores_a_profile_that_doctor_then_finds(call, cache):
    before = call("doctor")[1]
    assert "the shipped one" in before
    code, out, _ = call("calibrate", "--seconds", "0.2")
    assert code == 0
    assert f"stored in {cache / 'jacchain' / 'profile-cpu.json'}" in out
    assert "measured today, of this machine" in " ".join(call("doctor")[1].split())
    assert not store.current().is_shipped


def test_a_profile_goes_where_it_is_wanted_and_nothing_is_measured_for_a_place_that_cannot_be_written(call, cache):
    target = str(cache / "own.json")
    code, out, _ = call("calibrate", "--seconds", "0.2", "-o", target, "--json")
    assert code == 0
    assert json.loads(out)["stored"] == target
    assert store.load(target).rates_of(8).dtype == "float64"
    code, _, err = call("calibrate", "-o", str(cache / "none" / "own.json"))
    assert (code, err.splitlines()[0].startswith("error: cannot write ")) == (1, True)


@pytest.mark.parametrize(
    ("options", "code", "what"),
    [
        (("--seconds", "0"), 2, "--seconds is 0"),
        (("--seconds", "nan"), 2, "--seconds is nan"),
        (("--seconds", "0.01"), 2, "give at least 0.1"),
        (("-o", ""), 2, "--output is '', not a file"),
        (("-o", "-"), 2, "--output is '-', not a file"),
        (("--device", "gpu"), 1, "unknown device 'gpu'"),
        (("--device", "auto"), 2, "--device auto"),
    ],
)
def test_a_wrong_command_line_measures_nothing(call, cache, options, code, what):
    found, _, err = call("calibrate", *options)
    assert found == code
    assert what in err


def test_doctor_tells_what_is_wrong_with_a_profile(call, cache):
    machine = this_machine()._replace(threads=77)
    old = (date.today() - timedelta(days=400)).isoformat()
    profile = replace(published_profile(), machine=machine, date=old, is_shipped=False, is_measured=True)
    (cache / "jacchain").mkdir()
    store.save(profile, store.place())
    code, out, _ = call("doctor")
    words = " ".join(out.split())
    assert code == 0
    assert f"measured 400 days ago, measured with 77 BLAS threads, here {this_machine().threads}" in words
    assert "-> jacchain calibrate" in words
    assert all(len(line) <= 80 for line in out.splitlines() if str(cache) not in line)
    store.place().write_text("{}")
    assert "states no schema" in " ".join(call("doctor")[1].split())


def test_doctor_speaks_json(call, cache):
    code, out, _ = call("doctor", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["machine"]["jacchain"]
    assert found["profiles"][0]["is_shipped"]
    assert bool(found["cuda"]) != bool(found["no_cuda"])
    assert set(found["extras"]) == {"plot", "nlp", "coloring"}
