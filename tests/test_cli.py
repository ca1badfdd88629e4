"""The command line as its users meet it: output, exit codes, and two lines for every error."""

import json
import os
import subprocess
import sys

import pytest

import jacchain as jc
from jacchain import cli
from jacchain.planning.document import chain_to_json

CHAIN = jc.Chain(
    [jc.Link(6, 6, structure="diagonal", name="scale"), jc.Link(6, 3), jc.Link(3, 3, structure="identity")]
)


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the command line in this process; returns (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["jacchain", *arguments])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_plan_prints_the_order_its_rivals_and_the_reason(call):
    code, out, err = call("plan", "--dims", "784,256,32,256,784")
    assert (code, err) == (0, "")
    assert "order     ((J4 J3) (J2 J1))" in out
    assert "forward       170,196,992    5.23" in out
    assert "the waist d_2 = 32" in out
    assert max(map(len, out.split("\n"))) <= 80
    assert "\x1b" not in out


def test_plan_as_json_is_the_plan(call):
    code, out, _ = call("plan", "--dims", "13,16,1", "--json")
    assert code == 0
    assert jc.Plan.from_json(out) == jc.plan([13, 16, 1])


@pytest.mark.parametrize("planner", ["forward", "reverse", "meet", "inward", "waist", "optimal", "exhaustive"])
def test_every_planner_may_be_asked_for(call, planner):
    code, out, _ = call("plan", "--dims", "7,3,5,2,6", "--planner", planner, "--json")
    assert (code, json.loads(out)["planner"]) == (0, planner)


def test_a_chain_file_is_planned_from_a_path_or_a_pipe(call, tmp_path, monkeypatch):
    path = tmp_path / "chain.json"
    path.write_text(chain_to_json(CHAIN))
    wanted = jc.plan(CHAIN)
    code, out, _ = call("plan", str(path), "--json")
    assert (code, jc.Plan.from_json(out)) == (0, wanted)
    process = subprocess.run(
        [sys.executable, "-m", "jacchain", "plan", "-", "--json"],
        input=chain_to_json(CHAIN),
        capture_output=True,
        text=True,
        check=True,
    )
    assert jc.Plan.from_json(process.stdout) == wanted


def test_seeds_are_planned(call):
    code, out, _ = call("plan", "--dims", "30,40,50", "--tangents", "1", "--adjoints", "2", "--json")
    assert (code, json.loads(out)["flops"]) == (0, jc.plan([30, 40, 50], tangents=1, adjoints=2).flops)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["plan"], 2, "no chain to plan\n  give either --dims"),
        (["plan", "x.json", "--dims", "3,2"], 2, "a FILE and --dims together"),
        (["plan", "--dims", "13,0,1"], 2, "size d_1 is 0, not a positive integer\n  give whole"),
        (["plan", "--dims", "13,-4"], 2, "size d_1 is -4"),
        (["plan", "--dims", "13,1.5"], 2, "'1.5' in --dims is not a whole number"),
        (["plan", "--dims", "13,,1"], 2, "'' in --dims"),
        (["plan", "--dims=--13,1"], 2, "'--13' in --dims"),
        (["plan", "--dims", "9" * 5000 + ",1"], 2, "in --dims is not a whole number"),
        (["plan", "--dims", "13"], 2, "1 size cannot make a link\n  give at least two"),
        (["plan", "--dims", "13,1", "--planner", "optimum"], 2, "unknown planner 'optimum'\n  did you mean 'optimal'?"),
        (["plan", "--dims", "13,1", "--tangents", "0"], 2, "--tangents is 0"),
        (["plan", "--dims", "13,1", "--planner", "meet"], 3, "meet needs an interior vertex"),
        (
            ["plan", "--dims", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "--planner", "exhaustive"],
            3,
            "exhaustive tries every order",
        ),
        (["plan", "missing.json"], 1, "cannot read missing.json: No such file or directory\n  give the path"),
        (["plan", "--sizes", "3"], 2, "No such option"),
        (["paln"], 2, "paln"),
        (["run", "wines"], 2, "unknown workload 'wines'\n  did you mean 'wine'?"),
        (["run", "chain", "--hidden", "3"], 2, "chain has no hidden size"),
        (["run", "wine", "--dtype", "float16"], 2, "unknown dtype 'float16'"),
        (["run", "wine", "--seed", "-1"], 2, "seed -1 is negative"),
        (["run"], 2, "Missing argument"),
        (["completion", "tcsh"], 2, "tcsh"),
    ],
)
def test_every_error_is_what_and_how_to_mend_it(call, arguments, code, message):
    got, out, err = call(*arguments)
    assert (got, out) == (code, "")
    assert message in err
    assert err.startswith("error: ")
    assert "Traceback" not in err
    assert err.count("\n") == 2


