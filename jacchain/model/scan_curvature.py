"""The second derivative of a repetition along tangents: forward over reverse, step by step."""

from typing import NamedTuple

from jacchain.algebra.kernels import Array, Arrays, Call, Calls, Kernels
from jacchain.model.adjoint_step import adjoint_step
from jacchain.model.expression import Expression
from jacchain.model.scan_layout import ScanLayout, contiguous, known, write, write_at
from jacchain.model.step_program import BoundStep, step_program


def bend_calls(
    step: Expression, layout: ScanLayout, kernels: Kernels, xs: Arrays, u: Array, v: Array, out: Array, /
) -> Calls:
    """Return the calls that write (u·∂²f) v into `out`, for tangents v and bends `out` as columns.

    The states and their tangents along v are stored; then the adjoint sweep goes back over them with its own tangents:
    with p_t what step t is given, and its adjoint sweep λ_t = λ_{t+1} J(p_t),

        λ'_t = λ'_{t+1} J(p_t) + (λ_{t+1} · ∂²step(p_t)) p'_t.

    Parameters
    ----------
    step : Expression
    layout : ScanLayout
    kernels : Kernels
    xs : tuple of arrays
        The operands of the repetition.
    u : array
        The adjoint of its value, flat.
    v, out : array
        Of as many rows as the first operand has numbers.
    """
    inputs, copied = contiguous(kernels, xs)
    carried = layout.sources[: layout.carried]
    course = _Course(
        [kernels.xp.empty((layout.length, *s.shape), out.dtype) for s in carried],
        [kernels.xp.empty((layout.length, *s.shape, v.shape[1]), out.dtype) for s in carried],
    )
    ahead = _ahead(step, layout, kernels, inputs, v, course)
    return (*copied, ahead, _back(step, layout, kernels, inputs, u, v, out, course))


class _Course(NamedTuple):
    """What each step is given of what is carried, one array for each: its values, and its tangents as columns."""

    states: list[Array]
    tangents: list[Array]


def _ahead(step: Expression, layout: ScanLayout, kernels: Kernels, inputs: Arrays, v: Array, course: _Course) -> Call:
    """Return the call that repeats the step along tangents and stores what each step is given of what is carried."""
    bound = BoundStep(step_program(step, layout.active, "tangents", v.shape[1]), kernels)
    moving, (states, tangents) = sum(layout.active), course
    seeds, points = bound.inputs[1 : 1 + moving], bound.inputs[1 + moving :]
    given = [*layout.steps(kernels, points, inputs), *layout.seeds(kernels, seeds, v)]
    first = [v[source.start : source.start + source.size] for source in layout.sources[: layout.carried]]

    def store() -> None:
        write([rows[0, ...] for rows in states], layout.beginning(inputs))
        write([rows[0, ...] for rows in tangents], first)
        for t in range(layout.length):
            write(points, [rows[t, ...] for rows in states])
            write(seeds, [rows[t, ...] for rows in tangents])
            write_at(given, t)
            bound.run()
            if t + 1 < layout.length:
                write([rows[t + 1, ...] for rows in states], bound.values)
                write([rows[t + 1, ...] for rows in tangents], bound.derivatives)

    return store, ()


def _back(
    step: Expression,
    layout: ScanLayout,
    kernels: Kernels,
    inputs: Arrays,
    u: Array,
    v: Array,
    out: Array,
    course: _Course,
) -> Call:
    """Return the call that goes back over what is stored: λ_t and λ'_t, which are the adjoint step and its tangents.

    What is carried hands its own on; what is given at each step, and parameters, collect theirs in `out`.
    """
    carried, count = layout.carried, len(layout.sizes)
    active = (*(True for _ in layout.sizes), *layout.active)
    bound = BoundStep(step_program(adjoint_step(step, layout.active), active, "tangents", v.shape[1]), kernels)
    seeds, points = bound.inputs[1 : 1 + sum(active)], bound.inputs[1 + sum(active) :]
    last, given = layout.split(u)
    shapes = [step.nodes[k].shape for k in step.outputs[carried:]]
    weights = [rows.reshape(layout.length, *shape) for rows, shape in zip(given, shapes, strict=True)]
    before = [*known(points[carried:count], weights), *layout.steps(kernels, points[count:], inputs)]
    before += [*known(points[count:], course.states), *known(seeds[count:], course.tangents)]
    before += layout.seeds(kernels, seeds[count:], v)
    firsts, targets = layout.targets(out.T)

    def back() -> None:
        out[...] = 0
        adjoints: list[Array] = last
        moved: list[Array] = [None] * carried
        for t in reversed(range(layout.length)):
            write(points[:carried], adjoints)
            write(seeds[:count], [*moved, *[None] * (count - carried)])  # the weights of outputs do not move
            write_at(before, t)
            bound.run()
            adjoints, moved = bound.values[:carried], bound.derivatives[:carried]
            for target, found in zip(targets, bound.derivatives[carried:], strict=True):
                if found is not None:
                    at = target[:, t if target.shape[1] == layout.length else 0]
                    at += found.T
        for target, found in zip(firsts, moved, strict=True):
            target[...] = 0 if found is None else found.T

    return back, ()
