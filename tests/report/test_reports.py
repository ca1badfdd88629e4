"""Plans as text, tables and diagrams: narrow, complete, well-formed, whatever the chain."""

import csv
import json
import random
import re
from dataclasses import replace
from io import StringIO
from itertools import pairwise, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import mixed_chains

import jacchain as jc
from jacchain.errors import InfeasibleError
from jacchain.planning.comparison import compare_planners
from jacchain.planning.node import operands
from jacchain.planning.plan import names
from jacchain.planning.planners import PLANNERS
from jacchain.planning.profile import profile
from jacchain.planning.schedule import Schedule, Task
from jacchain.report.comparison import comparison_csv, comparison_json, comparison_text
from jacchain.report.diagram import dot_text, mermaid_text
from jacchain.report.explanation import explanation_json, explanation_text
from jacchain.report.gantt import gantt_text
from jacchain.report.layout import WIDTH
from jacchain.report.outline import opened, outline, short_bracketing, weights
from jacchain.report.steps import steps_csv, steps_text
from jacchain.report.text import plan_text
from jacchain.report.tree import tree_text


def _sizes(links, seed=0, most=500):
    rng = random.Random(seed)
    return [rng.randint(5, most) for _ in range(links + 1)]


def _free(links, seed=0):
    rng = random.Random(seed)
    sizes = _sizes(links, seed)
    return jc.Chain(
        [
            jc.Link(a, b, tangent_cost=rng.randint(9, 9999), adjoint_cost=rng.randint(9, 9999), tape=rng.randint(0, 99))
            for a, b in pairwise(sizes)
        ]
    )


def _in_turn(plan, workers):
    """A valid schedule by hand: one step after the other, each on the next worker."""
    tasks, now = [], 0
    for k, node in enumerate(plan.nodes):
        if node.flops:
            tasks.append(Task(k, k % workers, now, now + node.flops))
            now += node.flops
    return replace(plan, schedule=Schedule(workers, tuple(tasks)), lower_bound=max(0, now - 1))


PLANS = [
    *(jc.plan(_sizes(links)) for links in (1, 2, 3, 12, 50, 300)),
    *(jc.plan(_sizes(links), planner=planner) for links in (30, 300) for planner in ("forward", "reverse", "meet")),
    *(jc.plan(_free(links), tape_limit=50) for links in (3, 40)),
    jc.plan([784, 256, 32, 256, 784], memory="4MB"),
    jc.plan([784, 256, 32, 256, 784], chunk_size=100),
    _in_turn(jc.plan(_sizes(6)), 2),
    _in_turn(jc.plan(_sizes(80)), 9),
]


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("write", [plan_text, explanation_text])
def test_reports_are_at_most_80_columns_wide(plan, write):
    lines = write(plan).split("\n")
    assert max(map(len, lines)) <= WIDTH
    assert not any(line != line.rstrip() for line in lines)
    assert len(lines) <= 200


@pytest.mark.parametrize("plan", PLANS)
def test_comparisons_are_at_most_80_columns_wide(plan):
    rivals = compare_planners(plan.chain, tape_limit=plan.tape_limit, memory=plan.memory)
    assert max(map(len, comparison_text(plan.chain, rivals).split("\n"))) <= WIDTH


def test_a_report_states_limits_slices_bounds_and_makespans():
    text = plan_text(PLANS[-2])
    assert "makespan" in text
    assert "no schedule can go below" in text
    assert re.search(r"\n1 +P\d:\d +[\d,]+ +[\d,]+ +·*█+·*\n", text)
    sliced = plan_text(jc.plan([784, 256, 32, 256, 784], memory="4MB"))
    assert "of 4.0 MB allowed" in sliced
    assert "slices    16 of 49 columns each" in sliced
    explained = explanation_text(jc.plan([784, 256, 32, 256, 784], memory="4MB"))
    assert "once      P4:3: made once and kept" in explained
    assert "P4:1      is the costliest step: 60.5 %" in explained
    limited = plan_text(jc.plan(_free(5), tape_limit=50))
    assert "tapes     of at most 50 numbers" in limited
    assert "infeasible" in limited
    assert "bound" not in plan_text(jc.plan([9, 2, 9, 9]))


