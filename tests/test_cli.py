"""The command line as its users meet it: output, exit codes, and two lines for every error."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

import jacchain as jc
from jacchain.algebra.structure import Dense, Identity, Kronecker, sparse
from jacchain.cli.output import progress, styled
from jacchain.errors import FileError
from jacchain.planning.document import chain_from_text, chain_to_json
from jacchain.planning.whole_file import write_whole

CHAIN = jc.Chain(
    [jc.Link(6, 6, structure="diagonal", name="scale"), jc.Link(6, 3), jc.Link(3, 3, structure="identity")]
)


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

    monkeypatch.setattr("jacchain.cli.request.plan", broken)
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


@pytest.mark.parametrize(
    "arguments",
    [["--help"], *([name, "--help"] for name in ("plan", "compare", "explain", "plot", "completion")), ["run", "-h"]],
)
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
    assert styled("chain     3 → 2\n") == "\x1b[1mchain\x1b[0m     3 → 2\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert styled("chain     3 → 2\n") == "chain     3 → 2\n"


def test_progress_is_silent_where_nobody_watches(capsys):
    with progress("running") as tick:
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


@pytest.fixture
def chain_file(tmp_path):
    path = tmp_path / "chain.json"
    links = [jc.Link(a, b, tangent_cost=9 * a, adjoint_cost=7 * b, tape=a * b) for a, b in ((6, 4), (4, 9), (9, 5))]
    path.write_text(chain_to_json(jc.Chain(links)))
    return str(path)


LIMITS = ["--tape-limit", "30", "--memory", "3kB", "--workers", "2"]


@pytest.mark.parametrize("command", ["plan", "explain"])
def test_limits_are_kept_to(call, chain_file, command):
    code, out, _ = call(command, chain_file, *LIMITS, "--json")
    document = json.loads(out)
    plan = document if command == "plan" else document["plan"]
    wanted = jc.plan(chain_from_text(Path(chain_file).read_text()), tape_limit=30, memory=3000, workers=2)
    assert (code, jc.Plan.from_json(json.dumps(plan))) == (0, wanted)
    assert (plan["tape_limit"], plan["memory"]) == (30, 3000)
    assert {"makespan", "lower_bound", "schedule", "chunk_size"} <= set(plan)


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("text", "chain "),
        ("json", "{"),
        ("dot", "digraph plan {"),
        ("mermaid", "flowchart BT"),
        ("csv", "step,how,from"),
    ],
)
def test_plan_prints_every_format(call, form, start):
    code, out, err = call("plan", "--dims", "9,2,9,9", "--format", form)
    assert (code, err) == (0, "")
    assert out.startswith(start)


@pytest.mark.parametrize("command", ["compare", "explain"])
@pytest.mark.parametrize(("form", "start"), [("text", "chain "), ("json", "{"), ("csv", "")])
def test_compare_and_explain_print_every_format(call, chain_file, command, form, start):
    code, out, err = call(command, chain_file, "--format", form, "--tape-limit", "30")
    assert (code, err) == (0, "")
    assert out.startswith(start)
    assert max(map(len, out.split("\n"))) <= 80 or form != "text"
    assert (form == "json") == (out == call(command, chain_file, "--json", "--tape-limit", "30")[1])


def test_compare_shows_all_planners_with_what_stands_in_their_way(call, chain_file):
    code, out, _ = call("compare", chain_file, "--tape-limit", "30")
    assert code == 0
    assert "planner         multiplications   ratio" in out
    assert "reverse              infeasible" in out
    assert "\nreverse " in out.partition("exhaustive")[2]
    assert "makespan" not in out
    assert "makespan" in call("compare", "--dims", "9,8,9,8", "--workers", "2")[1]


def test_explain_shows_the_tree_in_box_drawing_or_plain_signs(call):
    assert "├ P4:3" in call("explain", "--dims", "784,256,32,256,784")[1]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "jacchain", "explain", "--dims", "784,256,32,256,784"]
    process = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "| P4:3" in process.stdout
    assert "  ` J1" in process.stdout


def test_a_plan_is_written_whole_and_read_again(call, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text("old")
    path.chmod(0o640)
    code, out, _ = call("plan", "--dims", "9,2,9,9", "-o", str(path))
    assert code == 0
    assert out.startswith("chain     9 → 2 → 9 → 9")
    assert jc.Plan.from_json(path.read_text()) == jc.plan([9, 2, 9, 9])
    assert path.stat().st_mode & 0o777 == 0o640
    assert [found.name for found in tmp_path.iterdir()] == ["plan.json"]
    assert call("explain", str(path))[1] == call("explain", "--dims", "9,2,9,9")[1]
    call("plan", "--dims", "9,2,9,9", "--format", "dot", "-o", str(path))
    assert path.read_text().startswith("digraph plan {")


def test_a_file_that_cannot_be_replaced_is_left_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "plan.json"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(FileError, match="No space left"):
        write_whole(str(path), b"new")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("plan.json", "old")]


def test_a_plan_may_be_written_into_a_pipe():
    write_whole("/dev/null", b"gone")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["plan", "--dims", "5,4,3", "--memory", "12 apples"], 2, "memory is '12 apples', not a number of bytes"),
        (["plan", "--dims", "5,4,3", "--memory", "40"], 3, "no order fits into 40 bytes"),
        (["plan", "--dims", "5,4,3", "--workers", "0"], 2, "workers is 0"),
        (["plan", "--dims", "5,4,3", "--workers", "100000"], 2, "workers is 100"),
        (["plan", "--dims", "5,4,3", "--workers", "two"], 2, "'two' is not a valid integer"),
        (["plan", "--dims", "5,4,3", "--chunk-size", "6"], 2, "chunk_size is 6, but the Jacobian has 5 columns and 3"),
        (["plan", "--dims", "5,4,3", "--chunk-size", "0"], 2, "chunk_size is 0"),
        (["plan", "--dims", "5,4,3", "--tape-limit", "-1"], 2, "tape_limit is -1"),
        (["plan", "--dims", "5,4,3", "--format", "xml"], 2, "'xml' is not one of"),
        (["plan", "--dims", "5,4,3", "--json", "--format", "csv"], 2, "--json and --format csv together"),
        (["plan", "--dims", "5,4,3", "-o", "/nowhere/plan.json"], 1, "cannot write /nowhere/plan.json: No such file"),
        (["plan", "--dims", "5,4,3", "-o", "-"], 2, "--output is '-'"),
        (["compare"], 2, "no chain to plan"),
        (["compare", "--dims", "5,4", "--chunk-size", "9"], 2, "chunk_size is 9"),
        (["compare", "--dims", "5,4", "--planner", "forward"], 2, "No such option"),
        (["explain", "missing.json"], 1, "cannot read missing.json"),
        (["explain"], 2, "no chain to plan"),
        (["run", "--plan", "missing.json"], 1, "cannot read missing.json"),
        (["run", "--dims", "3,2"], 2, "Missing argument"),
        (["plot"], 2, "Missing"),
        (["plot", "pie", "--dims", "3,2", "-o", "x.png"], 2, "unknown kind of picture 'pie'"),
        (["plot", "tree", "--dims", "3,2"], 2, "Missing option '-o'"),
        (["plot", "tree", "--dims", "3,2", "-o", "x.pdf"], 2, "--output x.pdf is neither PNG nor SVG"),
        (["plot", "pareto", "--dims", "3,2", "--memory", "1MB", "-o", "x.png"], 2, "--memory where all memory limits"),
        (["plot", "table", "--dims", "3," * 401 + "2", "-o", "x.png"], 2, "a table of 401 links has 80,601 cells"),
        (["plot", "bars", "--dims", "3,2", "--planner", "meet", "-o", "x.png"], 2, "bars of one planner"),
    ],
)
def test_wrong_options_are_what_and_how_to_mend_it(call, arguments, code, message):
    test_every_error_is_what_and_how_to_mend_it(call, arguments, code, message)


def _plan_file(tmp_path, change=lambda document: None, **options):
    document = json.loads(jc.plan([9, 2, 9, 9], **options).to_json())
    change(document)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document))
    return str(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema="jacchain.plan/v2"), "the plan is of schema 'jacchain.plan/v2'"),
        (lambda d: d.update(schema="jacchain.chain/v1"), "the plan is of schema 'jacchain.chain/v1'"),
        (lambda d: d.update(flops=7), "the plan states 7 multiplications"),
        (lambda d: d.pop("links"), "missing required field `links`"),
        (lambda d: d["links"][1].update(inputs=3), "$.links"),
    ],
)
def test_a_wrong_plan_file_is_an_error_that_names_it(call, tmp_path, change, message):
    path = _plan_file(tmp_path, change)
    code, out, err = call("run", "--plan", path)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {path}: ")
    assert message in err
    assert err.count("\n") == 2


@pytest.mark.host(reason="the functions of random links hold arrays of the host")
def test_a_plan_is_run_on_random_links(call, tmp_path):
    for options in ({}, {"memory": 1400}, {"chunk_size": 4}, {"workers": 2}, {"itemsize": 4}):
        code, out, err = call("run", "--plan", _plan_file(tmp_path, **options), "--check", "--json")
        document = json.loads(out)
        assert (code, err, document["check"]["agrees"]) == (0, "", True)
        first = document["orders"]["optimal"]
        assert first["flops"] == first["counted_flops"] == document["plan"]["flops"]
        assert document["shape"] == [9, 9]


@pytest.mark.host(reason="the functions of random links hold arrays of the host")
@pytest.mark.parametrize("seed", range(4))
def test_plans_of_structured_and_matrix_free_links_are_run(call, tmp_path, seed):
    rng = random.Random(seed)
    links = [
        jc.Link(6, 6, structure=rng.choice(["diagonal", "identity"]), accumulate_cost=rng.randint(0, 9)),
        jc.Link(6, 4, tangent_cost=24, adjoint_cost=30, tape=7),
        jc.Link(4, 8, structure=Kronecker(Identity(2), Dense(4, 2)), tangent_cost=16),
        jc.Link(8, 8, adjoint_cost=12, tape=3),
        jc.Link(8, 3, structure=sparse(3, 8, [0, 2, 3, 5], [0, 7, 3, 1, 2])),
    ]
    rng.shuffle(links)
    sizes = [link.outputs for link in links]
    joined = [links[0]]
    for link in links[1:]:  # dense links make the sizes meet
        if joined[-1].outputs != link.inputs:
            joined.append(jc.Link(joined[-1].outputs, link.inputs))
        joined.append(link)
    path = tmp_path / "plan.json"
    path.write_text(jc.plan(jc.Chain(joined), tape_limit=rng.choice([None, 7])).to_json())
    code, out, err = call("run", "--plan", str(path), "--check", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["shape"] == [sizes[-1], links[0].inputs]


def test_a_plan_is_run_on_a_workload_of_its_sizes_only(call, tmp_path):
    path = _plan_file(tmp_path)
    assert call("run", "chain", "--dims", "9,2,9,9", "--plan", path, "--check")[0] == 0
    code, _, err = call("run", "chain", "--dims", "9,2,8", "--plan", path)
    assert code == 1
    assert "the plan is for sizes 9 → 2 → 9 → 9, but the function has sizes 9 → 2 → 8" in err
    assert call("run", "--plan", path, "--dims", "9,2")[0] == 2
    assert call("run", "wine", "--plan", path, "--planner", "forward")[0] == 2


def test_a_plan_or_a_chain_is_explained_from_a_pipe(call, tmp_path):
    wanted = call("explain", "--dims", "9,2,9,9")[1]
    chain = chain_to_json(jc.plan([9, 2, 9, 9]).chain)
    for text in (Path(_plan_file(tmp_path)).read_text(), chain):
        command = [sys.executable, "-m", "jacchain", "explain", "-"]
        assert subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout == wanted


def test_a_plan_and_options_to_make_one_are_refused_together(call, tmp_path):
    code, _, err = call("explain", _plan_file(tmp_path), "--planner", "forward")
    assert code == 2
    assert "is a plan already" in err


@pytest.mark.parametrize("kind", ["tree", "bars", "table", "gantt", "memory", "pareto"])
@pytest.mark.parametrize("ending", ["png", "SVG"])
def test_every_picture_is_written(call, tmp_path, kind, ending):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"picture.{ending}"
    assert call("plot", kind, "--dims", "9,2,9,9", "-o", str(path)) == (0, "", "")
    assert path.read_bytes().startswith(b"\x89PNG" if ending == "png" else b"<?xml")


def test_a_missing_extra_has_its_own_exit_code(call, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, out, err = call("plot", "tree", "--dims", "9,2,9", "-o", str(tmp_path / "x.png"))
    assert (code, out) == (5, "")
    assert err == "error: pictures need matplotlib\n  pip install jacchain[plot]\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("jacchain ", {"plan", "compare", "explain", "run", "plot", "completion"}),
        ("jacchain plan --planner w", {"waist"}),
        ("jacchain plan --format m", {"mermaid"}),
        ("jacchain plot ", {"tree", "bars", "table", "gantt", "memory", "pareto"}),
        ("jacchain run a", {"autoencoder"}),
    ],
)
def test_words_are_completed(words, wanted):
    environment = {
        **os.environ,
        "_JACCHAIN_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    command = [sys.executable, "-c", "from jacchain.cli import main_group; main_group(prog_name='jacchain')"]
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    found = {line.partition(",")[2] for line in process.stdout.split("\n") if line}
    assert wanted <= found


def test_a_chain_of_the_reference_solver_is_planned(call, tmp_path):
    path = tmp_path / "jcdp.json"
    edge = {"source": "0", "target": "1", "metadata": {"tangentCost": 5, "adjointCost": 9, "edges_in_dag": 8}}
    nodes = [{"id": "0", "metadata": {"vectorSize": 3}}, {"id": "1", "metadata": {"vectorSize": 2}}]
    path.write_text(json.dumps({"graph": {"nodes": nodes, "edges": [edge]}}))
    code, out, _ = call("plan", str(path), "--json")
    assert (code, json.loads(out)["flops"]) == (0, 15)
    edge["metadata"]["tangentCost"] = -5
    path.write_text(json.dumps({"graph": {"nodes": nodes, "edges": [edge]}}))
    code, _, err = call("plan", str(path))
    assert code == 1
    assert f"{path} is wrong at $.graph.edges[0]: tangentCost is -5" in err
