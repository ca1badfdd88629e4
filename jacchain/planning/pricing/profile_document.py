"""Profiles as documents of schema ``jacchain.profile/v1``, in JSON."""

import json
from datetime import date
from typing import Final, get_args

import msgspec

from jacchain.algebra.gemm_ways import GemmKind, GemmWay
from jacchain.errors import FileError, OptionError
from jacchain.planning.document import converted, decoded, expect_schema
from jacchain.planning.pricing.curve import Curve, as_curve
from jacchain.planning.pricing.grid import Grid, as_grid
from jacchain.planning.pricing.profile import CURVES, Machine, Profile, Rates
from jacchain.planning.pricing.way_table import WayTable, as_way_table

PROFILE_SCHEMA: Final = "jacchain.profile/v1"

DTYPES: Final = ("float32", "float64")

WHOLE: Final = ("dot", "matmul")
"""Ways without panels."""

DIGITS: Final = 4
"""Of a time that are kept: no clock is better."""


class CurveEntry(msgspec.Struct, forbid_unknown_fields=True):
    """Seconds for sizes."""

    sizes: list[int]
    seconds: list[float]


class GridEntry(msgspec.Struct, forbid_unknown_fields=True):
    """Seconds for all m, k, n out of the sizes."""

    sizes: list[int]
    seconds: list[float]
    plain: list[float]


class WaysEntry(msgspec.Struct, forbid_unknown_fields=True):
    """Ways of thin products, and their numbers for each cell."""

    ways: list[str]
    numbers: list[int]


class RatesEntry(msgspec.Struct, forbid_unknown_fields=True):
    """The rates of one dtype."""

    dtype: str
    call: float
    run: float
    loop: float
    item: float
    segment: float
    turned: float
    products: GridEntry
    ways: WaysEntry
    curves: dict[str, CurveEntry]


class MachineEntry(msgspec.Struct, forbid_unknown_fields=True):
    """What times depend on."""

    processor: str
    cores: int
    system: str
    blas: str
    threads: int
    numpy: str
    jacchain: str
    device: str


class ProfileEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A profile document."""

    schema: str
    name: str
    date: str
    machine: MachineEntry
    rates: list[RatesEntry]
    is_shipped: bool = False
    is_measured: bool = True


def profile_to_json(profile: Profile, /) -> str:
    """Return a profile as one JSON document: short lists on a line each."""
    document = ProfileEntry(
        PROFILE_SCHEMA,
        profile.name,
        profile.date,
        MachineEntry(**profile.machine._asdict()),
        [_rates_entry(rates) for rates in profile.rates],
        profile.is_shipped,
        profile.is_measured,
    )
    return json.dumps(msgspec.to_builtins(document), separators=(",", ":"))


def profile_from_json(text: str | bytes, /, *, source: str = "the profile") -> Profile:
    """Return the profile of a JSON document; errors name the source and the place."""
    raw = decoded(text, source, toml=False)
    expect_schema(raw, PROFILE_SCHEMA, source)
    entry = converted(raw, ProfileEntry, source)
    try:
        date.fromisoformat(entry.date)
    except ValueError as error:
        raise FileError(f"{source} is wrong at $.date: {error}", "write YYYY-MM-DD") from None
    if not entry.rates:
        raise FileError(f"{source} is wrong at $.rates: there are none", "calibrate anew")
    machine = Machine(**msgspec.structs.asdict(entry.machine))
    rates = tuple(_rates(found, f"$.rates[{k}]", source) for k, found in enumerate(entry.rates))
    return Profile(entry.name, machine, entry.date, rates, entry.is_shipped, entry.is_measured)


def rounded(seconds: float, /) -> float:
    """Return a time with as many digits as a document keeps.

    Examples
    --------
    >>> rounded(1.23456789e-6)
    1.235e-06
    """
    return float(f"{seconds:.{DIGITS - 1}e}")


def _rates_entry(rates: Rates) -> RatesEntry:
    grid = rates.grid
    products = GridEntry(
        list(grid.sizes),
        [rounded(time) for time in grid.seconds],
        [rounded(time) for time in grid.plain],
    )
    called = [f"{way.kind} {way.width}" if way.width else way.kind for way in rates.ways.ways]
    ways = WaysEntry(called, list(rates.ways.numbers))
    curves = {name: CurveEntry(list(curve.sizes), list(curve.seconds)) for name, curve in rates.curves}
    constants = rates.call, rates.run, rates.loop, rates.item, rates.segment, rates.turned
    return RatesEntry(rates.dtype, *constants, products, ways, curves)


def _rates(entry: RatesEntry, where: str, source: str) -> Rates:
    if entry.dtype not in DTYPES:
        raise FileError(f"{source} is wrong at {where}.dtype: {entry.dtype!r}", f"give one of {', '.join(DTYPES)}")
    for name in ("call", "run", "loop", "item", "segment", "turned"):
        if not 0 <= getattr(entry, name) < float("inf"):
            raise FileError(f"{source} is wrong at {where}.{name}: {getattr(entry, name)}", "give seconds from 0")
    if set(entry.curves) != set(CURVES):
        odd = sorted(set(entry.curves) ^ set(CURVES))
        raise FileError(f"{source} is wrong at {where}.curves: {', '.join(odd)}", f"give {', '.join(CURVES)}")
    grid = _grid(entry.products, f"{where}.products", source)
    ways = _ways(entry.ways, f"{where}.ways", source)
    curves = tuple((name, _curve(entry.curves[name], f"{where}.curves.{name}", source)) for name in CURVES)
    return Rates(
        entry.dtype, grid, ways, entry.call, entry.run, entry.loop, entry.item, entry.segment, entry.turned, curves
    )


def _curve(entry: CurveEntry, where: str, source: str) -> Curve:
    try:
        return as_curve(tuple(entry.sizes), tuple(entry.seconds))
    except OptionError as error:
        raise FileError(f"{source} is wrong at {where}: {error.what}", error.cure) from None


def _grid(entry: GridEntry, where: str, source: str) -> Grid:
    try:
        return as_grid(tuple(entry.sizes), tuple(entry.seconds), tuple(entry.plain))
    except OptionError as error:
        raise FileError(f"{source} is wrong at {where}: {error.what}", error.cure) from None


def _ways(entry: WaysEntry, where: str, source: str) -> WayTable:
    ways = tuple(_way(text, f"{where}.ways", source) for text in entry.ways)
    try:
        return as_way_table(ways, tuple(entry.numbers))
    except OptionError as error:
        raise FileError(f"{source} is wrong at {where}: {error.what}", error.cure) from None


def _way(text: str, where: str, source: str) -> GemmWay:
    kind, _, width = text.partition(" ")
    has_width = bool(width.isdecimal() and len(width) < 9 and int(width))
    for known in get_args(GemmKind):
        if kind == known and has_width == (known not in WHOLE):
            return GemmWay(known, int(width or 0))
    kinds = ", ".join(get_args(GemmKind))
    raise FileError(
        f"{source} is wrong at {where}: {text!r}", f"write one of {kinds}, with a width but for the first two"
    )
