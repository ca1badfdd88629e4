"""Very long chains: windows against the exact table, and lower bounds that hold."""

from itertools import pairwise
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import mixed_chains, structures

from jacchain.algebra.product import price, product
from jacchain.algebra.structure import Dense
from jacchain.planning import lower_bound as bounds
from jacchain.planning import windowed as windows
from jacchain.planning.graph import Chain
from jacchain.planning.link import Link
from jacchain.planning.lower_bound import lower_bound
from jacchain.planning.optimal import exact, table, table_of
from jacchain.planning.planner import plan
from jacchain.planning.windowed import windowed


def matrix_free(n: int, seed: int, *, narrow: bool = False) -> Chain:
    rng = np.random.default_rng(seed)
    d = rng.integers(1, 40 if narrow else 200, n + 1).tolist()
    t, a = rng.integers(0, 3000, (2, n)).tolist()
    return Chain(
        Link(p, q) if rng.random() < 0.3 else Link(p, q, tangent_cost=x, adjoint_cost=y)
        for p, q, x, y in zip(d[:-1], d[1:], t, a, strict=True)
    )


@settings(max_examples=50)
@given(mixed_chains(longest=6))
def test_the_exact_order_of_a_short_chain_is_not_lost_to_windows(chain):
    with patch.object(windows, "LINKS", 2):
        found = windowed(chain)
    assert found.flops == sum(node.flops for node in found.nodes) >= exact(chain).flops
    assert (found.nodes[-1].structure.rows, found.nodes[-1].structure.columns) == (chain.sizes[-1], chain.sizes[0])
    assert windowed(chain).flops == exact(chain).flops


def test_the_lower_bound_holds_in_windows_of_any_size():
    for seed in range(12):
        chain = matrix_free(40, seed, narrow=seed % 2 == 0)
        best = exact(chain).flops
        for size in (1, 2, 5, 13, 39, 40):
            with patch.object(bounds, "WINDOW", size), patch.object(bounds, "AT_ONCE", 0):
                assert 0 <= lower_bound(chain) <= best
        assert lower_bound(chain) == best


@given(mixed_chains(longest=6))
def test_the_lower_bound_of_any_structures_holds(chain):
    with patch.object(bounds, "WINDOW", 2), patch.object(bounds, "AT_ONCE", 0):
        assert lower_bound(chain) <= exact(chain).flops
    assert lower_bound(chain) == exact(chain).flops


def test_a_chain_of_thousands_of_matrix_free_links_is_planned_close_to_its_bound():
    found = plan(matrix_free(3000, 1), planner="optimal")
    assert 0 < found.lower_bound <= found.flops < 1.05 * found.lower_bound
    assert len(found.nodes) < 6000
    assert "3,000 links were planned in windows: at most " in found.reason


@given(structures(), st.integers(1, 6))
def test_a_dense_factor_costs_in_proportion_to_its_free_side(structure, count):
    row, column = Dense(1, structure.rows), Dense(structure.columns, 1)
    assert price(Dense(count, structure.rows), structure).cost == count * price(row, structure).cost
    assert price(structure, Dense(structure.columns, count)).cost == count * price(structure, column).cost
    assert isinstance(product(row, structure).structure, Dense)
    assert isinstance(product(structure, column).structure, Dense)


@given(mixed_chains(longest=5))
def test_the_table_holds_the_optimum_of_every_interval(chain):
    found = table_of(chain)
    for (first, last), (flops, split) in found.items():
        part = Chain(chain.links[first : last + 1])
        assert flops == plan(part, planner="exhaustive").flops
        assert split is None or first <= split < last


def test_huge_costs_are_exact_without_64_bits():
    rng = np.random.default_rng(3)
    d = rng.integers(10**8, 10**9, 13).tolist()
    links = [Link(p, q, tangent_cost=p * q, adjoint_cost=p * q) for p, q in pairwise(d)]
    links[4] = Link(d[4], d[4], structure="diagonal")
    links[5] = Link(d[4], d[6], tangent_cost=d[6] * d[4])
    chain = Chain(links)
    assert table(chain).dtype is object
    short = Chain(links[:5])
    assert plan(short).flops == plan(short, planner="exhaustive").flops > 2**63


def test_long_runs_of_links_that_are_not_dense_are_planned_in_windows():
    found = plan(Chain([Link(8, 8, structure="diagonal")] * 400))
    assert found.flops == 8 * 399
    assert "400 links were planned in windows" in found.reason


def test_long_chains_are_sliced_and_limited_without_a_search():
    sizes = np.random.default_rng(5).integers(2, 40, 301).tolist()
    found = plan(sizes, chunk_size=1)
    assert found.flops == plan(sizes).flops
    limited = plan(sizes, memory=plan(sizes).peak - 1)
    assert limited.peak < plan(sizes).peak
    assert limited.flops >= limited.lower_bound == found.flops
