"""The wines that a network is trained on, and those that it is tried on."""

from typing import NamedTuple

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.workloads.problem import Dtype
from jacchain.workloads.wine import wine_table


class Samples(NamedTuple):
    """Standardised features of shape (wines, 13), and classes 0, 1, 2."""

    features: Array
    classes: Array


class Split(NamedTuple):
    """Two disjoint sets of samples."""

    training: Samples
    held_out: Samples


def wine_split(*, held_out: int = 44, seed: int = 0, dtype: Dtype = "float64") -> Split:
    """Return the wines in two sets drawn by the seed.

    Features are standardised with the mean and the sample standard deviation of the training set alone, so that
    nothing of the wines held out leaks into training.

    Parameters
    ----------
    held_out : int
        Wines held out; a quarter by default.
    seed : int
    dtype : {"float32", "float64"}

    Examples
    --------
    >>> training, held_out = wine_split(seed=1)
    >>> training.features.shape, held_out.features.shape
    ((134, 13), (44, 13))
    """
    features, classes = wine_table()
    order = np.random.default_rng(seed).permutation(len(classes))
    tried, known = order[:held_out], order[held_out:]
    mean, spread = features[known].mean(axis=0), features[known].std(axis=0, ddof=1)
    standardised = ((features - mean) / spread).astype(dtype)
    return Split(Samples(standardised[known], classes[known]), Samples(standardised[tried], classes[tried]))
