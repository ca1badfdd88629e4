"""``jacchain run wine-hessian``: its tables, its JSON, and what it refuses."""

import json

import pytest


@pytest.fixture
def wine(call, monkeypatch):
    """Run ``jacchain run wine-hessian``, without looking at times."""
    monkeypatch.setattr("jacchain.workloads.wine_hessian._rounds", lambda _seconds: range(2))
    monkeypatch.setattr("jacchain.workloads.wine_hessian.BATCH_SECONDS", 0.0)
    return lambda *arguments: call("run", "wine-hessian", *arguments)


def test_it_prints_the_plan_all_planners_and_the_check(wine):
    code, out, err = wine("--check", "--hidden", "3")
    assert (code, err) == (0, "")
    for word in ("(42 x 42)", "13-3-1", "forward_over_reverse", "edge_pushing", "to the last bit", "spectrum"):
        assert word in out
    assert "agrees with central differences" in out
    assert "\nforward_over_forward  vertex 2 has 39 numbers: forward over forward pushes a" in out
    assert "fewer than planned: what" in out
    assert max(map(len, out.split("\n"))) <= 80


def test_as_json(wine):
    code, out, _ = wine("--planner", "edge_pushing", "--hidden", "2", "--json", "--check")
    found = json.loads(out)
    assert code == 0
    assert (found["schema"], found["planner"], found["sizes"]) == (
        "jacchain.wine-hessian/v1",
        "edge_pushing",
        [13, 2, 1],
    )
    assert found["counted"] <= found["flops"] == found["planners"]["edge_pushing"]["flops"]
    assert found["symmetric"]
    obstacles = {name: lap["obstacle"] for name, lap in found["planners"].items()}
    assert "pushes a tensor" in obstacles.pop("forward_over_forward")
    assert set(obstacles.values()) == {None}
    assert found["check"]["agrees"]
    assert found["eigenvalues"][0] <= found["eigenvalues"][1]


def test_training_by_newton_steps(wine):
    code, out, err = wine("--train", "--hidden", "2", "--epochs", "12")
    assert (code, err) == (0, "")
    assert "trust-ncg" in out
    assert "descent at rate" in out
    assert max(map(len, out.split("\n"))) <= 80
    code, out, _ = wine("--train", "--hidden", "2", "--epochs", "5", "--json")
    found = json.loads(out)
    assert found["schema"] == "jacchain.newton/v1"
    assert found["courses"][0]["steps"] == len(found["losses"]) - 1 == 5


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--planner", "sideways"], 2, "unknown planner 'sideways'"),
        (["--dims", "3,2"], 2, "--dims with wine-hessian"),
        (["--plan", "plan.json"], 2, "--plan with wine-hessian"),
        (["--hidden", "0"], 2, "hidden is 0"),
        (["--epochs", "3"], 2, "--epochs without --train"),
        (["--train", "--lr", "3"], 2, "--lr with wine-hessian"),
        (["--train", "--planner", "optimal"], 2, "--planner with wine-hessian --train"),
        (["--train", "--epochs", "0"], 2, "steps is 0"),
        (["--planner", "forward_over_forward"], 3, "forward over forward"),
    ],
)
def test_what_it_does_not_have_is_refused_in_two_lines(wine, arguments, code, message):
    found, out, err = wine(*arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert len(err.strip().split("\n")) == 2
