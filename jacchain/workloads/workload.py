"""What a built-in problem is, and all of them by name."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from jacchain.algebra.kernels import Array
from jacchain.derivatives import Jacobian, gradient, jacobian
from jacchain.errors import OptionError, SizeError, unknown_name
from jacchain.model.sequential import Sequential
from jacchain.planning.graph import as_size

Dtype = Literal["float32", "float64"]
DTYPES: tuple[Dtype, ...] = ("float32", "float64")


class Workload(NamedTuple):
    """A function, the point at which its derivative is wanted, and what to say about them."""

    name: str
    title: str
    function: Sequential
    point: Array
    wants: Literal["gradient", "jacobian"]
    notes: tuple[str, ...]

    def derivative(self, planner: str, /) -> Jacobian:
        """Return the wanted derivative by a planner."""
        return (gradient if self.wants == "gradient" else jacobian)(self.function, planner=planner)


class Settings(NamedTuple):
    """What a user may choose; None leaves it to the workload."""

    hidden: int | None = None
    dims: Sequence[int] | None = None
    seed: int = 0
    dtype: Dtype | None = None


DEFAULTS = Settings()
WORKLOADS = ("wine", "autoencoder", "chain")


def workload(name: str, settings: Settings = DEFAULTS, /) -> Workload:
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
        from jacchain.workloads.wine import wine

        hidden = as_size(16 if settings.hidden is None else settings.hidden, "hidden")
        return wine(hidden, seed=settings.seed, dtype=settings.dtype or "float32")
    from jacchain.workloads.networks import autoencoder, chain

    made = {"autoencoder": autoencoder, "chain": chain}[name]
    return made(_sizes(settings.dims), seed=settings.seed, dtype=settings.dtype or "float64")


def _sizes(dims: Sequence[int] | None) -> tuple[int, ...] | None:
    if dims is None:
        return None
    found = tuple(as_size(size, f"size d_{k}") for k, size in enumerate(dims))
    if len(found) < 2:
        raise SizeError(f"{len(found)} sizes make no link", "give at least two sizes, such as 13,16,1")
    return found
