"""How planning time grows with the length of a chain."""

import json
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contender import Contender
from benchmarks.growth import exponent, lengths
from benchmarks.numpy_order import chain_order, is_known
from benchmarks.race import Times
from benchmarks.row import Row
from benchmarks.target import Target
from jacchain.algebra.structure import BlockDiagonal
from jacchain.planning.graph import Chain
from jacchain.planning.hu_shing import triangulate
from jacchain.planning.link import Link
from jacchain.planning.lower_bound import lower_bound
from jacchain.planning.planner import plan
from jacchain.planning.windowed import windowed

DENSE = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000)
STRUCTURED = (10, 20, 50, 100, 200, 500)
UNIFORM = (20, 50, 100, 200)
FREE = (20, 50, 100, 200, 500, 1000)
LONG = (1000, 2000, 5000, 10_000)
COMPARED = 100
"""NumPy's own planning is timed up to this length; at 500 it takes ten seconds."""

WHOLE, ALONE, THEIRS = "jc.plan", "triangulate alone", "NumPy's own"
TABLE, BLOCKS, SWEPT = "jc.plan, structured", "jc.plan, block-diagonal throughout", "jc.plan, matrix-free"
WINDOWS, BOUND = "windows, matrix-free", "lower bound, matrix-free"


def dense_row(*, peers: bool) -> Row:
    """Return the row of dense chains of random sizes."""
    rng = np.random.default_rng(0)
    contenders: list[Contender] = []
    for n in DENSE:
        sizes: list[int] = rng.integers(5, 501, size=n + 1).tolist()
        cost = partial(_fans, sizes)
        contenders.append(Contender(f"{WHOLE} n={n}", "other", partial(plan, sizes), answer=None))
        contenders.append(Contender(f"{ALONE} n={n}", "other", partial(triangulate, sizes), answer=None))
        if n <= COMPARED and is_known():
            factors = [np.empty(shape, np.float32) for shape in pairwise(sizes[::-1])]
            contenders.append(Contender(f"{THEIRS} n={n}", "other", partial(chain_order, factors), answer=None))
            _agree(plan(sizes).flops, cost(triangulate(sizes)), chain_order(factors))
    limits = {100: 0.005, 1000: 0.02, 10_000: 0.3, 100_000: 5.0}
    targets = [Target(f"{WHOLE} n={n}", (), seconds) for n, seconds in limits.items()]
    return Row("plan-dense", "planning dense chains, sizes 5 to 500", contenders, targets, notes=_growth)


