"""The cheapest order: against recorded optima, against every order, and against its own laws."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dense_sizes, mixed_chains, structure_chains

from jacchain.algebra.pattern import transpose
from jacchain.algebra.structure import Dense, Identity, Kronecker
from jacchain.errors import InfeasibleError
from jacchain.planning.draft import Draft
from jacchain.planning.graph import Chain, chain_of_sizes
from jacchain.planning.hu_shing import triangulate
from jacchain.planning.link import Link
from jacchain.planning.optimal import optimal, table
from jacchain.planning.planner import plan
from jacchain.planning.planners import BASELINES, PLANNERS
from jacchain.planning.sweep import dense_costs, inward_at, meet_at

REFERENCE = Path(__file__).parent.parent / "reference"


def cases(name: str) -> list[dict]:
    return json.loads((REFERENCE / name).read_text())["cases"]


def ids(case: dict) -> str:
    return case["id"]


@pytest.mark.parametrize("case", cases("dense.json"), ids=ids)
def test_recorded_dense_optima_are_reproduced(case):
    found = plan(case["dims"])
    assert found.flops == case["optimum"]
    assert found.baselines["forward"].flops == case["forward"]
    assert found.baselines["reverse"].flops == case["reverse"]


@pytest.mark.parametrize("case", cases("matrix_free.json"), ids=ids)
def test_recorded_matrix_free_optima_are_reproduced(case):
    costs = zip(case["tangent_cost"], case["adjoint_cost"], strict=True)
    sizes = pairwise(case["dims"])
    chain = Chain(Link(a, b, tangent_cost=t, adjoint_cost=u) for (a, b), (t, u) in zip(sizes, costs, strict=True))
    found = plan(chain)
    assert found.flops == case["optimum_unlimited"]
    assert found.baselines["forward"].flops == case["homogeneous_tangent"]
    assert found.baselines["reverse"].flops == case["homogeneous_adjoint"]


@given(structure_chains(longest=6))
def test_optimal_equals_exhaustive_on_structured_chains(structures):
    chain = Chain(Link(s.columns, s.rows, structure=s) for s in structures)
    assert plan(chain).flops == plan(chain, planner="exhaustive").flops


@given(mixed_chains())
def test_optimal_equals_exhaustive_on_chains_of_explicit_and_matrix_free_links(chain):
    assert plan(chain).flops == plan(chain, planner="exhaustive").flops


@settings(max_examples=400)
@given(dense_sizes(longest=14))
def test_hu_shing_equals_the_dynamic_program(sizes):
    triangles = triangulate(sizes)
    assert len(set(triangles)) == max(0, len(sizes) - 2)
    assert all(i < k < j for i, k, j in triangles)
    found = table(chain_of_sizes(sizes))
    first, last, number = found.best()
    assert sum(sizes[i] * sizes[k] * sizes[j] for i, k, j in triangles) == found.states(first, last)[number]


@given(dense_sizes(), st.sampled_from(sorted(PLANNERS)))
def test_no_planner_beats_the_optimum_and_each_pays_what_its_steps_cost(sizes, name):
    chain = chain_of_sizes(sizes)
    if (name == "exhaustive" and len(chain) > 7) or (name in ("meet", "inward") and len(chain) < 2):
        return
    found = plan(chain, planner=name)
    assert found.flops == sum(node.flops for node in found.nodes) >= optimal(chain).flops
    assert plan(chain, planner=name) == found


@given(dense_sizes())
def test_textbook_orders_cost_what_their_formulas_say(d):
    n, chain = len(d) - 1, chain_of_sizes(d)
    wanted = {
        "forward": sum(d[i] * d[i - 1] * d[0] for i in range(2, n + 1)),
        "reverse": sum(d[n] * d[i] * d[i - 1] for i in range(1, n)),
    }

    def meet(k):
        lower = sum(d[k] * d[i] * d[i - 1] for i in range(1, k))
        return d[n] * d[k] * d[0] + lower + sum(d[i] * d[i - 1] * d[k] for i in range(k + 2, n + 1))

    def inward(k):
        lower = sum(d[i] * d[i - 1] * d[0] for i in range(2, k + 1))
        return d[n] * d[k] * d[0] + lower + sum(d[n] * d[i] * d[i - 1] for i in range(k + 1, n))

    if n > 1:
        wanted |= {"meet": min(map(meet, range(1, n))), "inward": min(map(inward, range(1, n)))}
    k = d.index(min(d))
    wanted["waist"] = wanted["forward"] if k == 0 else wanted["reverse"] if k == n else meet(k)
    assert dense_costs(chain) == wanted
    assert {name: PLANNERS[name](chain).flops for name in wanted} == wanted
    assert {name: baseline.flops for name, baseline in plan(chain).baselines.items()} == wanted


@given(structure_chains(longest=5))
def test_transposing_a_chain_swaps_forward_and_reverse_and_keeps_the_optimum(structures):
    chain = Chain(Link(s.columns, s.rows, structure=s) for s in structures)
    flipped = Chain(Link(s.rows, s.columns, structure=transpose(s)) for s in reversed(structures))
    here, there = plan(chain), plan(flipped)
    assert here.flops == there.flops
    assert here.baselines["forward"] == there.baselines["reverse"]
    assert here.baselines["reverse"] == there.baselines["forward"]


@given(mixed_chains(longest=5))
def test_transposing_swaps_tangents_and_adjoints_too(chain):
    flipped = Chain(
        Link(
            link.outputs,
            link.inputs,
            structure=link.structure and transpose(link.local),
            accumulate_cost=link.accumulate_cost,
            tangent_cost=link.adjoint_cost,
            adjoint_cost=link.tangent_cost,
        )
        for link in reversed(chain.links)
    )
    here, there = plan(chain), plan(flipped)
    assert here.flops == there.flops
    assert here.baselines["forward"] == there.baselines["reverse"]
    assert here.baselines["reverse"] == there.baselines["forward"]
    assert here.baselines.get("preaccumulate") == there.baselines.get("preaccumulate")


@given(structure_chains(longest=5), st.integers(1, 3), st.integers(1, 3))
def test_seeds_make_a_longer_chain(structures, p, q):
    links = [Link(s.columns, s.rows, structure=s) for s in structures]
    longer = Chain([Link(p, links[0].inputs), *links, Link(links[-1].outputs, q)])
    assert plan(Chain(links), tangents=p, adjoints=q).flops == plan(longer).flops


def test_one_tangent_goes_forward_and_one_adjoint_in_reverse():
    sizes = [30, 40, 50, 60]
    forward, reverse = plan(sizes, tangents=1), plan(sizes, adjoints=1)
    assert forward.flops == forward.baselines["forward"].flops == 30 * 40 + 40 * 50 + 50 * 60
    assert reverse.flops == reverse.baselines["reverse"].flops == 30 * 40 + 40 * 50 + 50 * 60


def test_keeping_one_plan_per_interval_would_lose():
    # The dearer way to a sparser product wins: the state must hold the structure.
    chain = Chain([Link(6, 6, structure="diagonal"), Link(6, 6, structure="diagonal"), Link(6, 3), Link(3, 50)])
    assert plan(chain).flops == plan(chain, planner="exhaustive").flops == 6 + 18 + 900


def test_costs_are_exact_for_huge_sizes_and_long_chains():
    big = 10**9
    assert plan([big, big, big]).flops == big**3
    assert plan([big, big, 1, big, big]).flops == 3 * big**2
    found = plan([big + k for k in range(3000)])
    assert (
        found.flops == found.baselines["forward"].flops == big * sum((big + k) * (big + k - 1) for k in range(2, 3000))
    )
    assert found.bracketing.count("(") == 2998
    assert len(found.to_json()) > 0


def test_baselines_that_do_not_exist_are_absent_and_infeasible_ones_say_so():
    assert list(plan([3, 2]).baselines) == ["forward", "reverse", "waist"]
    assert list(plan([3, 2, 3]).baselines) == list(BASELINES)[:-1]
    assert list(plan(Chain([Link(3, 2, tangent_cost=1), Link(2, 3)])).baselines) == list(BASELINES)
    adjoint_only = Chain([Link(3, 2, adjoint_cost=6), Link(2, 3, adjoint_cost=6)])
    found = plan(adjoint_only)
    assert found.baselines["forward"].flops is None
    assert found.baselines["reverse"].flops == 36
    with pytest.raises(InfeasibleError, match="link 1 cannot be accumulated by tangent"):
        plan(adjoint_only, planner="forward")


@pytest.mark.parametrize("name", ["meet", "inward"])
def test_an_order_from_the_middle_needs_a_middle(name):
    with pytest.raises(InfeasibleError, match="one link"):
        plan([3, 2], planner=name)


def test_exhaustive_refuses_long_chains():
    with pytest.raises(InfeasibleError, match="13 links have"):
        plan([2] * 14, planner="exhaustive")
    both = Chain([Link(2, 2, structure="diagonal", tangent_cost=1, adjoint_cost=1)] * 7)
    with pytest.raises(InfeasibleError, match="7 links have"):
        plan(both, planner="exhaustive")


def test_planning_counts_accumulation_once():
    chain = Chain([Link(3, 4, accumulate_cost=100), Link(4, 2, accumulate_cost=10)])
    assert plan(chain).flops == 110 + 4 * 2 * 3


def test_draft_prices_a_chosen_bracketing():
    draft = Draft(chain_of_sizes([2, 3, 4]))
    draft.multiply(draft.local(1, "given"), draft.local(0, "given"))
    assert draft.flops == 24


def test_accumulation_counts_in_every_baseline():
    chain = Chain([Link(3, 4, accumulate_cost=100), Link(4, 2), Link(2, 5)])
    found = plan(chain)
    for name, baseline in found.baselines.items():
        assert plan(chain, planner=name).flops == baseline.flops >= found.flops > 100


@given(mixed_chains())
def test_baselines_cost_what_their_planners_pay(chain):
    for name, baseline in plan(chain).baselines.items():
        try:
            assert plan(chain, planner=name).flops == baseline.flops
        except InfeasibleError:
            assert baseline.flops is None


@given(mixed_chains())
def test_meet_and_inward_take_the_best_vertex_that_is_possible(chain):
    for name, at in (("meet", meet_at), ("inward", inward_at)):
        costs = [cost for k in range(1, len(chain)) if (cost := cost_or_none(at, chain, k)) is not None]
        assert cost_or_none(PLANNERS[name], chain) == min(costs, default=None)


def cost_or_none(planner, *arguments):
    try:
        return planner(*arguments).flops
    except InfeasibleError:
        return None


def test_sizes_of_kronecker_products_may_be_huge():
    structure = Kronecker(Dense(10**4, 10**4), Identity(10**5))
    chain = Chain([Link(10**9, 10**9, structure=structure), Link(10**9, 10**9, structure="diagonal")])
    assert plan(chain).flops == 10**13
