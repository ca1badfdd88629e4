"""The machine that is being used."""

import os
import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jacchain import __version__
from jacchain.planning.pricing.profile import Machine


def this_machine(*, device: str = "cpu") -> Machine:
    """Return the machine that is being used; NumPy is loaded for it, which knows its BLAS and that its threads.

    Parameters
    ----------
    device : str
        "cpu", or the model of another device.
    """
    name, threads = _blas()
    return Machine(_processor(), cores(), platform.system(), name, threads, _version("numpy"), __version__, device)


def cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def differences(found: Machine, here: Machine, /) -> list[str]:
    """Return what is different here from where a profile was measured, in words; what is not known is left out.

    Examples
    --------
    >>> there = Machine("A", 8, "Linux", "openblas 0.3", 8, "2.1", "1.0")
    >>> differences(there, there._replace(threads=1, blas=""))
    ['8 BLAS threads, here 1']
    """
    said = []
    for name, what in (("processor", "the processor"), ("system", "the system"), ("blas", "the BLAS")):
        there, now = getattr(found, name), getattr(here, name)
        if there and now and there != now:
            said.append(f"{what} {there}, here {now}")
    if found.cores and found.cores != here.cores:
        said.append(f"{found.cores} cores, here {here.cores}")
    if found.threads and here.threads and found.threads != here.threads:
        said.append(f"{found.threads} BLAS threads, here {here.threads}")
    for name, what in (("numpy", "NumPy"), ("jacchain", "jacchain")):
        there, now = getattr(found, name), getattr(here, name)
        if there and now and there != now:
            said.append(f"{what} {there}, here {now}")
    if found.device != here.device:
        said.append(f"the device {found.device}, here {here.device}")
    return said


@lru_cache(maxsize=1)
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _blas() -> tuple[str, int]:
    """Return the BLAS of NumPy and its threads; they may be changed while the program runs."""
    import numpy  # noqa: F401  (loads the BLAS that is looked for)
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]  # it states no types

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    for pool in sorted(pools, key=lambda pool: "numpy" not in str(pool["filepath"])):
        kernels = pool.get("architecture") or ""
        return f"{pool['internal_api']} {pool['version']} {kernels}".strip(), int(pool["num_threads"])
    return "", 0


@lru_cache(maxsize=8)
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
