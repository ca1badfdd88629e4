"""Where arrays live and which kernels work on them. NumPy on the CPU; the one place for other devices."""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

from jacchain.algebra.kernels import Kernels
from jacchain.algebra.numpy_kernels import NUMPY, NUMPY_COLD
from jacchain.execution.program import ALIGNMENT


@final
@dataclass(frozen=True, slots=True)
class Backend:
    """A namespace of arrays with its kernels."""

    name: str
    kernels: Kernels
    result_kernels: Kernels
    """For what is written into the result, which is seldom in the cache."""

    def bytes(self, count: int, /) -> Any:
        """Return an uninitialised array of so many bytes that starts at an aligned address."""
        held = self.kernels.xp.empty(count + ALIGNMENT, dtype=np.uint8)
        start = -held.ctypes.data % ALIGNMENT
        return held[start : start + count]


CPU: Final = Backend("cpu", NUMPY, NUMPY_COLD)
