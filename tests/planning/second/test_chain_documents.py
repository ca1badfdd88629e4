"""Plans of Hessians of chains as documents: they come back as they were, and wrong ones are refused by name."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from strategies import bent_chains

import jacchain as jc
from jacchain.errors import FileError
from jacchain.planning.document import chain_from_text, chain_to_json
from jacchain.planning.graph import Edge, Graph
from jacchain.planning.graph_document import graph_from_text, graph_to_json
from jacchain.planning.link import Link
from jacchain.planning.second.chains.chain_plan import ChainHessianPlan
from jacchain.planning.second.chains.planner import SECOND_CHAIN_PLANNERS


@settings(max_examples=25)
@given(bent_chains(most=4))
def test_plans_come_back_as_they_were(bent):
    for name in SECOND_CHAIN_PLANNERS:
        plan = jc.plan(bent.chain, order=2, planner=name)
        assert ChainHessianPlan.from_json(plan.to_json()) == plan


@settings(max_examples=25)
@given(bent_chains())
def test_linear_links_come_back_linear(bent):
    assert chain_from_text(chain_to_json(bent.chain)) == bent.chain


def test_linear_edges_come_back_linear():
    graph = Graph({"x": 2, "y": 3}, [Edge("x", "y", Link(2, 3, linear=True))])
    assert graph_from_text(graph_to_json(graph)) == graph


def spoiled(**changes: object) -> str:
    document = json.loads(jc.plan([3, 4, 2], order=2).to_json())
    return json.dumps(document | changes)


STEPS = json.loads(jc.plan([3, 4, 2], order=2).to_json())["steps"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": "jacchain.plan/v1"}, "is of schema"),
        ({"planner": "magic"}, "unknown planner 'magic'"),
        ({"flops": 1}, "states 1 multiplications"),
        ({"symmetric": False}, "baselines: edge_pushing of 192"),
        ({"lower_bound": 10**9}, "lower bound of 1000000000"),
        ({"baselines": {"magic": {"flops": 3}}}, "magic of 3"),
        ({"baselines": {}}, "baselines: some are missing"),
        ({"baselines": {"waist": {"flops": 1}}}, "baselines: waist of 1"),
        ({"planner": "waist"}, "lower bound"),
        ({"planner": "forward_over_forward", "lower_bound": 0}, "not those of the planner 'forward_over_forward'"),
        ({"planner": "magic"}, "unknown planner"),
        ({"bracketing": "J1"}, "steps or bracketing"),
        ({"steps": STEPS[:-1]}, "not the whole tensor"),
        ({"steps": []}, "not the whole tensor"),
        ({"steps": STEPS[1:]}, "is not known"),
        ({"steps": [{**STEPS[0], "op": "divide"}]}, "unknown operation 'divide'"),
        ({"steps": [{**STEPS[0], "operands": ["J1"]}]}, "1 operands"),
        ({"steps": [{**STEPS[0], "result": "J9"}]}, "'J9' is no derivative"),
        ({"steps": [*STEPS, {**STEPS[-1], "op": "lift"}]}, "operands of lift do not meet"),
        ({"steps": [*STEPS, {**STEPS[-1], "op": "multiply"}]}, "operands of multiply do not meet"),
    ],
)
def test_wrong_documents_are_refused(changes, words):
    with pytest.raises(FileError, match=words):
        ChainHessianPlan.from_json(spoiled(**changes))


def test_a_bound_above_the_cheapest_order_is_refused_and_the_reason_is_made_anew():
    plan = jc.plan([3, 4, 2, 5], order=2, planner="exhaustive", symmetric=False)
    dearer = json.loads(jc.plan([3, 4, 2, 5], order=2, planner="edge_pushing", symmetric=False).to_json())
    assert dearer["flops"] > plan.flops
    with pytest.raises(FileError, match="a lower bound of"):
        ChainHessianPlan.from_json(json.dumps(dearer | {"planner": "optimal", "lower_bound": dearer["flops"]}))
    document = json.loads(plan.to_json())
    assert ChainHessianPlan.from_json(json.dumps(document | {"reason": "magic"})) == plan


@pytest.mark.parametrize("known", ["chain/v1", "graph/v1", "plan/v1", "graph-plan/v1", "ladder-plan/v1"])
def test_a_document_of_another_known_schema_is_named(known):
    with pytest.raises(FileError, match=rf"is of schema 'jacchain.{known}', (the plan of )?a "):
        ChainHessianPlan.from_json(json.dumps({"schema": f"jacchain.{known}"}))


def test_an_unknown_version_is_not_said_to_be_readable():
    with pytest.raises(FileError) as found:
        ChainHessianPlan.from_json('{"schema": "jacchain.hessian-plan/v2"}')
    assert found.value.cure == "expected 'jacchain.hessian-plan/v1'"


def test_planning_second_order_on_sizes_needs_no_arrays():
    code = "import jacchain as jc, sys\njc.plan([13, 16, 1], order=2)\nprint(*sys.modules)"
    listing = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(listing) & {"numpy", "scipy", "click", "rich", "msgspec", "matplotlib"}


def test_planning_first_order_does_not_load_second():
    code = "import jacchain as jc, sys\njc.plan([13, 16, 1])\nprint(*sys.modules)"
    listing = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in listing if name.startswith("jacchain.planning.second")]


def test_a_plan_prints_its_order_its_costs_and_its_reason():
    assert str(jc.plan([13, 16, 1], order=2)).splitlines() == [
        "optimal: J2 H1 + H2[J1, J1]",
        "6,240 multiplications, peak 23,112 bytes",
        "because meets at d_1 = 16: 1.4 times fewer multiplications than forward over forward, the best of the four "
        "modes; edge pushing costs as little; no order of sums of neighbouring terms is cheaper",
    ]
