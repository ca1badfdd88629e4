"""Packing of storage and the order of steps."""

from hypothesis import given
from hypothesis import strategies as st
from strategies import mixed_chains

from jacchain.planning.exhaustive import exhaustive
from jacchain.planning.memory import Extent, arrange, held, pack, taped
from jacchain.planning.node import operands
from jacchain.planning.planner import plan

extents = st.builds(
    lambda size, first, length: Extent(size, first, first + length),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
)


@given(st.lists(extents, max_size=14))
def test_packed_extents_never_overlap_and_fit(found):
    offsets, total = pack(found)
    for k, (a, at) in enumerate(zip(found, offsets, strict=True)):
        assert 0 <= at <= at + a.size <= total or a.size == 0
        for b, other in zip(found[:k], offsets[:k], strict=True):
            together = a.first <= b.last and b.first <= a.last and a.size and b.size
            assert not together or at + a.size <= other or other + b.size <= at
    assert total >= max((sum(e.size for e in found if e.first <= t <= e.last) for t in range(20)), default=0)


@given(mixed_chains())
def test_arranged_steps_keep_the_need_that_is_stated_and_come_after_their_operands(chain):
    nodes, need = arrange(chain, *_tree(chain))
    live: set[int] = {len(nodes) - 1}  # for the result there is room from the beginning
    most = 0
    for k, node in enumerate(nodes):
        assert live.issuperset(operands(node))
        live.add(k)
        most = max(most, sum(held(chain, nodes[i]) for i in live) + taped(chain, node))
        live -= set(operands(node))
    assert most == need
    assert live == {len(nodes) - 1}


def _tree(chain):
    draft = exhaustive(chain)
    return draft.nodes, len(draft.nodes) - 1


@given(mixed_chains())
def test_peak_is_counted_in_bytes_of_the_dtype(chain):
    assert plan(chain, itemsize=8).peak == 2 * plan(chain, itemsize=4).peak
