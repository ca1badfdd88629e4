"""Programs of branching graphs: whatever the planner, what they leave is the sum over all paths, at the stated cost."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jacchain.algebra.matrix import Matrix
from jacchain.algebra.structure import STRUCTURES, Dense, array_shapes
from jacchain.execution.graph.lower import Place, Request, lower_graph
from jacchain.execution.graph.run import GraphExecutable
from jacchain.execution.operation import Applied, LocalFacts, OperationFacts
from jacchain.execution.program import VerificationError, verify
from jacchain.planning.elimination.planner import plan_graph
from jacchain.planning.graph import Edge, Graph
from jacchain.planning.link import Link
from tests.strategies import SQUARE, shaped


@dataclass(frozen=True, eq=False)
class Given:
    """An operation whose local Jacobians are given matrices; it takes its numbers as one more input, or holds them."""

    matrices: tuple[Matrix, ...]
    reads_input: bool
    name: str = "given"

    def facts(self, shapes):
        size = self.matrices[0].structure.rows
        reads = (len(self.matrices),) if self.reads_input else ()
        locals_ = [
            LocalFacts(link=Link(m.structure.columns, m.structure.rows, structure=m.structure), reads=reads)
            for m in self.matrices
        ]
        return OperationFacts(output=(size,), locals=(*locals_, *[None] * (len(shapes) - len(locals_))))

    def value_calls(self, kernels, xs, y, scratch):
        return ()

    def local_calls(self, kernels, k, xs, y, out, scratch):
        scale = xs[-1] if self.reads_input else np.ones(1)
        return tuple(
            (np.multiply, (array, scale, target))
            for array, target in zip(self.matrices[k].arrays, out.arrays, strict=True)
        )


@st.composite
def expressions(draw):
    """Return nodes, the vertices' Jacobians with respect to the sources as dense arrays, and the graph."""
    count = draw(st.integers(2, 6))
    sizes = [draw(st.integers(1, 4)) for _ in range(count)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sources = draw(st.integers(1, min(2, count - 1)))
    nodes = [Applied(None, (), (size,)) for size in sizes[:sources]] + [Applied(None, (), (1,))]
    number = {k: k for k in range(sources)}
    edges, places, dense = [], [], {}
    for k in range(sources, count):
        tails = draw(st.lists(st.integers(0, k - 1), min_size=1, max_size=3))
        matrices = []
        for tail in tails:
            kinds = STRUCTURES if sizes[k] == sizes[tail] else [kind for kind in STRUCTURES if kind not in SQUARE]
            structure = draw(shaped(draw(st.sampled_from(kinds)), sizes[k], sizes[tail]))
            arrays = tuple(rng.normal(size=shape) for shape in array_shapes(structure))
            matrices.append(Matrix(structure, arrays))
        reads = draw(st.booleans())
        operands = tuple(number[tail] for tail in tails) + (sources,) * reads
        number[k] = len(nodes)
        for position, (tail, matrix) in enumerate(zip(tails, matrices, strict=True)):
            edges.append(Edge(tail, k, Link(sizes[tail], sizes[k], structure=matrix.structure)))
            places.append(Place(number[k], position))
            scale = 2.0 if reads and matrix.arrays else 1.0
            scale **= len(matrix.arrays) if matrix.arrays else 1
            dense.setdefault(k, []).append((tail, scale * matrix.todense()))
        nodes.append(Applied(Given(tuple(matrices), reads), operands, (sizes[k],)))
    totals = {}
    for source in range(sources):
        found = {source: np.eye(sizes[source])}
        for k in range(sources, count):
            parts = [j @ found[tail] for tail, j in dense[k] if tail in found]
            if parts:
                found[k] = sum(parts)
        totals[source] = found
    outputs = draw(st.lists(st.integers(sources, count - 1), min_size=1, max_size=3, unique=True))
    requests = [(output, source) for output in outputs for source in range(sources)]
    graph = Graph(dict(enumerate(sizes)), edges, requests)
    return nodes, sources, graph, places, totals


def arguments(nodes, sources):
    return [np.zeros(node.shape) for node in nodes[:sources]] + [np.full(1, 2.0)]


PLANNERS = ("forward", "reverse", "markowitz", "optimal")


@given(expressions(), st.sampled_from(PLANNERS), st.booleans(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_every_planners_program_leaves_the_sum_over_all_paths(expression, planner, is_dense, is_folded):
    nodes, sources, graph, places, totals = expression
    plan = plan_graph(graph, planner=planner, unit_free=True)
    roots = tuple(root for root in plan.roots if root is not None)
    request = Request(plan.nodes, roots, (), is_dense=is_dense, is_folded=is_folded)
    if not roots:
        return
    program = lower_graph(request, nodes, range(sources + 1), places)
    run = GraphExecutable(program, nodes, range(sources + 1), np.dtype(float))
    for _ in range(2):
        operands = run.operands(run(arguments(nodes, sources)))
    found = iter(operands)
    for (output, source), root in zip(graph.requests, plan.roots, strict=True):
        expected = totals[source].get(output)
        if root is None:
            assert expected is None
            continue
        operand = next(found)
        assert not is_dense or isinstance(operand.structure, Dense)
        np.testing.assert_allclose(Matrix(*operand).todense(), expected, rtol=1e-10, atol=1e-10)
    counted = run.count(arguments(nodes, sources))
    assert counted.multiplications == program.flops
    assert counted.nbytes <= program.peak
    assert is_folded or program.flops >= plan.flops  # writing out for a dense result may take more
    assert str(program)


def test_verification_notices_a_view_that_is_none_and_a_wrong_sum():
    graph = Graph({0: 2, 1: 2, 2: 2}, [Edge(0, 1), Edge(0, 2), Edge(1, 2)])
    matrix = Matrix(Dense(2, 2), (np.eye(2),))
    nodes = [
        Applied(None, (), (2,)),
        Applied(None, (), (1,)),
        Applied(Given((matrix,), True), (0, 1), (2,)),
        Applied(Given((matrix, matrix), True), (0, 2, 1), (2,)),
    ]
    plan = plan_graph(graph, planner="forward")
    request = Request(plan.nodes, tuple(root for root in plan.roots if root is not None))
    program = lower_graph(request, nodes, (0, 1), [Place(2, 0), Place(3, 0), Place(3, 1)])
    (place,) = (p for p, step in enumerate(program.instructions) if step.op == "add")
    step = program.instructions[place]
    for wrong, match in (
        (step._replace(op="view", operands=step.operands[1:], source=3), "no view"),
        (step._replace(flops=3), "predicted"),
    ):
        steps = (*program.instructions[:place], wrong, *program.instructions[place + 1 :])
        with pytest.raises(VerificationError, match=match):
            verify(replace(program, instructions=steps))
