"""The curvature of repetition: central differences of its adjoints, whatever the step and whatever moves."""

from dataclasses import replace

import numpy as np
import pytest
from networks import central_differences
from test_scan import CASES, as_function

from jacchain.algebra.kernels import run
from jacchain.algebra.numpy_kernels import NUMPY
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import Dense
from jacchain.execution.operation import CurvedOperation
from jacchain.model.adjoint_step import adjoint_step
from jacchain.model.layer import Layer
from jacchain.model.scan import scan
from jacchain.model.scan_operation import Scan
from jacchain.model.trace import trace

LINEAR = {"what is carried is the output"}


def scan_of(function, *points):
    """Return the scan of a traced function with the values of its operands, without states, which move with them."""
    expression = trace(function, *points)
    values = expression.values([np.asarray(leaf, float) for leaf in flat(points)])
    node = next(node for node in expression.nodes if isinstance(node.operation, Scan))
    operands = node.operands[:-1] if node.operation.is_stored else node.operands
    return replace(node.operation, is_stored=False), tuple(values[k] for k in operands)


def flat(nested):
    match nested:
        case dict():
            return [leaf for part in nested.values() for leaf in flat(part)]
        case tuple() | list():
            return [leaf for part in nested for leaf in flat(part)]
        case _:
            return [nested]


def adjoint_of(operation, xs, u):
    out = np.empty((1, xs[0].size))
    run(operation.adjoint_calls(NUMPY, 0, xs, u[None, :], out))
    return out[0]


def facts_of(operation, xs):
    return operation.facts(tuple(x.shape for x in xs))


def curvature_of(operation, xs, u, facts):
    out = np.empty((xs[0].size, xs[0].size))
    run(
        operation.curvature_calls(NUMPY, (0, 0), xs, None, u, Operand(facts.structure, (out,)), np.empty(facts.scratch))
    )
    return out


@pytest.mark.parametrize("name", CASES)
def test_curvature_equals_central_differences_of_adjoints(name):
    step, arguments, options = CASES[name]
    function, points = as_function(scan, step, arguments, options)
    operation, xs = scan_of(function, *points)
    facts = facts_of(operation, xs)
    u = np.random.default_rng(0).normal(size=facts.output)
    wanted = central_differences(lambda x: adjoint_of(operation, (x, *xs[1:]), u), xs[0])
    if name in LINEAR:
        assert facts.curvatures == ()
        np.testing.assert_allclose(wanted, 0, atol=1e-8)
        return
    (stated,) = facts.curvatures
    assert isinstance(operation, CurvedOperation)
    assert stated.structure == Dense(xs[0].size, xs[0].size)
    found = curvature_of(operation, xs, u, stated)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7 * max(1.0, np.abs(wanted).max()))
    assert np.array_equal(found, found.T)


@pytest.mark.parametrize("name", sorted(CASES.keys() - LINEAR))
def test_a_bend_is_the_curvature_times_the_vector_again_and_again(name):
    step, arguments, options = CASES[name]
    operation, xs = scan_of(
        *as_function(scan, step, arguments, options)[:1], *as_function(scan, step, arguments, options)[1]
    )
    facts = facts_of(operation, xs)
    (stated,) = facts.curvatures
    u, v, bent = np.empty(facts.output), np.empty(xs[0].size), np.empty(xs[0].size)
    points = tuple(x.copy() for x in xs)
    calls = operation.bend_calls(NUMPY, (0, 0), points, None, u, v, bent)
    rng = np.random.default_rng(0)
    for _ in range(3):
        u[:], v[:] = rng.normal(size=u.shape), rng.normal(size=v.shape)
        points[0][:] = xs[0] + 0.1 * rng.normal(size=v.shape)
        run(calls)
        matrix = curvature_of(operation, points, u, stated)
        np.testing.assert_allclose(bent, matrix @ v, rtol=1e-9, atol=1e-11 * max(1.0, np.abs(matrix).max()))


def test_a_step_that_is_linear_in_what_moves_has_no_curvature():
    decays = np.array([0.5, 0.25, 2.0])
    operation, xs = scan_of(lambda c: scan(lambda c, x: (c * x, c), c, decays), 3.0)
    assert facts_of(operation, xs).curvatures == ()
    operation, xs = scan_of(lambda c, x: scan(lambda c, x: (c * x, c), c, x), 3.0, decays)
    assert len(facts_of(operation, xs).curvatures) == 1


def test_a_step_with_constant_inputs_curves_by_what_moves():
    xs = np.random.default_rng(0).normal(size=(4, 3))
    operation, operands = scan_of(
        lambda c, w: scan(lambda c, x, w: (np.tanh(w @ c + x), c), c, xs, w), np.ones(3), np.eye(3)
    )
    assert len(operands) == 2
    facts = facts_of(operation, operands)
    u = np.random.default_rng(1).normal(size=facts.output)
    wanted = central_differences(lambda x: adjoint_of(operation, (x, operands[1]), u), operands[0])
    np.testing.assert_allclose(curvature_of(operation, operands, u, facts.curvatures[0]), wanted, rtol=1e-5, atol=1e-7)


class Unstated(Layer):
    def facts(self, shape):
        from jacchain.layers import Tanh

        found = Tanh().facts(shape)
        return type(found)(inputs=shape, outputs=shape, link=found.link, reads="y")

    def value_calls(self, kernels, x, y, scratch):
        return ((kernels.xp.tanh, (x, y)),)


def test_a_step_with_a_layer_that_states_no_curvature_states_none():
    operation, xs = scan_of(lambda c: scan(lambda c, _: (Unstated()(c), None), c, length=3)[0], np.ones(2))
    assert facts_of(operation, xs).curvatures is None


def test_the_adjoint_of_a_step_is_made_once():
    step = trace(lambda carry: carry * carry, 1.0)
    assert adjoint_step(step, (True,)) is adjoint_step(step, (True,))
