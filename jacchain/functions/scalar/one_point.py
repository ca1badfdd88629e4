"""A straight-line program for one point, in plain Python floats."""

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.execution.run import Counted
from jacchain.functions.scalar.python_code import compiled
from jacchain.functions.scalar.scalar_program import ScalarProgram

ByArrays = Callable[[Sequence[Array], bool], Array]
"""Gives the same results in the same order, checked for NaN and infinity or not, by arithmetic of whole arrays."""


@final
class ScalarExecutable:
    """A straight-line program, compiled to Python and called with the arguments' arrays.

    It computes in double precision and rounds the results. Where Python's arithmetic raises an exception (a division by
    zero, the logarithm of a negative number, an overflow), arrays do the work instead, which give infinity or NaN.

    Parameters
    ----------
    program : ScalarProgram
    source : str
        Of the program: see `python_code`.
    dtype : dtype
        Of the results.
    by_arrays : callable
        What is called where floats give no result.

    Examples
    --------
    >>> from jacchain.functions.scalar.python_code import python_code
    >>> from jacchain.functions.scalar.steps import ScalarStep
    >>> steps = ScalarStep("input", (), 0), ScalarStep("log", (0,))
    >>> program = ScalarProgram(steps, 1, (1,))
    >>> run = ScalarExecutable(program, python_code(program), np.dtype(float), lambda xs, check: np.array([-np.inf]))
    >>> run([np.ones(1)]), run([np.zeros(1)])
    (array([0.]), array([-inf]))
    """

    __slots__ = ("_by_arrays", "_code", "dtype", "program", "source")

    def __init__(self, program: ScalarProgram, source: str, dtype: "np.dtype[Any]", by_arrays: ByArrays, /) -> None:
        self.program = program
        self.source = source
        self.dtype = dtype
        self._code = compiled(source)
        self._by_arrays = by_arrays

    def __call__(self, arguments: Sequence[Array], /, *, check: bool = False) -> Array:
        """Return one flat array of all results.

        Parameters
        ----------
        arguments : sequence of arrays
        check : bool
            Where there is NaN or infinity, see to it that the error names the node.
        """
        try:
            if len(arguments) == 1 and arguments[0].ndim == 1:
                found = self._code(arguments[0].tolist())
            else:
                found = self._code([number for array in arguments for number in array.reshape(-1).tolist()])
        except (ArithmeticError, ValueError):
            return self._by_arrays(arguments, check)
        flat = np.array(found, self.dtype)
        if check and not np.isfinite(flat).all():
            return self._by_arrays(arguments, check)
        return flat

    def count(self, _arguments: Sequence[Array], /) -> Counted:
        """Return the multiplications of a run, with those of values and local derivatives, and the results' bytes."""
        return Counted(self.program.multiplications, len(self.program.results) * self.dtype.itemsize)

    def release(self) -> None:
        """Do nothing: there are no buffers."""
