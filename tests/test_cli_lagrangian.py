"""`jacchain run lagrangian`: what it prints, and what it refuses."""

import json
import sys

import pytest

from jacchain.workloads import differences


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Times are not looked at here."""
    monkeypatch.setattr("jacchain.workloads.nonlinear.figures.ROUNDS", 1)


@pytest.mark.parametrize("arguments", [["hs071"], ["rosenbrock", "--n", "30"], ["cartpole", "--n", "20"]])
def test_a_problem_is_measured_solved_and_checked(call, arguments):
    pytest.importorskip("pounce")
    code, out, err = call("run", "lagrangian", "--problem", *arguments, "--check")
    assert (code, err) == (0, "")
    assert max(map(len, out.split("\n"))) <= 80
    assert "pounce    exact " in out
    assert out.count("optimum") == 2
    assert out.count("agrees with central") == 3
    assert all(f"\n{name} " in out for name in ("f", "∇f", "g", "∇g", "∇²L", "together"))


def test_the_same_as_json(call):
    pytest.importorskip("pounce")
    code, out, _ = call("run", "lagrangian", "--problem", "hs071", "--json", "--planner", "edge_pushing")
    found = json.loads(out)
    assert (code, found["schema"], found["check"]) == (0, "jacchain.lagrangian/v1", None)
    assert (found["variables"], found["constraints"], found["hessian_nonzeros"]) == (4, 2, 10)
    assert [(one["curvature"], one["optimal"]) for one in found["solutions"]] == [("exact", True), ("L-BFGS", True)]
    assert set(found["calls"]) == {"f", "∇f", "g", "∇g", "∇²L", "together"}


def test_without_a_solver_the_rest_is_shown(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "pounce", None)
    code, out, _ = call("run", "lagrangian", "--problem", "hs071", "--check")
    assert code == 0
    assert "solver    none is installed; install the extra: pip install 'jacchain[nlp]'" in out
    assert "agrees with central" in out


def test_a_failed_check_has_its_own_exit_code(call, monkeypatch):
    monkeypatch.setattr(differences.Difference, "agrees", False)
    code, out, err = call("run", "lagrangian", "--problem", "hs071", "--check")
    assert code == 4
    assert "DIFFERS FROM central" in out
    assert "error: ∇f differs from central differences" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lagrangian"], "lagrangian without --problem\n  give --problem hs071|rosenbrock|cartpole"),
        (
            ["lagrangain"],
            "unknown workload 'lagrangain'\n  did you mean 'lagrangian'? valid: wine, autoencoder",
        ),
        (["wine-hesian"], "did you mean 'wine-hessian'? valid: wine, autoencoder, chain, wine-hessian, lagrangian"),
        (["wine", "--planner", "edge_pushing"], "it plans second derivatives, for wine-hessian and lagrangian"),
        ([], "Missing argument wine|autoencoder|chain|wine-hessian|lagrangian"),
        (["lagrangian", "--problem", "hs72"], "unknown problem 'hs72'"),
        (["lagrangian", "--problem", "hs071", "--n", "5"], "hs071 has four variables, not 5"),
        (["lagrangian", "--problem", "rosenbrock", "--n", "-3"], "n is -3, not a positive integer"),
        (["lagrangian", "--problem", "cartpole", "--n", "1"], "1 interval cannot swing up the pole"),
        (["lagrangian", "--problem", "hs071", "--dims", "3,2"], "--dims with lagrangian"),
        (["lagrangian", "--problem", "hs071", "--seed", "3"], "--seed with lagrangian"),
        (["lagrangian", "--problem", "hs071", "--train"], "--train with lagrangian"),
        (["lagrangian", "--problem", "hs071", "--planner", "meet"], "unknown planner 'meet'"),
        (["wine", "--problem", "hs071"], "--problem without lagrangian"),
        (["wine", "--n", "3"], "--n without lagrangian"),
    ],
)
def test_what_does_not_fit_together_is_refused(call, arguments, message):
    code, out, err = call("run", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 2


def test_a_missed_optimum_fails_the_check(call, monkeypatch):
    pytest.importorskip("pounce")
    where = "jacchain.workloads.nonlinear.program.NonlinearProgram.is_optimum"
    monkeypatch.setattr(where, lambda _program, _value, relative=0.0: False)
    code, out, err = call("run", "lagrangian", "--problem", "hs071", "--check")
    assert code == 4
    assert "solved" in out
    assert "the solver misses the optimum, 17.0140173" in err
    assert call("run", "lagrangian", "--problem", "hs071")[0] == 0
