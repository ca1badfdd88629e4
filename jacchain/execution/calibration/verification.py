"""How well a profile predicts chains that it was not made from, on the machine where it was made."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from random import Random
from statistics import median
from typing import Any, NamedTuple, final

import numpy as np

from jacchain.algebra.structure import Dense, Diagonal, Structure, block_diagonal, kronecker
from jacchain.algebra.structure import Identity as Unit
from jacchain.execution.backend import Backend
from jacchain.execution.calibration.given_chain import chain_of_layers, executable, given_layers
from jacchain.execution.calibration.products import GUESS
from jacchain.execution.calibration.timing import Task
from jacchain.execution.duration import program_seconds
from jacchain.execution.program import Program
from jacchain.planning.planner import plan
from jacchain.planning.pricing.profile import Rates


class Prediction(NamedTuple):
    """The seconds of a program, predicted and measured."""

    name: str
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """How far the prediction is off, as a share of what was measured."""
        return abs(self.predicted / self.measured - 1)


@final
class Verification(NamedTuple):
    """Predictions of several programs.

    Examples
    --------
    >>> found = Verification((Prediction("a", 1.0, 2.0), Prediction("b", 3.0, 3.0)))
    >>> found.median_error, found.rank_correlation
    (0.25, 1.0)
    """

    predictions: tuple[Prediction, ...]

    @property
    def median_error(self) -> float:
        """The median of the relative errors."""
        return median(prediction.error for prediction in self.predictions)

    @property
    def rank_correlation(self) -> float:
        """Spearman's: 1 where predictions put the programs in the order of what was measured."""
        return rank_correlation(
            [prediction.predicted for prediction in self.predictions],
            [prediction.measured for prediction in self.predictions],
        )


def rank_correlation(first: Sequence[float], second: Sequence[float], /) -> float:
    """Return Spearman's rank correlation of two lists without ties; 1 for lists of one.

    Examples
    --------
    >>> rank_correlation([1.0, 2.0, 3.0], [10.0, 30.0, 20.0])
    0.5
    """
    count = len(first)
    if count < 2:
        return 1.0
    ranks = [sorted(range(count), key=values.__getitem__) for values in (first, second)]
    places = [sorted(range(count), key=rank.__getitem__) for rank in ranks]
    distance: int = sum((a - b) ** 2 for a, b in zip(*places, strict=True))
    return float(1 - 6 * distance / (count * (count**2 - 1)))


def dense_structures(random: Random, links: int, most: int, /) -> list[Structure]:
    """Return dense links of random sizes from 5 to `most`."""
    sizes = [random.randint(5, most) for _ in range(links + 1)]
    return [Dense(sizes[k + 1], sizes[k]) for k in range(links)]


def structured(random: Random, links: int, most: int, /) -> list[Structure]:
    """Return links of a chain in which dense matrices, diagonals, blocks and Kronecker products follow one another."""
    found: list[Structure] = []
    size = random.randint(5, most)
    while len(found) < links:
        count = random.choice([n for n in (1, 2, 4, 8) if size % n == 0])
        part, wanted = size // count, random.randint(5, max(most // count, 6))
        choice = random.randrange(5)
        if choice < 2 or count == 1:
            found.append(Dense(random.randint(5, most), size) if choice else Diagonal(size))
        elif choice == 2:
            found.append(block_diagonal(count, wanted, part))
        elif choice == 3:
            found.append(kronecker(Unit(count), Dense(wanted, part)))
        else:
            found.append(kronecker(Dense(wanted, part), Unit(count)))
        size = found[-1].rows
    return found


def problems(most: int, /) -> Iterator[tuple[str, list[Structure]]]:
    """Yield chains by names, always the same."""
    random = Random(6)
    for links in (5, 10, 20, 50):
        yield f"{links} dense links", dense_structures(random, links, most)
        yield f"{links} dense links, others", dense_structures(random, links, most)
    for links in (5, 10, 20):
        yield f"{links} structured links", structured(random, links, most)
        yield f"{links} structured links, others", structured(random, links, most)


class Trial(NamedTuple):
    """A program whose time is predicted, and what runs it."""

    name: str
    program: Program
    task: Task


def trials(backend: Backend, dtype: "np.dtype[Any]", most: int, /) -> Iterator[Trial]:
    """Yield chains of sizes up to `most`, each in its optimal order and in forward mode."""
    for name, structures in problems(most):
        layers = given_layers(structures, dtype, backend)
        for planner in ("optimal", "forward"):
            found = plan(chain_of_layers(layers), planner=planner)
            runs = executable(found, layers, dtype, backend)
            point = backend.place(np.zeros(found.chain.sizes[0], dtype))
            title = f"{name}, {planner}"
            yield Trial(title, runs.program, Task(title, ((runs, (point,)),), 1e-6 + found.flops * GUESS))


def verification_of(found: Sequence[Trial], rates: Rates, times: Mapping[Hashable, float], /) -> Verification:
    """Return the predictions of programs beside the times of their tasks; programs make products as NumPy does."""
    predicted = [program_seconds(rates, trial.program, plain=True) for trial in found]
    return Verification(
        tuple(
            Prediction(trial.name, seconds, times[trial.task.key])
            for trial, seconds in zip(found, predicted, strict=True)
        )
    )
