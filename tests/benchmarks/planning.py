"""How planning time grows with the length of a chain."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.contender import Contender
from benchmarks.growth import exponent, lengths
from benchmarks.numpy_order import chain_order, is_known
from benchmarks.race import Times
from benchmarks.row import Row
from benchmarks.target import Target
from jacchain.planning.graph import Chain, Link
from jacchain.planning.hu_shing import triangulate
from jacchain.planning.planner import plan

DENSE = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
STRUCTURED = (10, 20, 50)
COMPARED = 100
"""NumPy's own planning is timed up to this length; at 500 it takes ten seconds."""

WHOLE, ALONE, THEIRS, TABLE = "jc.plan", "triangulate alone", "NumPy's own", "jc.plan, structured"


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
    targets = [Target(f"{WHOLE} n=100", (), 0.005), Target(f"{WHOLE} n=1000", (), 1.0)]
    return Row("plan-dense", "planning dense chains, sizes 5 to 500", contenders, targets, notes=_growth)


def structured_row(*, peers: bool) -> Row:
    """Return the row of chains of diagonal, dense and identity links, for which the dynamic program is needed."""
    rng = np.random.default_rng(0)
    chains = [(n, _structured(n, rng)) for n in STRUCTURED]
    contenders = [Contender(f"{TABLE} n={n}", "other", partial(plan, chain), answer=None) for n, chain in chains]
    title = "planning chains of diagonal, dense and identity links, by the dynamic program"
    return Row("plan-structured", title, contenders, [], notes=_growth)


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
    for series in (WHOLE, ALONE, THEIRS, TABLE):
        points = lengths(times, series)
        if len(points) > 1:
            first, last = points[0][0], points[-1][0]
            found.append(f"{series} grows as n^{exponent(points):.2f} from n={first} to n={last}")
            late: list[Any] = [point for point in points if point[0] >= 100]
            if len(late) > 2:
                found[-1] += f", as n^{exponent(late):.2f} from n={late[0][0]}"
    return found
