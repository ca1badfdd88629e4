"""Schedules: against recorded optima, against every order and schedule of short chains, and against their own laws."""

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import dense_sizes, mixed_chains, structure_chains

from jacchain.algebra.pattern import transpose
from jacchain.errors import InfeasibleError, JacchainError, OptionError
from jacchain.planning.exhaustive import every_order
from jacchain.planning.graph import Chain, chain_of_sizes
from jacchain.planning.limits import under_tape_limit
from jacchain.planning.link import Link
from jacchain.planning.memory import held, states, taped
from jacchain.planning.node import operands
from jacchain.planning.optimal import optimal
from jacchain.planning.plan import Plan
from jacchain.planning.planner import plan
from jacchain.planning.planners import PLANNERS
from jacchain.planning.schedule import broken
from jacchain.planning.scheduling.deadlines import fronts, least_makespan
from jacchain.planning.scheduling.list_schedule import list_schedule
from jacchain.planning.scheduling.promising import Prospects
from jacchain.planning.scheduling.scheduled import scheduled
from jacchain.planning.scheduling.segments import cuts, segmented
from jacchain.planning.scheduling.spans import node_spans
from jacchain.planning.scheduling.thread_split import ThreadSplit
from jacchain.planning.scheduling.timed import with_workers
from jacchain.planning.scheduling.ways import ways_of_chain, ways_of_order

CASES = json.loads((Path(__file__).parent.parent / "reference" / "scheduled.json").read_text())["cases"]
crews = st.integers(2, 5)


