"""Activations, and the losses that compare a network's outputs with what is wanted: plain NumPy functions."""

import numpy as np
from scipy.special import logsumexp

from jacchain.algebra.kernels import Array


def relu(states: Array, /) -> Array:
    """Return max(S, 0), number by number.

    Examples
    --------
    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.maximum(states, 0)


def mean_squared_error(outputs: Array, targets: Array, /) -> Array:
    """Return the mean of (S - T)² over all numbers.

    Examples
    --------
    >>> float(mean_squared_error(np.array([[1.0, 2.0]]), np.array([[1.0, 0.0]])))
    2.0
    """
    found: Array = ((outputs - targets) ** 2).mean()
    return found


def cross_entropy(scores: Array, shares: Array, /, *, axis: int) -> Array:
    """Return the mean over samples of -Σ_c t_c log softmax(s)_c.

    It is computed as log Σ_c exp(s_c) - Σ_c t_c s_c, in which nothing overflows.

    Parameters
    ----------
    scores : array
        A real number for every class and sample.
    shares : array of the same shape
        What each class should get; along the axis of the classes they add up to one.
    axis : int
        That of the classes.

    Examples
    --------
    >>> scores, shares = np.array([[0.0, 1000.0], [0.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> round(float(cross_entropy(scores, shares, axis=0)), 4)
    500.3466
    """
    found: Array = np.mean(logsumexp(scores, axis=axis) - np.sum(shares * scores, axis=axis))
    return found
