"""A profile of a card from its data sheet, for predictions before one has been measured."""

from itertools import product as combinations
from typing import Final, NamedTuple

from jacchain import __version__
from jacchain.planning.pricing.curve import Curve
from jacchain.planning.pricing.grid import Grid
from jacchain.planning.pricing.profile import CURVES, Machine, Profile, Rates
from jacchain.planning.pricing.way_table import no_ways

SIZES: Final = tuple(2**k for k in range(14))
COUNTS: Final = tuple(4**k for k in range(14))


class Card(NamedTuple):
    """What a data sheet says, and how long a launch takes.

    Attributes
    ----------
    name : str
    date : str
        Of the data sheet.
    float64, float32 : float
        Multiply-adds a second of matrix products, at most.
    memory, bus : float
        Bytes a second of the card's memory, and to the host.
    units : int
        Multiprocessors, each of which makes a tile of a product at a time.
    launch : float
        Seconds between one launch from Python and the next.
    """

    name: str
    date: str
    float64: float
    float32: float
    memory: float
    bus: float
    units: int
    launch: float


A100: Final = Card("NVIDIA A100 40 GB", "2020-05-14", 9.75e12, 9.75e12, 1.555e12, 2.5e10, 108, 1e-5)
"""NVIDIA's data sheet: 19.5 TFLOP/s in both (float64 by tensor cores), 1,555 GB/s, PCIe 4.0 x16, 108 multiprocessors.

What a launch takes is no published figure: ten microseconds is what one from Python is usually said to take.
"""

TILE: Final = 64
"""Rows and columns of a product that a multiprocessor makes at a time."""

SHARE: Final = 0.8
"""Of the peak that products of large matrices reach."""


def published_profile(card: Card = A100, /) -> Profile:
    """Return the profile of a card.

    Examples
    --------
    >>> found = published_profile()
    >>> found.is_measured, round(found.rates_of(4).grid.at(1, 1, 1), 9)
    (False, 1e-05)
    """
    machine = Machine("", 0, "", "", 0, "", __version__, card.name)
    rates = tuple(_rates(card, dtype) for dtype in ("float64", "float32"))
    return Profile(f"{card.name}, by its data sheet", machine, card.date, rates, is_shipped=True, is_measured=False)


def _rates(card: Card, dtype: str) -> Rates:
    itemsize = 4 if dtype == "float32" else 8
    peak = card.float32 if dtype == "float32" else card.float64
    seconds = tuple(_product(card, peak, itemsize, *shape) for shape in combinations(SIZES, repeat=3))
    grid = Grid(SIZES, seconds, seconds)
    passes = {"copy": 2, "fill": 1, "tanh": 2, "exp": 2, "segment_sum": 1, "take": 4, "scatter": 4, "stated": 1}
    curves = {name: _curve(COUNTS, card.launch, passes.get(name, 3) * itemsize / card.memory) for name in CURVES}
    for name in ("to_device", "to_host"):
        curves[name] = _curve(COUNTS, card.launch, 1 / card.bus)
    curves["fetch"] = Curve((1,), (1e-15,))
    found = tuple((name, curves[name]) for name in CURVES)
    return Rates(dtype, grid, no_ways(), card.launch, card.launch, 0.0, 0.0, 0.0, 1.0, found)


def _curve(counts: tuple[int, ...], launch: float, each: float) -> Curve:
    return Curve(counts, tuple(max(launch, count * each) for count in counts))


def _product(card: Card, peak: float, itemsize: int, m: int, k: int, n: int) -> float:
    """Return the seconds of a product: of its tiles in waves, of reading and writing, or of the launch."""
    tiles = -(-m // TILE) * -(-n // TILE)
    waves = -(-tiles // card.units)
    multiplying = waves * min(TILE, m) * min(TILE, n) * k / (SHARE * peak / card.units)
    moving = itemsize * (m * k + k * n + m * n) / card.memory
    return max(card.launch, multiplying, moving)