@given(mixed_chains(), st.sampled_from(sorted(PLANNERS)))
def test_the_tree_and_the_table_name_every_step_of_a_short_plan_once(chain, planner):
    try:
        plan = jc.plan(chain, planner=planner)
    except InfeasibleError:
        return
    called = names(plan.nodes)
    in_tree = [re.search(r"[JP][\d:]+", line)[0] for line in tree_text(plan)[1:]]
    assert sorted(in_tree) == sorted(called)
    assert [line.split()[0] for line in steps_text(plan)[1:]] == called


@given(mixed_chains())
def test_the_steps_as_csv_are_the_plan(chain):
    plan = jc.plan(chain)
    rows = list(csv.DictReader(StringIO(steps_csv(plan))))
    assert [row["step"] for row in rows] == names(plan.nodes)
    assert sum(int(row["multiplications"]) for row in rows) == plan.flops
    assert tuple(int(row["held_bytes"]) for row in rows) == profile(plan)
    last = rows[-1]
    assert (int(last["rows"]), int(last["columns"])) == (chain.sizes[-1], chain.sizes[0])


def test_scheduled_steps_as_csv_say_where_and_when():
    plan = PLANS[-2]
    rows = [row for row in csv.DictReader(StringIO(steps_csv(plan))) if row["worker"]]
    told = [(int(row["worker"]) - 1, int(row["start"]), int(row["end"])) for row in rows]
    assert told == [(task.worker, task.start, task.end) for task in plan.schedule.tasks]


def test_a_gantt_table_names_every_task_or_says_how_many_it_leaves_out():
    for plan in PLANS[-2:]:
        lines = gantt_text(plan, plan.schedule)
        shown = [*takewhile(lambda line: not line.startswith("("), lines[1:])]
        left = re.search(r"\((\d+) shorter tasks left out", "\n".join(lines))
        assert len(shown) + int(left[1] if left else 0) == len(plan.schedule.tasks)


@given(mixed_chains(), st.integers(1, 12), st.integers(0, 5))
def test_an_outline_keeps_to_its_bounds_and_every_open_step_has_its_operands(chain, most, deepest):
    nodes = jc.plan(chain).nodes
    branches = outline(nodes, most=most, deepest=deepest)
    assert len(branches) <= max(most, 1)
    assert max(len(branch.lasts) for branch in branches) <= deepest
    shown = {branch.node for branch in branches}
    for k in opened(nodes, most, deepest):
        assert shown.issuperset(operands(nodes[k]))
    assert weights(nodes).flops[-1] == sum(node.flops for node in nodes)
    assert weights(nodes).steps[-1] == len(nodes)


def test_a_short_bracketing_is_balanced_and_spans_all_links():
    for plan in PLANS:
        text, is_whole = short_bracketing(plan)
        assert text.count("(") == text.count(")")
        assert is_whole == (text == plan.bracketing)
        spans = [(int(a), int(b or a)) for a, b in re.findall(r"[JPTA](\d+)(?::(\d+))?", text)]
        links = [k for top, bottom in spans for k in range(top, bottom - 1, -1)]
        first = len(plan.chain) + (0 if plan.slicing is None else len(links) - len(plan.chain))
        assert links == list(range(first, 0, -1))


def dot_graph(text):
    """The nodes and edges of a DOT digraph as dot_text writes it; fails on any other line."""
    lines = text.split("\n")
    assert lines[0] == "digraph plan {"
    assert lines[-1] == "}"
    nodes, edges = {}, []
    for line in lines[3:-1]:
        node = re.fullmatch(r'  n(\d+) \[label="((?:[^"\\]|\\.)*)"(, style=bold)?\];', line)
        edge = re.fullmatch(r"  n(\d+) -> n(\d+);", line)
        assert node or edge, line
        if node:
            nodes[int(node[1])] = node[2].split("\\n")
        else:
            edges.append((int(edge[1]), int(edge[2])))
    return nodes, edges


