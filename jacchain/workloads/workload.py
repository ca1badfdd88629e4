"""The built-in problems by name."""

from collections.abc import Sequence
from typing import NamedTuple

from jacchain.errors import OptionError, SizeError, unknown_name
from jacchain.planning.link import as_size
from jacchain.workloads.networks import autoencoder, chain
from jacchain.workloads.problem import DTYPES, Dtype, Problem
from jacchain.workloads.wine import wine


class Settings(NamedTuple):
    """What a user may choose; None leaves it to the workload."""

    hidden: int | None = None
    dims: Sequence[int] | None = None
    seed: int = 0
    dtype: Dtype | None = None


DEFAULTS = Settings()
WORKLOADS = ("wine", "autoencoder", "chain")


def workload(name: str, settings: Settings = DEFAULTS, /) -> Problem:
    """Return a built-in problem.

    Parameters
    ----------
    name : {"wine", "autoencoder", "chain"}
    settings : Settings

    Raises
    ------
    OptionError
        Unknown name, or a setting that the workload does not have.

    Examples
    --------
    >>> found = workload("wine")
    >>> found.point.shape, found.point.dtype.name
    ((16, 13), 'float32')
    """
    if name not in WORKLOADS:
        unknown_name("workload", name, WORKLOADS)
    if settings.hidden is not None and name != "wine":
        raise OptionError(f"{name} has no hidden size", "give its sizes with dims, or choose wine")
    if settings.dims is not None and name == "wine":
        raise OptionError("wine has no sizes of its own to choose", "give the number of hidden units instead")
    if settings.dtype not in (None, *DTYPES):
        unknown_name("dtype", settings.dtype, DTYPES)
    if settings.seed < 0:
        raise OptionError(f"seed {settings.seed} is negative", "give a whole number of at least 0")
    if name == "wine":
        hidden = as_size(16 if settings.hidden is None else settings.hidden, "hidden")
        return wine(hidden, seed=settings.seed, dtype=settings.dtype or "float32")
    made = {"autoencoder": autoencoder, "chain": chain}[name]
    return made(_sizes(settings.dims), seed=settings.seed, dtype=settings.dtype or "float64")


def _sizes(dims: Sequence[int] | None) -> tuple[int, ...] | None:
    if dims is None:
        return None
    found = tuple(as_size(size, f"size d_{k}") for k, size in enumerate(dims))
    if len(found) < 2:
        raise SizeError(
            f"{len(found)} size{'' if len(found) == 1 else 's'} cannot make a link",
            "give at least two sizes, such as 13,16,1",
        )
    return found