@pytest.mark.parametrize(
    "text", ["{", '{"schema": "other/v1"}', '{"schema": "jacchain.chain/v1", "links": [{"inputs": 3}]}']
)
def test_a_wrong_file_is_an_error_that_names_it(call, tmp_path, text):
    path = tmp_path / "chain.json"
    path.write_text(text)
    code, out, err = call("plan", str(path), "--json")
    assert (code, out) == (1, "")
    assert f"error: {path}" in err


def test_debug_shows_the_traceback(call):
    _, _, err = call("--debug", "plan", "missing.json")
    assert "Traceback" in err
    assert "error: cannot read missing.json" in err


def test_an_unforeseen_error_is_no_traceback_either(call, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("boom")

    monkeypatch.setattr(cli, "plan", broken)
    code, out, err = call("plan", "--dims", "3,2")
    assert (code, out, err) == (
        1,
        "",
        "error: RuntimeError: boom\n  run again with 'jacchain --debug ...' to see where\n",
    )


def test_run_shows_the_gradient_its_rivals_and_the_check(call):
    code, out, _ = call("run", "wine", "--check", "--hidden", "4")
    assert code == 0
    assert "first standardised column: 1.51434, -0.560668, 0.2314" in out
    assert "gradient of the mean squared error with respect to W1 (4 x 13)" in out
    assert "check     agrees with central differences" in out
    assert all(f"\n{order} " in out for order in ("optimal", "forward", "reverse"))
    assert max(map(len, out.split("\n"))) <= 80


@pytest.mark.parametrize("name", ["autoencoder", "chain"])
def test_run_as_json(call, name):
    code, out, _ = call("run", name, "--dims", "20,3,20", "--check", "--json", "--planner", "meet")
    document = json.loads(out)
    assert (code, document["schema"], document["workload"], document["check"]["agrees"]) == (
        0,
        "jacchain.run/v1",
        name,
        True,
    )
    assert list(document["orders"]) == ["meet", "forward", "reverse"]
    assert document["orders"]["meet"]["flops"] == document["orders"]["meet"]["counted_flops"]


def test_a_failed_check_is_printed_and_has_its_own_exit_code(call, monkeypatch):
    from jacchain.workloads import differences

    monkeypatch.setattr(differences.Difference, "agrees", False)
    code, out, err = call("run", "wine", "--check")
    assert code == 4
    assert "DIFFERS FROM central differences" in out
    assert "error: the derivative differs" in err


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--help"], ["run", "-h"], ["completion", "--help"]])
def test_help_begins_with_examples(call, arguments):
    code, out, _ = call(*arguments)
    assert code == 0
    assert out.startswith("Examples:\n  ")
    assert "Usage: jacchain" in out
    assert max(map(len, out.split("\n"))) <= 80


def test_no_command_shows_the_help(call):
    code, out, err = call()
    assert (code, err) == (2, "")
    assert out.startswith("Examples:")


def test_the_version_is_the_package_s(call):
    assert call("--version") == (0, f"jacchain {jc.__version__}\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(call, shell):
    code, out, _ = call("completion", shell)
    assert code == 0
    assert "_JACCHAIN_COMPLETE" in out


def test_headings_are_bold_on_a_terminal_unless_colour_is_unwelcome(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert cli._styled("chain     3 → 2\n") == "\x1b[1mchain\x1b[0m     3 → 2\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert cli._styled("chain     3 → 2\n") == "chain     3 → 2\n"


def test_progress_is_silent_where_nobody_watches(capsys):
    with cli._progress("running") as tick:
        tick()
    assert capsys.readouterr() == ("", "")


def test_a_closed_pipe_is_no_traceback():
    command = f"{sys.executable} -m jacchain plan --dims {','.join(['3'] * 4000)} --json | head -1"
    process = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert process.stdout == "{\n"
    assert "Traceback" not in process.stderr


def test_signs_that_the_output_cannot_show_are_written_plainly():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "jacchain", "plan", "--dims", "13,16,1"]
    process = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "chain     13 -> 16 -> 1 (2 links)" in process.stdout


def test_numbers_beyond_floating_point_are_printed(call):
    code, out, _ = call("plan", "--dims", "9" * 400 + ",3,2")
    assert (code, "E+" in out or "e+" in out) == (0, True)
