"""A network trained on the shipped wines: the loss is a plain NumPy function of all weights and biases."""

import numpy as np

import jacchain as jc
from jacchain.workloads.losses import cross_entropy
from jacchain.workloads.optimizer import adam
from jacchain.workloads.perceptron import initial_parameters
from jacchain.workloads.training import train
from jacchain.workloads.wine_split import wine_split

Parameters = list[tuple[np.ndarray, np.ndarray]]


def scores(parameters: Parameters, wines: np.ndarray) -> np.ndarray:
    """One hidden layer of tanh; wines are rows: S = S W + 1 bᵀ."""
    (first, first_bias), (second, second_bias) = parameters
    return np.tanh(wines @ first + first_bias) @ second + second_bias


def loss(parameters: Parameters, wines: np.ndarray, shares: np.ndarray) -> np.ndarray:
    return cross_entropy(scores(parameters, wines), shares, axis=1)


def main() -> None:
    training, held_out = wine_split(seed=0, dtype="float32")
    shares = np.eye(3, dtype="float32")[training.classes]
    parameters = initial_parameters([13, 16, 3], layout="rows", dtype="float32")

    derivative = jc.value_and_jacobian(loss)
    print(derivative.expression(parameters, training.features, shares))
    print(derivative.plan(parameters, training.features, shares))

    found = train(derivative, parameters, (training.features, shares), adam(0.02), epochs=200)
    print(f"loss {found.losses[0]:.4f}, after 200 steps {found.losses[-1]:.4f}")
    for name, (wines, classes) in (("training", training), ("held-out", held_out)):
        right = scores(found.parameters, wines).argmax(axis=1) == classes
        print(f"{right.sum()} of {len(right)} {name} wines are right")


if __name__ == "__main__":
    main()