def structured_row(*, peers: bool) -> Row:
    """Return the row of chains of structured links, for which the dynamic program over structures is needed."""
    rng = np.random.default_rng(0)
    chains = [(n, _structured(n, rng)) for n in STRUCTURED]
    contenders = [Contender(f"{TABLE} n={n}", "other", partial(plan, chain), answer=None) for n, chain in chains]
    for n in UNIFORM:
        sizes = (20 * rng.integers(2, 9, n + 1)).tolist()
        blocks = Chain(Link(a, b, structure=BlockDiagonal(20, b // 20, a // 20)) for a, b in pairwise(sizes))
        contenders.append(Contender(f"{BLOCKS} n={n}", "other", partial(plan, blocks), answer=None))
    title = "planning chains of diagonal, dense and identity links, and of block-diagonal ones"
    names = (TABLE, BLOCKS)
    targets = [Target(f"{name} n={n}", (), limit) for name in names for n, limit in ((50, 0.05), (200, 1.5))]
    return Row("plan-structured", title, contenders, targets, notes=_growth)


def matrix_free_row(*, peers: bool) -> Row:
    """Return the row of chains of links with tangents and adjoints only; the recorded optima are checked too."""
    checked = _recorded()
    contenders = []
    for n in FREE:
        chain = _matrix_free(n, np.random.default_rng(0))
        contenders.append(Contender(f"{SWEPT} n={n}", "other", partial(plan, chain), answer=None))
    limits = {200: 0.06, 500: 0.6, 1000: 3.0}
    targets = [Target(f"{SWEPT} n={n}", (), seconds) for n, seconds in limits.items()]
    note = f"{checked} recorded cases: optimum, both tape limits and preaccumulation are equal"
    return Row(
        "plan-matrix-free",
        "planning matrix-free chains, sizes 5 to 50, by the dynamic program with all baselines",
        contenders,
        targets,
        notes=lambda times: [note, "C++ reference: n=100 3.6 ms, 200 59 ms, 500 2.9 s, 1000 27.5 s", *_growth(times)],
    )


def long_row(*, peers: bool) -> Row:
    """Return the row of very long matrix-free chains, planned in windows, with the gap to the proven lower bound."""
    contenders, notes = [], []
    for n in LONG:
        chain = _matrix_free(n, np.random.default_rng(0))
        contenders.append(Contender(f"{WINDOWS} n={n}", "other", partial(windowed, chain), answer=None))
        contenders.append(Contender(f"{BOUND} n={n}", "other", partial(lower_bound, chain), answer=None))
        found, least = windowed(chain).flops, lower_bound(chain)
        notes.append(f"n={n}: {found:,} multiplications, at most {found / least - 1:.1e} above the optimum")
    title = "planning very long matrix-free chains in windows"
    return Row("plan-long", title, contenders, [], notes=lambda times: [*notes, *_growth(times)])


def _matrix_free(links: int, rng: np.random.Generator) -> Chain:
    sizes: list[int] = rng.integers(5, 51, size=links + 1).tolist()
    costs: list[int] = rng.integers(1000, 10_000, size=links).tolist()
    pairs = zip(pairwise(sizes), costs, strict=True)
    return Chain(Link(a, b, tangent_cost=cost, adjoint_cost=cost, tape=cost) for (a, b), cost in pairs)


def _recorded() -> int:
    """Check the recorded matrix-free cases, and return how many there are."""
    cases = json.loads((Path(__file__).parents[1] / "reference" / "matrix_free.json").read_text())["cases"]
    for case in cases:
        links = zip(pairwise(case["dims"]), case["tangent_cost"], case["adjoint_cost"], case["edges"], strict=True)
        chain = Chain(Link(a, b, tangent_cost=t, adjoint_cost=u, tape=e) for (a, b), t, u, e in links)
        found = plan(chain)
        _agree(found.flops, case["optimum_unlimited"])
        _agree(found.baselines["preaccumulate"].flops or 0, case["preaccumulation_total"])
        for limited in case["limited"]:
            _agree(plan(chain, tape_limit=limited["memory"]).flops, limited["optimum"])
    return len(cases)


def _structured(links: int, rng: np.random.Generator) -> Chain:
    size, found = int(rng.integers(5, 501)), []
    for _ in range(links):
        structure = ("diagonal", "dense", "identity")[rng.integers(3)]
        outputs = int(rng.integers(5, 501)) if structure == "dense" else size
        found.append(Link(size, outputs, structure=structure))
        size = outputs
    return Chain(found)


def _fans(sizes: Sequence[int], triangles: Sequence[tuple[int, int, int]]) -> int:
    return sum(sizes[i] * sizes[k] * sizes[j] for i, k, j in triangles)


def _agree(*costs: float) -> None:
    if len(set(map(float, costs))) != 1:
        raise SystemExit(f"error: the optima differ: {costs}")


def _growth(times: Sequence[Times]) -> list[str]:
    found: list[str] = []
    for series in (WHOLE, ALONE, THEIRS, TABLE, BLOCKS, SWEPT, WINDOWS, BOUND):
        points = lengths(times, series)
        if len(points) > 1:
            first, last = points[0][0], points[-1][0]
            found.append(f"{series} grows as n^{exponent(points):.2f} from n={first} to n={last}")
            late: list[Any] = [point for point in points if point[0] >= 100]
            if len(late) > 2:
                found[-1] += f", as n^{exponent(late):.2f} from n={late[0][0]}"
    return found
