"""Gradient of a small network on real data, in the cheapest order; then a few steps of gradient descent."""

import jacchain as jc
from jacchain.workloads.workload import workload


def main() -> None:
    problem = workload("wine")
    loss, weights = problem.function, problem.point.copy()
    gradient = jc.gradient(loss)

    plan = gradient.plan(weights)
    print(plan)
    print(gradient.program(weights))

    print(f"loss {float(loss(weights)):.4f}")
    for _ in range(200):
        weights -= 0.5 * gradient(weights)
    print(f"loss {float(loss(weights)):.4f} after 200 steps")


if __name__ == "__main__":
    main()
