"""The wine network: 178 wines with 13 standardised features, one hidden layer of tanh, one output."""

from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacchain.layers import LeftMultiply, MeanSquaredError, RightMultiply, Tanh
from jacchain.model.sequential import Sequential
from jacchain.workloads.problem import Dtype, Problem


class WineData(NamedTuple):
    """Features of shape 13 × 178, a wine in each column, and targets -1, 0, 1 of shape 1 × 178."""

    features: NDArray[np.float64]
    targets: NDArray[np.float64]


class WineTable(NamedTuple):
    """The data as measured: features of shape 178 × 13, a wine in each row, and classes 0, 1, 2."""

    features: NDArray[np.float64]
    classes: NDArray[np.intp]


def wine_table() -> WineTable:
    """Return the shipped data as it is.

    Source: M. Forina et al., Wine, UCI Machine Learning Repository, 1991, CC BY 4.0.

    Examples
    --------
    >>> features, classes = wine_table()
    >>> features[0, :3].tolist(), int(classes[0])
    ([14.23, 1.71, 2.43], 0)
    """
    text = files("jacchain.workloads").joinpath("data", "wine.csv").read_text()
    raw = np.loadtxt(text.splitlines(), delimiter=",", skiprows=1)
    return WineTable(raw[:, :13], raw[:, 13].astype(np.intp))


def wine_data() -> WineData:
    """Return the shipped data, every feature standardised with its mean and sample standard deviation (n - 1).

    Examples
    --------
    >>> wine_data().features[:3, 0].round(6).tolist()
    [1.514341, -0.560668, 0.2314]
    """
    table = wine_table()
    features: NDArray[np.float64] = table.features.T
    spread: NDArray[np.float64] = features.std(axis=1, ddof=1, keepdims=True)
    return WineData(
        (features - features.mean(axis=1, keepdims=True)) / spread, table.classes[None, :].astype(np.float64) - 1
    )


def wine(hidden: int = 16, *, seed: int = 0, dtype: Dtype = "float32") -> Problem:
    """Return the mean squared error of W2 tanh(W1 X) as a function of W1.

    Parameters
    ----------
    hidden : int
        Number of hidden units: W1 is hidden × 13 and W2 is 1 × hidden.
    seed : int
        Of the weights, drawn from a normal distribution scaled by the number of inputs.
    """
    rng = np.random.default_rng(seed)
    data = wine_data()
    inputs, rows = data.features.shape
    first = rng.normal(size=(hidden, inputs)) / np.sqrt(inputs)
    second = rng.normal(size=(1, hidden)) / np.sqrt(hidden)
    layers = [
        RightMultiply(np.ascontiguousarray(data.features, dtype)),
        Tanh(),
        LeftMultiply(second.astype(dtype)),
        MeanSquaredError(data.targets.astype(dtype)),
    ]
    column = ", ".join(f"{value:.6g}" for value in data.features[:3, 0])
    return Problem(
        "wine",
        f"gradient of the mean squared error with respect to W1 ({hidden} x {inputs})",
        Sequential(layers),
        first.astype(dtype),
        "gradient",
        (
            f"{inputs} features, {hidden} hidden units, 1 output, {rows} rows, {dtype}",
            f"first standardised column: {column}, ...",
        ),
    )
