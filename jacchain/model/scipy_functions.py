"""The table of supported functions of ``scipy.special``, by name: looking at it does not load SciPy."""

from collections.abc import Mapping
from typing import Final

from jacchain.model.numpy_elementwise import SCIPY_ELEMENTWISE
from jacchain.model.numpy_reductions import SCIPY_REDUCTIONS, log_softmax, logsumexp, softmax
from jacchain.model.supported import Supported

SCIPY_FUNCTIONS: Final[Mapping[str, Supported]] = {**SCIPY_ELEMENTWISE, **SCIPY_REDUCTIONS}

__all__ = ["SCIPY_FUNCTIONS", "log_softmax", "logsumexp", "softmax"]
