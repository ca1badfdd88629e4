"""What a profile has to do with execution: products are made in the ways that it measured to be the quickest."""

from functools import lru_cache
from typing import Literal, NamedTuple, final

from jacchain.algebra.gemm_ways import GemmWay
from jacchain.algebra.numpy_kernels import NumpyKernels
from jacchain.execution.device import Backend, Device
from jacchain.planning.cost import Cost, ProfileLike, as_cost
from jacchain.planning.pricing.prices import way
from jacchain.planning.pricing.profile import Profile
from jacchain.planning.pricing.store import as_profile


@final
class Pricing(NamedTuple):
    """What plans are the cheapest in, and the profile that predicts seconds; None where nothing is predicted."""

    cost: Cost = "multiplications"
    profile: Profile | None = None
    is_given: bool = False
    """The user gave the profile, and it is not merely that of the device."""


def as_pricing(cost: Cost, profile: ProfileLike, device: Device | Literal["auto"], /) -> Pricing:
    """Return checked options; the profile of the device is read where seconds are the cost and none is given.

    Raises
    ------
    OptionError, FileError
        No such cost, or no such profile.
    """
    if as_cost(cost) == "multiplications" and profile is None:
        return Pricing()
    found = as_profile(profile, device="cpu" if device == "auto" else str(device))
    return Pricing(cost, found, profile is not None)


def priced_on(backend: Backend, pricing: Pricing, asked: Device | Literal["auto"], /) -> Pricing:
    """Return the same with the profile of the device that was found to do the arithmetic, where none was given."""
    if pricing.profile is None or pricing.is_given or asked != "auto" or backend.device.kind == "cpu":
        return pricing
    return pricing._replace(profile=as_profile(None, device=str(backend.device)))


def tuned(backend: Backend, profile: Profile | None, /) -> Backend:
    """Return a backend that makes products in the ways of a profile; that of another device as it is."""
    if profile is None or backend.device.kind != "cpu":
        return backend
    return backend.with_kernels(*_kernels(profile))


@lru_cache(maxsize=8)
def _kernels(profile: Profile) -> tuple[NumpyKernels, NumpyKernels]:
    """Return kernels for arrays in the cache, and for results."""

    def choose(m: int, k: int, n: int, itemsize: int) -> GemmWay | None:
        return way(profile.rates_of(itemsize), m, k, n)

    return NumpyKernels(is_cold=False, choose=choose), NumpyKernels(is_cold=True, choose=choose)
