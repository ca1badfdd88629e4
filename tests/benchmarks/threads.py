"""The number of threads that the libraries may use."""

import os

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NPROC")
"""NPROC is what XLA sizes its pool by."""


def limit(threads: int | None, /) -> None:
    """Set the environment variables that libraries read when they are loaded; None leaves them as they are."""
    if threads is None:
        return
    for name in VARIABLES:
        os.environ[name] = str(threads)
    if threads == 1:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
