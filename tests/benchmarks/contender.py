"""One way to do the work of a row."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Role = Literal["jacchain", "jacchain out=", "plain", "out=", "jax", "torch", "other"]
"""The column of the summary in which a contender appears; "other" appears in its row's own table only."""


class Contender(NamedTuple):
    """A call to be timed, and what to compare of its result with the other contenders of the row.

    Contenders of one family share a library, hence its threads; these are left to come to rest before another
    family is timed, since an idle pool keeps spinning for a while.
    """

    name: str
    role: Role
    call: Callable[[], Any]
    family: str = "numpy"
    answer: Callable[[Any], Any] | None = np.asarray
    """What of the result must agree with the first contender's; None where there is nothing to compare."""


def wrong(contenders: list[Contender], tolerance: float, /) -> list[str]:
    """Return the names of the contenders whose answer differs from the first one's.

    Parameters
    ----------
    contenders : list of Contender
    tolerance : float
        Of the difference, relative to the largest number of the answer.
    """
    found: list[str] = []
    reference: Array | None = None
    for contender in contenders:
        if contender.answer is None:
            continue
        answer = np.array(contender.answer(contender.call()))
        if reference is None:
            reference = answer
        scale = float(np.abs(reference).max())
        agrees = answer.shape == reference.shape and np.allclose(answer, reference, tolerance, tolerance * scale)
        if not agrees or answer.dtype != reference.dtype:
            found.append(contender.name)
    return found
