"""A made-up macroeconomic model in sequence space: blocks of T × T Jacobians around a steady state."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from scipy.sparse import csr_array, eye_array

from jacchain.algebra.kernels import Array

UNKNOWNS: Final = ("K", "N", "w")
"""Capital, hours and the wage: what the targets are solved for."""

SHOCKS: Final = ("Z", "mu", "eps", "G", "B", "beta")
"""Productivity, markups, monetary policy, government spending, its debt, patience."""

TARGETS: Final = ("goods", "assets", "labour")
"""What is zero in equilibrium: excess supply of goods, assets and labour."""

Block = Mapping[str, Mapping[str, Any]]

SHARE, DEPRECIATION, INTEREST, DISCOUNT = 0.33, 0.025, 0.01, 0.99
SLOPE, REACTION, TAX, DEBT, PAYOUT = 0.1, 1.5, 0.25, 0.6, 0.12


def sequence_space_blocks(horizon: int = 300, *, seed: int = 0) -> list[Block]:
    """Return the blocks of a one-asset model of heterogeneous households with sticky prices and capital.

    Column s of a block is the response, over time, to news at time 0 of a unit change at time s. Firms, the state and
    markets are diagonals and shifts; prices and shares are discounted sums of the future, and households' consumption,
    savings and marginal utility respond to all times: dense blocks. The numbers are plausible, but those of no economy.

    Parameters
    ----------
    horizon : int
        T, the number of periods.
    seed : int
        Of the households' responses.

    Returns
    -------
    list of {output: {input: matrix}}
        As `jacchain.compose` takes them: dense and sparse arrays, and numbers for multiples of the identity.

    Examples
    --------
    >>> blocks = sequence_space_blocks(40)
    >>> sum(len(block) for block in blocks), sum(len(made) for block in blocks for made in block.values())
    (18, 51)
    """
    now, lag = eye_array(horizon, format="csr"), csr_array(eye_array(horizon, k=-1))
    profits = 1 - (1 - SHARE) * 0.9
    production: Block = {
        "Y": {"Z": 1.0, "K": SHARE * lag, "N": (1 - SHARE) * now},
        "mc": {"w": 0.9, "N": 0.9, "Y": -0.9},
        "inv": {"K": now - (1 - DEPRECIATION) * lag},
        "div": {"Y": 1, "w": profits - 1, "N": profits - 1, "inv": -1},
    }
    phillips: Block = {"pi": {"mc": SLOPE * _discounted(horizon), "mu": SLOPE * _discounted(horizon)}}
    central_bank: Block = {"i": {"pi": REACTION, "Y": 0.1, "eps": 1}}
    fisher: Block = {"r": {"i": lag, "pi": -1}}
    equity: Block = {
        "q": {"div": PAYOUT * _discounted(horizon), "r": -3 * _discounted(horizon)},
        "ra": {"q": 0.1 * (now - lag), "r": 1, "div": 0.03 * now},
    }
    government: Block = {"tax": {"G": 1, "r": DEBT * now, "B": (1 + INTEREST) * lag - now}}
    wages: Block = {
        "z": {"w": 1 - TAX, "N": 1 - TAX, "tax": -1},
        "piw": {"w": now - lag, "pi": 1},
    }
    clearing: Block = {
        "goods": {"Y": 1, "C": -1, "inv": -1, "G": -1},
        "assets": {"A": 1, "q": -1, "B": -1},
        "labour": {"U": 0.5 * now, "w": 0.5, "N": -0.5, "piw": 1},
    }
    households = _households(horizon, np.random.default_rng(seed))
    return [production, phillips, central_bank, fisher, equity, government, wages, households, clearing]


def accumulated_forward(
    blocks: Iterable[Block], outputs: Iterable[str], inputs: Iterable[str], horizon: int = 300, /
) -> dict[tuple[str, str], Any]:
    """Return the total Jacobians of outputs with respect to inputs, as one writes it by hand.

    In the order of the blocks the totals of each variable that is needed are made of those of the variables before it,
    with NumPy and SciPy sparse arrays. A pair that no path joins is left out.
    """
    outputs, inputs = tuple(outputs), tuple(inputs)
    totals: dict[tuple[str, str], Any] = {(source, source): eye_array(horizon, format="csr") for source in inputs}
    for output, made in _needed(blocks, outputs):
        for source in inputs:
            known = [(matrix, totals[name, source]) for name, matrix in made.items() if (name, source) in totals]
            terms = [a * total if isinstance(a, int | float) else a @ total for a, total in known]
            if terms:
                totals[output, source] = sum(terms[1:], start=terms[0])
    return {pair: total for pair, total in totals.items() if pair[0] in outputs}


def _needed(blocks: Iterable[Block], outputs: tuple[str, ...]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the variables that outputs are made from, and the outputs, each with what makes it."""
    needed, found = set(outputs), []
    for output, made in reversed([item for block in blocks for item in block.items()]):
        if output in needed:
            needed.update(made)
            found.append((output, made))
    return found[::-1]


def _discounted(horizon: int) -> Array:
    """Return the map from a path to its discounted sums from each time on."""
    ahead = np.arange(horizon) - np.arange(horizon)[:, None]
    return np.triu(DISCOUNT ** np.maximum(ahead, 0))


def _households(horizon: int, random: np.random.Generator) -> Block:
    """Return responses that fade both before and after the change: news is acted on, and savings last."""
    after = np.arange(horizon)[:, None] - np.arange(horizon)
    impact = {
        "C": {"ra": 0.05, "z": 0.2, "beta": -0.3},
        "A": {"ra": 0.9, "z": 0.7, "beta": 0.4},
        "U": {"ra": -0.04, "z": -0.15, "beta": 0.2},
    }
    found: dict[str, dict[str, Array]] = {}
    for output, sizes in impact.items():
        lasting = 0.96 if output == "A" else 0.85
        fading = np.where(after >= 0, lasting ** np.abs(after), 0.9 ** np.abs(after))
        noise = {source: 1 + 0.1 * random.standard_normal((horizon, horizon)) for source in sizes}
        found[output] = {source: size * fading * noise[source] for source, size in sizes.items()}
    return found
