"""Programs: what lowering promises, and that verification would notice if it did not."""

import numpy as np
import pytest
from hypothesis import given
from networks import compositions, structured_compositions

import jacchain as jc
from jacchain.execution.program import VerificationError, verify
from jacchain.layers import LeftMultiply, MeanSquaredError, RightMultiply, Softmax, Tanh
from jacchain.planning.planners import PLANNERS


def wine():
    rng = np.random.default_rng(0)
    layers = [
        RightMultiply(rng.normal(size=(13, 178))),
        Tanh(),
        LeftMultiply(rng.normal(size=(1, 16))),
        MeanSquaredError(rng.normal(size=(1, 178))),
    ]
    return jc.gradient(jc.Sequential(layers)).program(np.ones((16, 13)))


@given(compositions())
def test_every_planner_s_program_verifies_and_prints(sample):
    for name in PLANNERS:
        try:
            program = jc.jacobian(sample.layer, planner=name).program(sample.point)
        except jc.JacchainError:
            continue
        verify(program)
        assert len(str(program).split("\n")) == len(program.instructions) + 1


@given(structured_compositions())
def test_storage_is_close_to_what_is_live(sample):
    program = jc.jacobian(jc.Sequential(sample.layers)).program(sample.point)
    live = 0
    for place in range(len(program.instructions)):
        live = max(live, sum(s.size for s in program.storages if s.offset >= 0 and s.first <= place <= s.last))
    assert live <= program.workspace <= 1.25 * live


def test_elementwise_steps_take_over_dying_buffers():
    program = wine()
    by_op = {(step.op, step.source): program.registers[step.result].storage for step in program.instructions}
    assert by_op["value", 0] == by_op["value", 1] == by_op["local", 1]  # W1 X, its tanh, and 1 - tanh²
    assert by_op["value", 2] == by_op["local", 3]  # the prediction and the error


def test_constant_local_jacobians_are_borrowed():
    program = wine()
    assert all(
        (program.registers[step.result].storage < 0) == (step.source in (0, 2))
        for step in program.instructions
        if step.op == "local"
    )
    assert "kronecker I(16)⊗(178x13), borrowed" in str(program)


def test_the_value_of_the_last_layer_is_not_computed_when_nobody_asks():
    assert all((step.op, step.source) != ("value", 3) for step in wine().instructions)


def changed(program, place, **parts):
    steps = list(program.instructions)
    steps[place] = steps[place]._replace(**parts)
    return type(program)(
        tuple(steps),
        *(getattr(program, name) for name in ("registers", "storages", "workspace", "extra", "itemsize", "layers")),
    )


@pytest.mark.parametrize(
    ("place", "parts", "message"),
    [
        (1, {"operands": (9,)}, "%9 is not live"),
        (2, {"result": 1}, "%1 is assigned twice"),
        (6, {"flops": 7}, "is predicted"),
        (1, {"frees": ()}, "leaves"),
        (1, {"frees": (0, 9)}, "frees what is not live"),
        (2, {"frees": (1, 2)}, "%2 is not live"),
        (4, {"op": "seed", "operands": (), "source": -1}, "is an input, but comes after"),
        (6, {"op": "expand"}, "has 2 operands"),
        (2, {"operands": ()}, "has 0 operands"),
        (2, {"source": 9}, "names layer 9"),
        (2, {"source": -1}, "names layer -1"),
    ],
)
def test_verification_notices_broken_instructions(place, parts, message):
    with pytest.raises(VerificationError, match=message):
        verify(changed(wine(), place, **parts))


def test_verification_notices_every_register_written_over_a_live_one():
    program = wine()
    live: set[int] = set()
    for step in program.instructions:
        for k in live - set(step.frees):
            storage = program.registers[k].storage
            if storage < 0 or program.registers[step.result].storage in (-1, storage):
                continue
            registers = list(program.registers)
            registers[step.result] = registers[step.result]._replace(storage=storage)
            parts = (program.instructions, tuple(registers), program.storages, program.workspace, 0, 8, program.layers)
            with pytest.raises(VerificationError):
                verify(type(program)(*parts))
        live = (live | {step.result}) - set(step.frees)


def test_verification_notices_scratch_space_in_use():
    rng = np.random.default_rng(0)
    layers = [LeftMultiply(rng.normal(size=(3, 2))), Softmax(axis=0), MeanSquaredError(np.ones((3, 4)))]
    program = jc.gradient(jc.Sequential(layers)).program(np.ones((2, 4)))
    place = next(k for k, step in enumerate(program.instructions) if step.scratch >= 0)
    step = program.instructions[place]
    for storage in (program.registers[step.result].storage, program.registers[step.operands[0]].storage):
        with pytest.raises(VerificationError, match="scratch"):
            verify(changed(program, place, scratch=storage))


def test_verification_notices_overlapping_storage():
    program = wine()
    moved = tuple(s._replace(offset=0) if s.offset > 0 else s for s in program.storages)
    parts = (program.instructions, program.registers, moved, program.workspace, 0, 8, program.layers)
    with pytest.raises(VerificationError, match="overlaps storage that is still held"):
        verify(type(program)(*parts))
