"""Several products of one chain: shared steps, counted once, against every set of products there is."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dense_sizes, mixed_chains, pair_requests

import jacchain as jc
from jacchain.errors import InfeasibleError, OptionError
from jacchain.planning.draft import Draft
from jacchain.planning.graph import Chain, chain_of_sizes
from jacchain.planning.link import Link
from jacchain.planning.node import Adjoint, Local, Multiply, Tangent, operands
from jacchain.planning.plan import names
from jacchain.planning.several import several
from jacchain.planning.several.charges import charged
from jacchain.planning.several.intervals import Intervals
from jacchain.planning.several.requests import as_requests
from jacchain.planning.several.several import SHARED, plan_several
from jacchain.planning.several.unshared import Search, lower_bound


def least_by_trying_every_set(chain: Chain, requests) -> int:
    """The cheapest set of states that holds a state of every request and, with every state, what it is made of."""
    table = Intervals(chain)
    wanted = {(source, output - 1) for output, source in requests}
    ways = {
        (*interval, number): [way for made, way in table.ways(interval) if made == number]
        for interval, cell in table.cells.items()
        for number in cell
    }
    best = None
    for count in range(1, len(ways) + 1):
        for chosen in combinations(ways, count):
            held = set(chosen)
            if not wanted <= {state[:2] for state in held}:
                continue
            costs = [[way.flops for way in ways[s] if held.issuperset(way.step.operands)] for s in chosen]
            if all(costs):
                total = sum(map(min, costs))
                best = total if best is None else min(best, total)
    return best


@st.composite
def small_problems(draw):
    """A chain with few enough products that every set of them can be tried, and requests."""
    dense = dense_sizes(longest=4, most=9).map(chain_of_sizes)
    chain = draw(st.one_of(dense, mixed_chains(longest=4)))
    return chain, draw(pair_requests(len(chain)))


def states(chain: Chain) -> int:
    return sum(map(len, Intervals(chain).cells.values()))


@settings(max_examples=60, deadline=None)
@given(small_problems().filter(lambda problem: states(problem[0]) <= 11))
def test_the_plan_of_a_short_chain_is_the_cheapest_set_of_products_there_is(problem):
    chain, requests = problem
    found = plan_several(chain, requests)
    assert found.flops == found.lower_bound == least_by_trying_every_set(chain, found.requests)


@settings(max_examples=60, deadline=None)
@given(small_problems().filter(lambda problem: states(problem[0]) <= 11))
def test_the_bound_is_below_the_cheapest_set_whatever_plan_is_known(problem):
    chain, requests = problem
    wanted = [(source, output - 1) for output, source in as_requests(requests, len(chain))]
    least = least_by_trying_every_set(chain, as_requests(requests, len(chain)))
    table = Intervals(chain)
    for known in (least, least + 1, 3 * least + 7, 10**9):
        assert charged(table, wanted, known) <= least
        assert lower_bound(table, wanted, known) <= least


@settings(max_examples=40, deadline=None)
@given(small_problems().filter(lambda problem: states(problem[0]) <= 11))
def test_the_search_alone_finds_the_cheapest_set(problem):
    chain, requests = problem
    wanted = list(dict.fromkeys((source, output - 1) for output, source in as_requests(requests, len(chain))))
    least = least_by_trying_every_set(chain, as_requests(requests, len(chain)))
    outcome = Search(Intervals(chain), wanted, least + 1).run()
    assert outcome.least == least
    assert outcome.sharing.flops == least
    assert [root[:2] for root in outcome.sharing.roots] == wanted
    assert Search(Intervals(chain), wanted, least).run() == (None, least)


@st.composite
def problems(draw):
    chain = draw(st.one_of(dense_sizes(longest=9).map(chain_of_sizes), mixed_chains(longest=7)))
    return chain, draw(pair_requests(len(chain)))


@settings(max_examples=50, deadline=None)
@given(problems(), st.sampled_from(sorted(SHARED)))
def test_every_step_is_priced_as_a_step_of_one_product_and_comes_after_its_operands(problem, planner):
    chain, requests = problem
    found = plan_several(chain, requests, planner=planner)
    draft = Draft(chain)
    for k, node in enumerate(found.nodes):
        assert all(operand < k for operand in operands(node))
        match node:
            case Local():
                draft.local(node.link, node.mode)
            case Multiply():
                draft.multiply(node.left, node.right)
            case Tangent():
                draft.tangent(node.link, node.right)
            case Adjoint():
                draft.adjoint(node.left, node.link)
    assert tuple(draft.nodes) == found.nodes
    assert draft.flops == found.flops
    called = names(found.nodes)
    assert len(called) == len(set(zip(called, (node.structure for node in found.nodes), strict=True)))
    for (output, source), root in zip(found.requests, found.roots, strict=True):
        assert called[root] == (f"J{output}" if output == source + 1 else f"P{output}:{source + 1}")


@settings(max_examples=50, deadline=None)
@given(problems())
def test_a_plan_never_costs_more_than_merging_or_sweeping_nor_less_than_its_bound(problem):
    found = plan_several(*problem)
    costs = {name: baseline.flops for name, baseline in found.baselines.items()}
    assert found.lower_bound <= found.flops <= min(costs.values())
    assert costs["merged"] <= costs["apart"]
    apart = [jc.plan(Chain(found.chain.links[source:output])).flops for output, source in found.requests]
    assert costs["apart"] == sum(apart)
    assert found.flops >= max(apart)


@settings(max_examples=30, deadline=None)
@given(mixed_chains(longest=6))
def test_one_request_is_the_plan_of_one_chain(chain):
    assert plan_several(chain, [(len(chain), 0)]).flops == jc.plan(chain).flops


def test_suffixes_behind_a_waist_go_through_it():
    found = plan_several([100, 80, 60, 1, 60, 80], "suffixes")
    assert found.flops == found.lower_bound < found.baselines["reverse"].flops


def test_a_dear_sub_product_pays_when_several_use_it():
    # J3 J2 J1 alone goes forward; with J5 J4 J3 J2 wanted too, J3 J2 is made for both
    found = plan_several([4, 10, 7, 9, 6], [(4, 0), (4, 1), (3, 0), (3, 1)])
    assert found.flops == found.lower_bound < found.baselines["merged"].flops


def test_a_long_chain_is_planned_and_bounded():
    sizes = [(37 * k * k + 11) % 60 + 1 for k in range(41)]
    found = plan_several(sizes, [(40, 0), (40, 13), (27, 0)])
    assert 0 < found.lower_bound <= found.flops <= found.baselines["merged"].flops


def test_a_very_long_chain_is_planned_product_by_product():
    sizes = [(37 * k * k + 11) % 60 + 1 for k in range(302)]
    found = plan_several(sizes, [(301, 0), (301, 100)])
    assert 0 < found.lower_bound <= found.flops <= found.baselines["merged"].flops <= found.baselines["apart"].flops
    every = plan_several(sizes, "suffixes")
    assert every.flops == every.baselines["reverse"].flops
    assert every.baselines["apart"].flops is None
    with pytest.raises(InfeasibleError, match="merged plans each of 301 products"):
        plan_several(sizes, "suffixes", planner="merged")


@settings(max_examples=20, deadline=None)
@given(problems())
def test_planning_product_by_product_makes_what_the_table_makes(problem):
    chain, requests = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(several, "LONGEST", 0)
        long = plan_several(chain, requests)
    assert long.baselines["apart"] == plan_several(chain, requests).baselines["apart"]
    assert long.lower_bound <= long.flops <= min(baseline.flops for baseline in long.baselines.values())
    assert long.flops == sum(node.flops for node in long.nodes)


def test_a_request_made_twice_is_made_once():
    found = plan_several([3, 4, 5], [(2, 0), (2, 0)])
    assert found.roots == (2, 2)
    assert found.flops == 60
    assert found.baselines["apart"].flops == 120


def test_a_plan_prints_its_products():
    assert str(plan_several(Chain([Link(3, 2, tangent_cost=5), Link(2, 2, adjoint_cost=1)]), "suffixes")).startswith(
        "optimal: 2 products of 2 links\nP2:1 = J2 "
    )


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ([], "no products are requested"),
        ("suffix", "did you mean 'suffixes'"),
        ([(1, 1)], "request 1 asks for output 1 with respect to input 1"),
        ([(2, 0), (0, 2)], "request 2 asks for output 0 with respect to input 2"),
        ([(4, 0)], "vertex 4, but the chain has the vertices 0 to 3"),
        ([(2, -1)], "vertex -1"),
        ([(2, 1.5)], "request 1 is"),
        ([(True, 0)], "request 1 is"),
        ([7], "request 1 is 7"),
        (7, "requests are 7"),
    ],
)
def test_bad_requests_are_refused_with_the_offending_values(requests, message):
    with pytest.raises(OptionError, match=message.replace("(", r"\(")):
        plan_several([2, 3, 4, 5], requests)


def test_an_unknown_planner_is_refused():
    with pytest.raises(OptionError, match="unknown planner 'optimum'"):
        plan_several([2, 3], "suffixes", planner="optimum")


def test_a_tape_limit_forbids_adjoints():
    chain = Chain([Link(50, 5, tangent_cost=9, adjoint_cost=9, tape=10), Link(5, 2, adjoint_cost=3, tape=1)])
    assert plan_several(chain, "suffixes").flops < plan_several(chain, "suffixes", tape_limit=5).flops
    with pytest.raises(InfeasibleError, match="the smallest tape limit"):
        plan_several(chain, "suffixes", tape_limit=0)
