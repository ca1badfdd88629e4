"""Running a program of one point for one point after the other."""

from math import prod
from typing import Any, final

from jacchain.algebra.kernels import Array
from jacchain.compiled import Compiled
from jacchain.errors import NonFiniteError
from jacchain.execution.backend import home_of
from jacchain.execution.run import Counted, accept, apart
from jacchain.execution.source import Shape


@final
class OneByOne:
    """A program for one point, ready to be called with any number of them.

    Parameters
    ----------
    one : Compiled
        For one point.
    shape : tuple of int
        Of the result at one point.
    dtype : dtype
    """

    def __init__(self, one: Compiled, shape: Shape, dtype: Any, /) -> None:
        self.one = one
        self.shape = shape
        self.dtype = dtype

    def flops(self, count: int, /) -> int:
        """Return the predicted multiplications for so many points: those of the program, not of its plan."""
        return count * self.one.run.program.flops

    def peak(self, count: int, /) -> int:
        """Return the predicted bytes of one run, and of all results."""
        return self.one.plan.peak + self._nbytes(count)

    def _nbytes(self, count: int) -> int:
        return int(count * prod(self.shape) * self.dtype.itemsize)

    def __call__(self, points: Array, out: Array | None, /, *, check: bool = False) -> Array:
        """Return the derivatives at points of shape (count, …), in `out` or where the points lie."""
        home, shape = home_of([points]), (len(points), *self.shape)
        if out is not None:
            accept(out, shape, self.dtype, home)
            points = apart(points, out)
        with home.active():
            result = home.kernels.xp.empty(shape, self.dtype) if out is None else out
        for number in range(len(points)):
            try:
                self.one.run(points[number, ...], out=result[number, ...], check=check)
            except NonFiniteError as error:
                raise NonFiniteError(f"{error.what}, at point {number} of {len(points)}", error.cure) from None
        return result

    def tally(self, points: Array, /) -> Counted:
        """Run once, and count the multiplications at all points and the bytes held, with all results."""
        counted = [self.one.run.count(point) for point in (points[k, ...] for k in range(len(points)))]
        held = max((found.nbytes for found in counted), default=0)
        return Counted(sum(found.multiplications for found in counted), held + self._nbytes(len(points)))

    def release(self) -> None:
        """Drop the buffers; the next call makes them anew."""
        self.one.run.release()

    def forget(self) -> None:
        """Do nothing: no results are kept for reuse."""
