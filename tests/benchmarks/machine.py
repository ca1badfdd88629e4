"""What the figures were measured on; no names of hosts or users."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("numpy", "scipy", "jax", "torch", "casadi", "asdex", "pounce-solver")


def machine() -> dict[str, str]:
    """Return the facts that decide about times."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = {
        "processor": f"{_processor()}, {usable} usable",
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "blas": _blas(),
        "threads": os.environ.get("OMP_NUM_THREADS", "as the libraries choose"),
    }
    found["load"] = load()
    return found


def load() -> str:
    """Return how many processes wanted to run; with more threads than free processors, times are other people's."""
    return f"{os.getloadavg()[0]:.1f} in the last minute" if hasattr(os, "getloadavg") else "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _blas() -> str:
    try:
        from threadpoolctl import threadpool_info  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        built: Any = np.show_config("dicts")["Build Dependencies"]["blas"]
        return f"{built['name']} {built['version']}"
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return "; ".join(map(_described, pools))


def _described(pool: dict[str, Any]) -> str:
    kernels = pool.get("architecture", "unknown")
    return f"{pool['internal_api']} {pool['version']}, {kernels} kernels, {pool['num_threads']} threads"
