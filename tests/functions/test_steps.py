"""Steps of straight-line programs: constants are folded as NumPy folds them, and length does no harm."""

import numpy as np

from jacchain.functions.scalar.steps import INPUT, ScalarStep, StepWriter
from jacchain.functions.scalar.tidied import ScalarDraft, tidied


def test_a_negative_zero_keeps_its_sign_where_constants_are_folded():
    writer = StepWriter()
    zero = writer.constant(-0.0)
    assert writer.number(writer.step("reciprocal", (zero,))) == -np.inf
    assert writer.number(writer.step("arctan2", (zero, writer.constant(-1.0)))) == -np.pi
    assert writer.number(writer.step("copysign", (writer.constant(2.0), zero))) == -2.0


def test_a_product_of_very_many_factors_is_tidied():
    count = 3000
    steps = [ScalarStep(INPUT, (), k) for k in range(count)]
    steps += [ScalarStep("multiply", (count + k - 1 if k else 0, k + 1)) for k in range(count - 1)]
    steps.append(ScalarStep("add", (len(steps) - 1, 0)))
    found = tidied(ScalarDraft(tuple(steps), (len(steps) - 1,)))
    assert sum(step.function == "multiply" for step in found.steps) == count - 1
    assert found.results == (len(found.steps) - 1,)
