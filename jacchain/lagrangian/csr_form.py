"""Sparse arrays of one pattern and ever new values, made in a microsecond each."""

from typing import Any, final

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.lagrangian.sparsity import SparsityPattern


@final
class CsrForm:
    """Makes arrays of SciPy's CSR format for one pattern.

    SciPy looks at all indices whenever such an array is made, which takes 25 µs for a thousand rows; here this is done
    once, and each array is a copy of the first one's attributes. All share the indices, which are read-only.

    Examples
    --------
    >>> form = CsrForm(SparsityPattern.of_places((2, 2), rows=[0, 1], columns=[0, 0]), np.dtype(float))
    >>> print(form.of(np.array([3.0, 4.0])).toarray())
    [[3. 0.]
     [4. 0.]]
    """

    __slots__ = ("_attributes", "_kind")

    def __init__(self, pattern: SparsityPattern, dtype: "np.dtype[Any]", /) -> None:
        from scipy.sparse import csr_array

        zeros = np.zeros(pattern.nonzeros, dtype)
        first = csr_array((zeros, pattern.columns, pattern.indptr), shape=pattern.shape)
        assert first.has_canonical_format, "places are in order, and each is there once"
        self._kind: Any = csr_array
        self._attributes = {name: value for name, value in vars(first).items() if value is not zeros}

    def of(self, values: Array, /) -> Any:
        """Return the sparse array that holds these very values, one for each place."""
        made = self._kind.__new__(self._kind)
        made.__dict__.update(self._attributes)
        made.data = values
        return made
