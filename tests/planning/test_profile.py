"""What a plan holds at every step, how deep it is, and how planners compare."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import dense_sizes, mixed_chains

import jacchain as jc
from jacchain.errors import InfeasibleError
from jacchain.planning.comparison import TRIED, compare_planners
from jacchain.planning.node import Local, operands
from jacchain.planning.planners import PLANNERS
from jacchain.planning.profile import depth, made, profile
from jacchain.planning.tradeoff import tradeoff


def _planned(chain, **options):
    try:
        return jc.plan(chain, **options)
    except InfeasibleError:
        return None


@given(mixed_chains(), st.sampled_from(sorted(PLANNERS)))
def test_the_fullest_step_is_the_peak(chain, planner):
    plan = _planned(chain, planner=planner)
    if plan is not None:
        held = profile(plan)
        assert len(held) == len(plan.nodes)
        assert max(held) == plan.peak


@given(dense_sizes(longest=6), st.integers(1, 100), st.integers(0, 3))
def test_the_fullest_step_is_the_peak_under_a_memory_limit_and_in_slices(sizes, percent, chunk):
    whole = jc.plan(sizes)
    options = [{"memory": max(1, whole.peak * percent // 100)}]
    if chunk and chunk <= max(sizes[0], sizes[-1]):
        options.append({"chunk_size": chunk})
    for option in options:
        plan = _planned(sizes, **option)
        if plan is not None:
            assert max(profile(plan)) == plan.peak


@given(mixed_chains(), st.integers(1, 3))
def test_with_several_workers_nothing_exceeds_the_peak(chain, workers):
    plan = _planned(chain, workers=workers)
    if plan is not None:
        assert max(profile(plan)) == plan.peak


@given(mixed_chains())
def test_the_depth_is_the_longest_path(chain):
    nodes = jc.plan(chain).nodes

    def longest(k):
        step = 0 if isinstance(nodes[k], Local) and not nodes[k].flops else 1
        return step + max((longest(operand) for operand in operands(nodes[k])), default=0)

    assert depth(nodes) == longest(len(nodes) - 1)


def test_the_steps_of_a_slice_belong_to_the_slice():
    plan = jc.plan([6, 4, 2], chunk_size=3)
    assert made(plan).sizes in ((3, 4, 2), (6, 4, 3))


@given(mixed_chains(longest=4), st.one_of(st.none(), st.integers(0, 40)))
def test_a_comparison_is_what_each_planner_says(chain, tape_limit):
    rivals = compare_planners(chain, tape_limit=tape_limit)
    assert sorted(rival.planner for rival in rivals) == sorted(PLANNERS)
    assert rivals[0].planner == "optimal"
    for rival in rivals:
        assert rival.plan == _planned(chain, planner=rival.planner, tape_limit=tape_limit)
        assert (rival.plan is None) == (rival.obstacle is not None)
        if rival.plan is not None:
            assert rival.plan.flops >= rivals[0].plan.flops


def test_exhaustive_is_skipped_where_there_are_too_many_orders():
    *_, last = compare_planners([2] * (TRIED + 2))
    assert (last.planner, last.plan, last.is_skipped) == ("exhaustive", None, True)
    assert f"{TRIED + 1} links" in last.obstacle
    *_, last = compare_planners([2] * (TRIED + 1))
    assert last.plan is not None


@given(dense_sizes(longest=5, most=12))
def test_a_tradeoff_goes_from_the_cheapest_to_the_smallest_limit(sizes):
    found = tradeoff(sizes)
    assert found[0] == jc.plan(sizes)
    for before, after in pairwise(found):
        assert after.peak < before.peak
        assert after.flops >= before.flops
    with pytest.raises(InfeasibleError):
        jc.plan(sizes, memory=found[-1].peak - 1)