def recorded_chain(case: dict) -> Chain:
    links = zip(case["tangent_cost"], case["adjoint_cost"], case["edges"], strict=True)
    chain = Chain(
        Link(case["dims"][k], case["dims"][k + 1], tangent_cost=t, adjoint_cost=a, tape=tape)
        for k, (t, a, tape) in enumerate(links)
    )
    return under_tape_limit(chain, case["memory"] or None)


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_no_makespan_is_above_the_recorded_one_and_recorded_optima_are_reached(case, workers):
    recorded = case["threads"][str(workers)]
    # a little of the budget: what is found must not need the whole of it
    found = scheduled(recorded_chain(case), workers, seconds=0.3)
    assert broken(found.schedule, found.draft.nodes) == ""
    assert found.schedule.makespan <= recorded["dp_makespan"]
    if recorded["bnb_optimum"] is not None:
        assert found.schedule.makespan == found.lower_bound == recorded["bnb_optimum"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_thread_splitting_gives_the_recorded_makespans(case):
    chain = recorded_chain(case)
    split = ThreadSplit(ways_of_chain(chain), 4)
    assert split.best(1).makespan == case["serial_optimum"] == optimal(chain).flops
    for workers in (2, 4):
        found = split.best(workers)
        assert found.makespan == case["threads"][str(workers)]["dp_makespan"]
        made = with_workers(chain, found, workers)
        assert made.schedule.makespan <= found.makespan
        assert broken(made.schedule, made.draft.nodes) == ""


def least_of_all(nodes, workers: int) -> int:
    """The makespan of the best of all schedules of one order: every step next, on every worker."""
    costly = [k for k, node in enumerate(nodes) if node.flops]

    def ready(k: int, ends: dict[int, int]) -> int | None:
        """When a step can start; None where something below it is not done."""
        found = 0
        for operand in operands(nodes[k]):
            below = ends.get(operand) if nodes[operand].flops else ready(operand, ends)
            if below is None:
                return None
            found = max(found, below)
        return found

    def search(ends: dict[int, int], free: tuple[int, ...]) -> int:
        if len(ends) == len(costly):
            return max(ends.values(), default=0)
        best = []
        for k in costly:
            begin = None if k in ends else ready(k, ends)
            if begin is not None:
                for worker in {at: place for place, at in enumerate(free)}.values():
                    end = max(begin, free[worker]) + nodes[k].flops
                    best.append(search({**ends, k: end}, (*free[:worker], end, *free[worker + 1 :])))
        return min(best)

    return search({}, (0,) * workers)


@settings(max_examples=40)
@given(mixed_chains(longest=3), st.integers(2, 3))
def test_the_makespan_is_that_of_the_best_of_all_schedules_of_all_orders(chain, workers):
    found = scheduled(chain, workers)
    least = min(least_of_all(order.nodes, workers) for order in every_order(chain))
    assert found.schedule.makespan == found.lower_bound == least


@settings(max_examples=25)
@given(mixed_chains(longest=4), st.integers(2, 3))
def test_a_given_order_gets_its_best_schedule(chain, workers):
    order = optimal(chain)
    found = scheduled(chain, workers, order=order)
    assert found.draft.nodes == order.nodes or node_spans(found.draft.nodes) == node_spans(order.nodes)
    assert found.schedule.makespan == found.lower_bound == least_of_all(order.nodes, workers)


@pytest.mark.parametrize("planner", PLANNERS)
@given(chain=mixed_chains(), workers=crews)
def test_no_worker_does_two_things_at_once_and_none_starts_before_it_can(planner, chain, workers):
    try:
        found = plan(chain, planner=planner, workers=workers)
    except InfeasibleError:
        return
    assert broken(found.schedule, found.nodes) == ""
    assert found.lower_bound <= found.makespan <= found.flops
    assert found.schedule.workers == workers
    assert Plan.from_json(found.to_json()) == found


@given(mixed_chains())
def test_more_workers_never_take_longer(chain):
    makespans = [plan(chain, workers=workers).makespan for workers in range(1, 6)]
    assert makespans == sorted(makespans, reverse=True)
    assert makespans[0] == plan(chain).flops


@settings(max_examples=10)
@given(dense_sizes(longest=18, most=400))
def test_more_workers_never_take_longer_on_longer_chains(sizes):
    chain = chain_of_sizes(sizes)
    makespans = [scheduled(chain, workers).schedule.makespan for workers in (1, 2, 3)]
    assert makespans == sorted(makespans, reverse=True)


@given(dense_sizes(longest=9), crews)
def test_no_schedule_is_sooner_than_its_longest_path_or_an_equal_share_of_the_work(sizes, workers):
    found = plan(sizes, workers=workers)
    paths = [0] * len(found.nodes)
    for k, node in enumerate(found.nodes):
        paths[k] = node.flops + max((paths[operand] for operand in operands(node)), default=0)
    assert found.makespan >= max(paths)
    assert found.makespan * workers >= found.flops >= plan(sizes).flops


@given(mixed_chains(longest=4), crews)
def test_bounds_are_at_least_an_equal_share_and_at_most_what_any_order_reaches(chain, workers):
    ways = ways_of_chain(chain)
    bound = least_makespan(ways, fronts(ways, workers), workers)
    assert bound * workers >= optimal(chain).flops
    assert bound <= min(list_schedule(order.nodes, workers).makespan for order in every_order(chain))


def transposed(chain: Chain) -> Chain:
    return Chain(
        Link(
            link.outputs,
            link.inputs,
            structure=transpose(link.structure) if link.structure else None,
            accumulate_cost=link.accumulate_cost,
            tangent_cost=link.adjoint_cost,
            adjoint_cost=link.tangent_cost,
        )
        for link in reversed(chain.links)
    )


@given(mixed_chains(), crews)
def test_transposing_the_chain_keeps_the_optimum(chain, workers):
    assert plan(transposed(chain), workers=workers).makespan == plan(chain, workers=workers).makespan


@given(mixed_chains(), crews)
def test_searching_around_an_order_finds_it_again(chain, workers):
    order = optimal(chain)
    ways = ways_of_order(order.nodes)
    found = ThreadSplit(ways, workers).best(1)
    assert found.makespan == order.flops
    again = with_workers(chain, found, 1)
    assert sorted(node_spans(again.draft.nodes)) == sorted(node_spans(order.nodes))
    assert again.draft.flops == order.flops


def dense_links(structures) -> Chain:
    return Chain(Link(s.columns, s.rows, tangent_cost=s.rows * s.columns) for s in structures)


@settings(max_examples=60)
@given(
    chain=st.one_of(mixed_chains(), dense_sizes(longest=7).map(chain_of_sizes)), workers=crews, stage=st.integers(1, 40)
)
def test_what_searches_only_a_part_proves_nothing_that_is_wrong(chain, workers, stage):
    least = scheduled(chain, workers).lower_bound  # met: the chain is short
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("SHORT", 1), ("STAGES", (stage, 2 * stage)), ("MOST_WAYS", stage)):
            patch.setattr(f"jacchain.planning.scheduling.scheduled.{name}", value)
        found = scheduled(chain, workers)
    assert broken(found.schedule, found.draft.nodes) == ""
    assert found.lower_bound <= least <= found.schedule.makespan


