"""Tape limits, memory limits and slices: against every order, and against their own laws."""

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import mixed_chains

import jacchain as jc
from jacchain.errors import InfeasibleError, OptionError, SizeError
from jacchain.planning.exhaustive import every_order
from jacchain.planning.fit import overhead
from jacchain.planning.graph import Chain
from jacchain.planning.limits import as_bytes, under_tape_limit
from jacchain.planning.link import Link
from jacchain.planning.memory import arrange
from jacchain.planning.node import Adjoint, Local
from jacchain.planning.planner import plan
from jacchain.planning.planners import PLANNERS
from jacchain.planning.slicing import Slicing, sliced
from jacchain.planning.spine import settled
from jacchain.planning.within import Fronts, cheapest_within, leanest

CASES = json.loads((Path(__file__).parent.parent / "reference" / "matrix_free.json").read_text())["cases"]


def recorded(case: dict) -> Chain:
    links = zip(pairwise(case["dims"]), case["tangent_cost"], case["adjoint_cost"], case["edges"], strict=True)
    return Chain(Link(a, b, tangent_cost=t, adjoint_cost=u, tape=e) for (a, b), t, u, e in links)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_recorded_optima_under_tape_limits_are_reproduced(case):
    chain = recorded(case)
    assert plan(chain).baselines["preaccumulate"].flops == case["preaccumulation_total"]
    assert plan(chain, planner="preaccumulate").flops == case["preaccumulation_total"]
    for limited in case["limited"]:
        assert plan(chain, tape_limit=limited["memory"]).flops == limited["optimum"]


@st.composite
def taped_chains(draw, longest: int = 4):
    """Chains of explicit and matrix-free links with tapes."""
    links = draw(mixed_chains(longest=longest)).links
    tapes = [draw(st.integers(0, 9)) for _ in links]
    return Chain(
        Link(
            link.inputs,
            link.outputs,
            structure=link.structure,
            accumulate_cost=link.accumulate_cost,
            tangent_cost=link.tangent_cost,
            adjoint_cost=link.adjoint_cost,
            tape=tape,
        )
        for link, tape in zip(links, tapes, strict=True)
    )


@given(taped_chains(longest=5), st.integers(0, 9))
def test_a_tape_limit_forbids_every_larger_tape_and_optimal_equals_exhaustive_under_it(chain, limit):
    try:
        found = plan(chain, tape_limit=limit)
    except InfeasibleError as error:
        needed = int(error.cure.split(" is ")[1].split(";")[0].replace(",", ""))
        assert needed > limit
        plan(chain, tape_limit=needed)
        with pytest.raises(InfeasibleError):
            plan(chain, tape_limit=needed - 1)
        return
    assert found.flops == plan(chain, tape_limit=limit, planner="exhaustive").flops
    for node in found.nodes:
        adjoint = isinstance(node, Adjoint) or (isinstance(node, Local) and node.mode == "adjoint")
        assert not adjoint or chain.links[node.link].tape <= limit
    assert found.flops >= plan(chain).flops
    for name, baseline in found.baselines.items():
        if baseline.flops is None:
            with pytest.raises(InfeasibleError):
                plan(chain, tape_limit=limit, planner=name)


def test_baselines_that_a_tape_limit_forbids_are_reported_as_infeasible():
    chain = Chain([Link(3, 4, tangent_cost=12, adjoint_cost=12, tape=5), Link(4, 2, tangent_cost=8, adjoint_cost=8)])
    found = plan(chain, tape_limit=4)
    assert found.baselines["reverse"].flops is None
    assert found.baselines["forward"].flops == 3 * 20
    assert "forbids 1 adjoint" in found.reason


@given(taped_chains(), st.integers(1, 400))
def test_optimal_equals_exhaustive_under_any_memory_limit(chain, numbers):
    found = [flops_or_none(chain, name, 8 * numbers) for name in ("optimal", "exhaustive")]
    assert found[0] == found[1]


def flops_or_none(chain, name, memory):
    try:
        return plan(chain, planner=name, memory=memory).flops
    except InfeasibleError:
        return None


@given(taped_chains(), st.integers(1, 300))
def test_the_cheapest_way_within_room_is_that_of_all_orders(chain, room):
    needs = [(draft.flops, arrange(chain, draft.nodes, len(draft.nodes) - 1)[1]) for draft in every_order(chain)]
    found = cheapest_within(chain, room)
    assert (found and found.flops) == min((flops for flops, most in needs if most <= room), default=None)
    lean = leanest(chain)
    assert arrange(chain, lean.nodes, len(lean.nodes) - 1)[1] == min(most for _, most in needs)


@given(taped_chains(), st.integers(1, 60))
def test_fronts_know_the_need_of_their_ways(chain, room):
    fronts = Fronts(chain, room, None)
    key = fronts.best()
    if key is not None:
        found = cheapest_within(chain, room)
        choice = fronts.cells[key[0], key[1]][key[2]][key[3]]
        assert choice.need == arrange(chain, found.nodes, len(found.nodes) - 1)[1] <= room


