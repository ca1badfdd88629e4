"""A Lagrangian at many points gives what it gives at each, whatever its engine."""

import numpy as np
import pytest

import jacchain as jc
from jacchain.errors import NonFiniteError, SizeError

A = np.random.default_rng(3).normal(size=(3, 4))


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


PROBLEMS = {
    "hs071 by numbers": (
        lambda x: x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2],
        lambda x: np.stack([np.prod(x), np.sum(x**2)]),
        4,
        "numbers",
    ),
    "rosenbrock by rows": (rosenbrock, lambda x: x[1:] * x[:-1], 12, "rows"),
    "network by matrices": (lambda x: np.sum(np.tanh(A @ x) ** 2), lambda x: np.sin(A @ x), 4, "matrices"),
    "only constraints": (None, lambda x: x[1:] ** 2 * x[0], 9, "rows"),
    "only an objective": (rosenbrock, None, 8, "matrices"),
    "a linear program": (lambda x: x[0] - 2 * x[2], lambda x: x[:2] + x[1:], 3, "numbers"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_derivatives_at_many_points_are_those_at_each(name, monkeypatch):
    objective, constraints, n, engine = PROBLEMS[name]
    monkeypatch.setattr("jacchain.lagrangian.rows_at_points.ROW", 40)
    lagrangian = jc.Lagrangian(objective, constraints, np.ones(n), engine=engine)
    random, m = np.random.default_rng(0), lagrangian.number_of_constraints
    for count in (0, 1, 5):
        points, multipliers = random.uniform(0.5, 1.5, (count, n)), random.normal(size=(count, m))
        pairs = list(zip(points, multipliers, strict=True))

        def same(found, expected, count=count):
            assert len(found) == count
            assert found.dtype == float
            np.testing.assert_allclose(found, np.reshape(expected, found.shape), rtol=1e-11, atol=1e-12)

        found = lagrangian.hessians(points, multipliers, 0.7)
        assert found.shape == (count, lagrangian.structure.nonzeros)
        same(found, [lagrangian.hessian_values(x, u, 0.7) for x, u in pairs])
        shared = np.arange(1.0, m + 1)
        same(lagrangian.hessians(points, shared), [lagrangian.hessian_values(x, shared) for x in points])
        same(lagrangian.jacobians(points), [lagrangian.jacobian_values(x) for x in points])
        same(lagrangian.gradients(points, multipliers), [lagrangian.gradient(x, u) for x, u in pairs])
        same(lagrangian.gradients(points, None, 2.0), [lagrangian.gradient(x, None, 2.0) for x in points])


def test_checked_points_are_taken_one_after_the_other_and_wrong_shapes_are_refused():
    lagrangian = jc.Lagrangian(lambda x: np.sum(np.log(x)), lambda x: x[:2] ** 2, np.ones(3), check=True)
    points = np.full((4, 3), 2.0)
    assert (
        lagrangian.gradients(points, [1.0, 2.0]).tolist() == [lagrangian.gradient(points[0], [1.0, 2.0]).tolist()] * 4
    )
    with pytest.raises(NonFiniteError, match="log"):
        lagrangian.hessians(-points, [1.0, 2.0])
    for call in (
        lambda: lagrangian.jacobians(points[0]),
        lambda: lagrangian.jacobians(points[:, :2]),
        lambda: lagrangian.hessians(points, np.ones((3, 2))),
        lambda: lagrangian.hessians(points, [1.0]),
    ):
        with pytest.raises(SizeError):
            call()