@given(structure_chains(longest=5, least=2))
def test_no_order_with_an_interval_takes_less_than_is_said_of_it(structures):
    chain = dense_links(structures)
    known = Prospects(chain)
    work, path = (bounds.below + bounds.above for bounds in (known.work, known.path))
    for order in every_order(chain):
        flops, longest = order.flops, list_schedule(order.nodes, len(chain)).makespan
        for span in node_spans(order.nodes):
            assert work[span] <= flops
            assert path[span] <= longest
    assert work[0, -1] == optimal(chain).flops
    assert known.least_path == scheduled(chain, len(chain)).schedule.makespan


@pytest.mark.parametrize("pieces", [2, 3, 5, 8])
@given(chain=mixed_chains(longest=8))
def test_segments_make_an_order_of_the_whole_chain(pieces, chain):
    if pieces > len(chain):
        return
    bounds = cuts(chain.sizes, pieces)
    assert bounds == sorted(set(bounds))
    assert (bounds[0], bounds[-1]) == (0, len(chain))
    found = segmented(chain, pieces, optimal)
    assert node_spans(found.nodes)[-1] == (0, len(chain) - 1)
    assert found.flops >= optimal(chain).flops


@pytest.mark.parametrize("links", [60, 150])
def test_long_chains_are_searched_around_good_orders(links):
    sizes = Random(links).choices(range(5, 300), k=links + 1)
    found = scheduled(chain_of_sizes(sizes), 4, seconds=0.4)
    assert broken(found.schedule, found.draft.nodes) == ""
    one = optimal(chain_of_sizes(sizes))
    assert found.schedule.makespan <= list_schedule(one.nodes, 4).makespan
    assert found.schedule.makespan < 0.6 * one.flops


@given(mixed_chains(), crews)
def test_results_of_several_workers_share_no_storage(chain, workers):
    found = plan(chain, workers=workers, itemsize=1)
    tapes = sorted((taped(chain, node) for node in found.nodes), reverse=True)
    if found.schedule.workers > 1:
        assert found.peak == states(chain) + sum(held(chain, node) for node in found.nodes) + sum(tapes[:workers])


@given(mixed_chains(), crews)
def test_a_memory_limit_leaves_as_many_workers_as_fit_and_one_at_the_least(chain, workers):
    alone, together = plan(chain), plan(chain, workers=workers)
    assert plan(chain, workers=workers, memory=together.peak).makespan == together.makespan
    found = plan(chain, workers=workers, memory=alone.peak)
    assert found.peak <= alone.peak
    assert found.makespan <= alone.makespan


def test_slices_are_made_by_one_worker():
    found = plan([40, 30, 20, 30, 40], workers=2, chunk_size=10)
    assert found.schedule is None
    assert found.makespan == found.flops


def test_workers_beyond_the_links_stay_idle():
    found = plan([40, 30, 20, 10, 20, 30, 40], workers=1000)
    assert found.schedule.workers == 1000
    assert {task.worker for task in found.schedule.tasks} <= set(range(6))
    assert found.makespan == 34000 == found.lower_bound


@pytest.mark.parametrize("workers", [0, -3, 2.5, True, "two", 5000])
def test_numbers_of_workers_that_make_no_sense_are_refused(workers):
    with pytest.raises(JacchainError, match="workers is"):
        plan([3, 4, 5], workers=workers)


def test_too_many_workers_are_an_option_error():
    with pytest.raises(OptionError, match=r"workers is 1,025, more than 1,024\n.*as many as there are cores"):
        plan([3, 4, 5], workers=1025)


def test_results_do_not_change_from_run_to_run():
    sizes = Random(3).choices(range(5, 300), k=13)  # searched within a small part of the budget
    one, two = (scheduled(chain_of_sizes(sizes), 3) for _ in range(2))
    assert (one.draft.nodes, one.schedule, one.lower_bound) == (two.draft.nodes, two.schedule, two.lower_bound)


def test_the_reason_says_what_workers_gain():
    assert plan([40, 30, 20, 10, 20, 30, 40], workers=2).reason.endswith(
        "; 2 workers finish after 34,000 multiplications, 1.53 times sooner than one"
    )
    assert "2 workers" not in plan([3, 4, 5], workers=1).reason
