"""``jacchain run lorenz96`` and ``jacchain run burgers``."""

import json

import pytest


@pytest.mark.parametrize("name", ["lorenz96", "burgers"])
def test_a_simulation_shows_its_orders_and_the_check(call, name):
    code, out, err = call("run", name, "--steps", "4", "--n", "12", "--check")
    assert (code, err) == (0, "")
    assert "check     agrees with central differences" in out
    assert all(f"\n{order} " in out for order in ("auto", "forward", "reverse"))
    assert max(map(len, out.split("\n"))) <= 80


def test_a_simulation_as_json_has_the_whole_jacobian(call):
    code, out, _ = call("run", "burgers", "--steps", "3", "--n", "9", "--json", "--planner", "reverse")
    document = json.loads(out)
    assert (code, document["schema"], document["check"]) == (0, "jacchain.simulation/v1", None)
    assert [len(row) for row in document["jacobian"]] == [4, 4, 4]
    assert list(document["orders"]) == ["reverse", "forward"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wine", "--steps", "3"], "--steps without a simulation"),
        (["lorenz96", "--dims", "3,2"], "--dims with a simulation"),
        (["lorenz96", "--n", "3"], "3 states on the circle"),
        (["burgers", "--seed", "1"], "--seed with burgers"),
        (["burgers", "--planner", "meet"], "unknown planner 'meet'"),
        (["burgers", "--train"], "--train with a simulation"),
        (["lorenz96", "--problem", "hs071"], "--problem without lagrangian"),
        (["lorenz96", "--dtype", "float16"], "unknown dtype 'float16'"),
        (["lorenz96", "--steps", "0"], "the number of steps"),
    ],
)
def test_wrong_options_of_a_simulation_are_refused(call, arguments, message):
    code, out, err = call("run", *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_a_run_says_where_it_ran_and_what_a_card_would_take(call):
    code, out, _ = call("run", "wine", "--device", "cpu")
    assert code == 0
    assert "\ndevice    cpu, " in out
    assert "a card is predicted to take" in out
    assert "hidden units on" in out
    assert "not measured" in out or "cuda" in out
    assert max(map(len, out.split("\n"))) <= 80
    document = json.loads(call("run", "wine", "--json")[1])["device"]
    assert document["forecast"]["launches"] > 5
    assert document["hidden"] > 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wine", "--device", "tpu"], "unknown device 'tpu'"),
        (["wine", "--train", "--device", "cpu"], "--device with a problem of its own"),
        (["lorenz96", "--device", "cpu:1"], "unknown device 'cpu:1'"),
    ],
)
def test_devices_that_do_not_exist_are_refused(call, arguments, message):
    code, _, err = call("run", *arguments)
    assert code in (1, 2)
    assert message in err