def mermaid_graph(text):
    lines = text.split("\n")
    assert lines[0] == "flowchart BT"
    nodes, edges = {}, []
    for line in lines[1:]:
        node = re.fullmatch(r'  n(\d+)\["([^"]*)"\]', line)
        edge = re.fullmatch(r"  n(\d+) --> n(\d+)", line)
        assert node or edge, line
        if node:
            assert not re.search(r"<(?!br/>)|&", node[2])
            nodes[int(node[1])] = node[2].split("<br/>")
        else:
            edges.append((int(edge[1]), int(edge[2])))
    return nodes, edges


@settings(max_examples=20)
@given(mixed_chains(), st.text(min_size=1, max_size=8))
def test_diagrams_are_the_tree_whatever_the_links_are_called(chain, name):
    plan = jc.plan(jc.Chain(replace(link, name=name) for link in chain.links))
    wanted = [(operand, k) for k, node in enumerate(plan.nodes) for operand in operands(node)]
    for nodes, edges in (dot_graph(dot_text(plan)), mermaid_graph(mermaid_text(plan))):
        assert edges == wanted
        assert list(nodes) == list(range(len(plan.nodes)))
        assert [label[0].split()[0] for label in nodes.values()] == names(plan.nodes)


@given(mixed_chains(longest=4))
def test_comparisons_say_the_same_in_every_format(chain):
    rivals = compare_planners(chain)
    document = json.loads(comparison_json(chain, rivals))
    rows = {row["planner"]: row for row in csv.DictReader(StringIO(comparison_csv(rivals)))}
    text = comparison_text(chain, rivals)
    assert document["schema"] == "jacchain.comparison/v1"
    for rival in rivals:
        entry = document["planners"][rival.planner]
        assert entry["flops"] == (None if rival.plan is None else rival.plan.flops)
        assert rows[rival.planner]["flops"] == ("" if rival.plan is None else str(rival.plan.flops))
        told = "infeasible" if rival.plan is None else f"{rival.plan.flops:,}"
        assert re.search(rf"^{rival.planner} +{told}", text, re.MULTILINE)


def test_an_explanation_as_json_holds_the_plan_and_what_is_held():
    plan = jc.plan([784, 256, 32, 256, 784])
    document = json.loads(explanation_json(plan))
    assert jc.Plan.from_json(json.dumps(document["plan"])) == plan
    assert max(document["held_bytes"].values()) == plan.peak
    assert document["remarks"][0] == "P4:1 joins P4:3 and P2:1 at the waist of 32"


def test_an_explanation_names_the_waist_the_structure_and_the_limit():
    assert "joins P4:3 and P2:1 at the waist of 32" in explanation_text(jc.plan([784, 256, 32, 256, 784]))
    diagonal = jc.Chain([jc.Link(9, 9), jc.Link(9, 9, structure="diagonal"), jc.Link(9, 2), jc.Link(2, 9)])
    assert "9 times fewer multiplications because an operand is diagonal" in explanation_text(jc.plan(diagonal))
    forbidden = jc.Chain([jc.Link(9, 2, tangent_cost=99, adjoint_cost=9, tape=60), jc.Link(2, 3)])
    assert "no adjoints of F1" in explanation_text(jc.plan(forbidden, tape_limit=50))
    assert "no adjoints" not in explanation_text(jc.plan(forbidden, tape_limit=60))


def test_three_thousand_links_are_reported_without_recursion():
    sizes = _sizes(3000)
    for planner in ("optimal", "forward", "reverse"):
        plan = jc.plan(sizes, planner=planner)
        for write in (plan_text, explanation_text):
            assert len(write(plan).split("\n")) < 200
        assert dot_text(plan).count("->") == len(plan.nodes) - 1
        assert len(steps_csv(plan).split("\n")) == len(plan.nodes) + 1


@pytest.mark.host(reason="copies of parameters count on a device")
def test_an_explanation_says_where_a_program_holds_less_than_its_steps():
    net = jc.Sequential([jc.layers.Linear([[1.0] * 9] * 9), jc.layers.Tanh(), jc.layers.Linear([[1.0] * 9])])
    plan = jc.jacobian(net).plan([1.0] * 9)
    assert plan.peak != max(profile(plan))
    assert f"its peak is {plan.peak} B" in " ".join(explanation_text(plan).split())
