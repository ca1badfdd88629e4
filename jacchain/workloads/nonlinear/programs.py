"""The nonlinear programs by name."""

from collections.abc import Callable
from typing import Final

from jacchain.errors import OptionError, unknown_name
from jacchain.planning.link import as_size
from jacchain.workloads.nonlinear.cartpole import cartpole
from jacchain.workloads.nonlinear.hs071 import hs071
from jacchain.workloads.nonlinear.program import NonlinearProgram
from jacchain.workloads.nonlinear.rosenbrock import rosenbrock

SIZED: Final[dict[str, Callable[..., NonlinearProgram]]] = {"rosenbrock": rosenbrock, "cartpole": cartpole}

NONLINEAR_PROGRAMS: Final = ("hs071", *SIZED)


def nonlinear_program(name: str, n: int | None = None, /) -> NonlinearProgram:
    """Return a nonlinear program.

    Parameters
    ----------
    name : {"hs071", "rosenbrock", "cartpole"}
    n : int, optional
        Variables of rosenbrock, 1000 unless given; intervals of cartpole, 100 unless given.

    Raises
    ------
    OptionError
        An unknown name, or a size of hs071.
    SizeError
        Too small a size.

    Examples
    --------
    >>> nonlinear_program("cartpole", 20).n
    105
    """
    if name not in NONLINEAR_PROGRAMS:
        unknown_name("problem", name, NONLINEAR_PROGRAMS)
    if name == "hs071":
        if n is not None:
            raise OptionError(f"hs071 has four variables, not {n}", "leave n out, or choose rosenbrock or cartpole")
        return hs071()
    return SIZED[name]() if n is None else SIZED[name](as_size(n, "n"))
