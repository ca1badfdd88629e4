"""Running a program slice by slice, so that one slice of the Jacobian is held besides the caller's array."""

from contextlib import closing
from typing import final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import DeviceError, OptionError, SizeError
from jacchain.execution.on_device import OnDevice
from jacchain.execution.program import Program
from jacchain.execution.run import Counted, Executable


@final
class Sliced:
    """A program of slices, run once for each of them; the Jacobian is put together in the caller's array.

    Parameters
    ----------
    run : Executable
        Of one slice.
    shape : tuple of int
        Of the Jacobian.
    matrix : (int, int)
        Its outputs and inputs.
    memory : int, optional
        Bytes that may be held. Without an array from the caller, the Jacobian is among them.
    """

    def __init__(
        self, run: Executable | OnDevice, shape: tuple[int, ...], matrix: tuple[int, int], memory: int | None, /
    ) -> None:
        self.run = run
        self.shape = shape
        self.matrix = matrix
        self.memory = memory

    @property
    def program(self) -> Program:
        """The program of a slice."""
        return self.run.program

    def release(self) -> None:
        """Drop the buffers."""
        self.run.release()

    def __call__(self, point: Array, /, *, out: Array | None = None, check: bool = False) -> Array:
        """Return the Jacobian at a point, written slice by slice into `out` where it is given."""
        try:
            result = self._fresh(point) if out is None else out
            self.run.accept(result, self.shape)
            with self.run.backend.active():
                self._write(self._as_matrix(result), point, check=check)
        except DeviceError:  # what its memory was exhausted by is given back
            self.release()
            raise
        return result

    def _write(self, whole: Array, point: Array, *, check: bool) -> None:
        """Write the slices at a point to their places."""
        backend, slices = self.run.backend, self.program.slices
        assert slices is not None
        write = backend.kernels.copyto if backend.owns(whole) else lambda target, part: backend.fetch(part, target)
        with closing(self.run.slices(point, slices.starts, check=check)) as parts:
            for start, part in zip(slices.starts, parts, strict=True):
                places = slice(start, start + slices.size)
                write(whole[:, places] if slices.axis == "columns" else whole[places], part)

    def count(self, point: Array, /) -> Counted:
        """Run once with every multiplication of products counted and every buffer weighed."""
        return self.run.count(point)

    def _fresh(self, point: Array) -> Array:
        """Return an array for the Jacobian where the point lies."""
        if not self.run.backend.owns(point):  # what is brought back from a device is not held there
            return np.empty(self.shape, self.run.dtype)
        nbytes = self.matrix[0] * self.matrix[1] * self.run.dtype.itemsize
        if self.memory is not None and self.program.peak + nbytes > self.memory:
            raise OptionError(
                f"the Jacobian of {nbytes:,} bytes and {self.program.peak:,} bytes for its slices exceed "
                f"{self.memory:,} bytes",
                f"give out=, an array of shape {self.shape} such as a numpy.memmap",
            )
        with self.run.backend.active():
            return self.run.backend.kernels.xp.empty(self.shape, self.run.dtype)

    def _as_matrix(self, result: Array) -> Array:
        whole = result.view(np.ndarray) if isinstance(result, np.ndarray) else result
        if whole.shape != self.matrix:
            if not whole.flags.c_contiguous:
                raise SizeError(
                    f"out of shape {whole.shape} is not contiguous, and the Jacobian is made in slices",
                    "give a C-contiguous array",
                )
            whole = whole.reshape(self.matrix)
        return whole
