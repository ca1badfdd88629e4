"""Numbers in nested lists, which become arrays of the host."""

from collections.abc import Iterator

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.errors import DeviceError
from jacchain.execution.backend import backend_of


def gathered(values: object, what: str, /) -> Array:
    """Return numbers, perhaps in nested lists, as an array of the host.

    Raises
    ------
    DeviceError
        Arrays of a device are among them.
    """
    try:
        return np.asarray(values)
    except TypeError:
        homes = (backend_of(leaf) for leaf in _leaves(values))
        home = next(filter(None, homes), None)
        if home is None:
            raise
        raise DeviceError(f"{what}: a list of arrays of {home.device}", "stack them on the device first") from None


def _leaves(values: object) -> Iterator[object]:
    if isinstance(values, list | tuple):
        for value in values:
            yield from _leaves(value)
    else:
        yield values