@given(taped_chains(longest=5))
def test_more_memory_never_costs_more_and_every_plan_keeps_to_its_limit(chain):
    most = plan(chain)
    costs = []
    limits = sorted({max(1, most.peak * k // 12) for k in range(1, 14, 2)})
    for limit in limits:
        try:
            found = plan(chain, memory=limit)
        except InfeasibleError as error:
            assert not costs
            smallest = int(error.cure.split("is ")[-1].split(" bytes")[0].replace(",", ""))
            assert limit < smallest
            assert plan(chain, memory=smallest).peak <= smallest
            with pytest.raises(InfeasibleError):
                plan(chain, memory=smallest - 1)
            continue
        assert found.peak <= limit
        costs.append(found.flops)
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == most.flops


@given(taped_chains(), st.integers(1, 5), st.sampled_from(["columns", "rows"]))
def test_a_slice_costs_what_its_steps_do_and_the_plan_counts_all_slices(chain, size, axis):
    slicing = Slicing(axis, size)
    if size > slicing.length(chain):
        return
    part = sliced(chain, slicing)
    assert (part.sizes[0] if axis == "columns" else part.sizes[-1]) == size
    found = plan(chain, chunk_size=size)
    part = sliced(chain, found.slicing)
    cut = sum(node.flops for node in found.nodes if isinstance(node, Local) and node.link in (0, len(part) - 1))
    if not cut:  # forming what slices are cut from is spent once, though it stands among the steps of a slice
        once, each = (sum(node.flops for node in p) for p in (found.nodes[: found.once], found.nodes[found.once :]))
        assert found.flops == once + each * found.slicing.length(chain) // size
    assert found.flops == plan(chain, chunk_size=size, planner="exhaustive").flops
    assert settled(part, found.slicing.axis, found.nodes).flops(chain, found.slicing) == found.flops
    assert found.chunk_size == size
    assert jc.Plan.from_json(found.to_json()) == found


def test_where_nothing_fits_the_message_says_what_would():
    with pytest.raises(InfeasibleError) as info:
        plan([784, 256, 32, 256, 784], memory="1MB")
    assert info.value.exit_code == 3
    assert info.value.cure == "the smallest limit that would do is 3,230,208 bytes"
    assert plan([784, 256, 32, 256, 784], memory=3_230_208).peak == 3_230_208
    with pytest.raises(InfeasibleError, match="the forward order does not fit into 2,000,000 bytes"):
        plan([784, 256, 32, 256, 784], memory="2MB", planner="forward")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"memory": "12 apples"}, OptionError, "memory is '12 apples'"),
        ({"memory": 0}, OptionError, "memory is 0"),
        ({"memory": -5}, OptionError, "memory is -5"),
        ({"memory": 1.5}, OptionError, "memory is 1.5"),
        ({"memory": True}, OptionError, "memory is True"),
        ({"memory": "1e9"}, OptionError, "memory is '1e9'"),
        ({"tape_limit": -1}, OptionError, "tape_limit is -1"),
        ({"tape_limit": float("nan")}, OptionError, "tape_limit is nan"),
        ({"chunk_size": 0}, SizeError, "chunk_size is 0"),
        ({"chunk_size": 17}, SizeError, "chunk_size is 17, but the Jacobian has 13 columns and 1 rows"),
    ],
)
def test_limits_that_make_no_sense_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        plan([13, 16, 1], **options)


@pytest.mark.parametrize("cost", [-1, float("nan"), float("inf"), 0.5])
def test_costs_that_are_negative_or_not_finite_are_refused(cost):
    with pytest.raises(OptionError, match="tangent_cost is"):
        Link(3, 2, tangent_cost=cost)


@pytest.mark.parametrize(
    ("text", "count"), [("512MiB", 2**29), ("1 GB", 10**9), ("0.5kib", 512), ("7", 7), ("3B", 3), ("2tb", 2 * 10**12)]
)
def test_memory_may_be_given_with_a_unit(text, count):
    assert as_bytes(text) == count


def test_a_borrowed_link_takes_no_memory():
    here, there = (Chain([Link(50, 60, borrowed=b), Link(60, 50, borrowed=b)]) for b in (False, True))
    assert plan(there).peak == 8 * 50 * 50
    assert plan(here).peak == 8 * (50 * 60 * 2 + 50 * 50 + 50 + 60)
    with pytest.raises(OptionError, match="has to be formed"):
        Link(3, 2, tangent_cost=4, borrowed=True)


@settings(max_examples=30)
@given(taped_chains(), st.sampled_from(sorted(PLANNERS)))
def test_the_peak_of_a_plan_is_that_of_its_order(chain, name):
    try:
        found = plan(chain, planner=name, itemsize=4)
    except InfeasibleError:
        return
    need = arrange(chain, found.nodes, len(found.nodes) - 1)[1]
    assert found.peak == 4 * (overhead(chain, None) + need)


def test_a_link_with_both_keeps_its_tangent_under_a_tape_limit():
    link = Link(3, 2, tangent_cost=6, adjoint_cost=6, tape=10)
    assert under_tape_limit(Chain([link]), 10).links == (link,)
    assert under_tape_limit(Chain([link]), 9).links[0].tangent_cost == 6


@pytest.mark.parametrize("seed", range(10))
def test_seven_links_are_planned_like_all_their_orders_with_and_without_limits(seed):
    rng = random.Random(seed)
    sizes = [rng.randint(1, 9) for _ in range(8)]
    free = set(rng.sample(range(7), 3))
    links = []
    for k, (a, b) in enumerate(pairwise(sizes)):
        costs = {"tangent_cost": rng.randint(0, 60), "adjoint_cost": rng.randint(0, 60), "tape": rng.randint(0, 9)}
        structure = "diagonal" if a == b and rng.random() < 0.7 else None
        links.append(Link(a, b, **costs) if k in free else Link(a, b, structure=structure))
    whole = Chain(links)
    for limit in (None, 6, 3):
        chain = under_tape_limit(whole, limit)
        orders = [(draft.flops, arrange(chain, draft.nodes, len(draft.nodes) - 1)[1]) for draft in every_order(chain)]
        assert plan(whole, tape_limit=limit).flops == min(orders)[0]
        needs = sorted({need for _, need in orders})
        for room in (needs[0], needs[len(needs) // 3], needs[-1]):
            found = cheapest_within(chain, room)
            assert found.flops == min(flops for flops, need in orders if need <= room)
