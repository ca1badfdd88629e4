"""Total Jacobians of a graph of ready-made blocks."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jacchain.algebra.kernels import Array
from jacchain.algebra.matrix import Matrix, identity
from jacchain.algebra.rule import Operand
from jacchain.algebra.structure import sparse
from jacchain.blocks.block import is_name, read_blocks
from jacchain.blocks.network import Network, network_of
from jacchain.blocks.prepared_blocks import Skeleton, nodes_of, prepared_blocks
from jacchain.blocks.total_jacobians import TotalJacobians
from jacchain.errors import OptionError, unknown_name
from jacchain.execution.graph.run import GraphExecutable
from jacchain.planning.graph import Vertex


def compose(
    blocks: Mapping[Any, Any] | Iterable[Mapping[Any, Any]],
    outputs: Vertex | Iterable[Vertex],
    inputs: Vertex | Iterable[Vertex],
    *,
    planner: str = "auto",
    seconds: float = 1.0,
    seed: int = 0,
    structured: bool = False,
) -> TotalJacobians:
    """Return the total Jacobians of outputs with respect to inputs of a graph of ready-made blocks.

    A block states the Jacobians of the variables that it makes with respect to those that it is made from. Variables
    and blocks form a graph without cycles; the total Jacobian of an output is the sum over all paths from the input of
    the products of the blocks on the way. The order of these products is planned, and then run.

    Parameters
    ----------
    blocks : iterable of mappings, or one mapping
        Each ``{output: {input: matrix}}`` or ``{(output, input): matrix}``; names are texts or whole numbers, and every
        variable is made by one block at most. A matrix is

        - an array of outputs × inputs numbers. Its structure is found from its exact zeros: an identity, a negation, a
          diagonal, sparse (a band or a shift) where at most a tenth is not zero, else dense;
        - a SciPy sparse array, which stays sparse unless it is full or a diagonal;
        - a ``jacchain.algebra.matrix.Matrix`` of any structure, used as it is stated;
        - a number c, which stands for c times the identity; the size must be known from elsewhere.

        Integers are converted to float64. A matrix that is zero everywhere joins nothing.
    outputs, inputs : variable or iterable of variables
        A variable that a block makes may be an input too, and is not cut off: paths run through it, and from it.
    planner : str
        See ``jacchain.planning.elimination.planners.GRAPH_PLANNERS``. Products by an identity or a negation are free.
    seconds : float
        What a search for an order may take.
    seed : int
        Of a search.
    structured : bool
        Give ``Matrix`` objects, which keep their structure, and not arrays.

    Returns
    -------
    TotalJacobians
        ``found[output][input]`` or ``found[output, input]``: zeros where there is no path, the identity for a variable
        with respect to itself. ``found.plan`` and ``found.program`` tell how, and at which cost. All are float32 where
        all arrays are, else float64.

    Raises
    ------
    OptionError
        No blocks, empty blocks, a variable that two blocks make, a cycle, unknown variables, or objects that are no
        finite matrices.
    SizeError
        Matrices that differ about the size of a variable, or that have no two axes.
    DtypeError, NonFiniteError
        Complex numbers, booleans or objects; NaN or infinity.

    Notes
    -----
    Any order of the products is right only because products of finite matrices associate. Infinite matrices, and
    operators that are cut off at a horizon after each product, do not: with a lag L and a lead F, F L is the identity,
    but what L moves over the horizon F cannot bring back once it is cut off. So only matrices of finitely many numbers
    are taken: cut every block before.

    Plans and programs are kept for the structures of the blocks: with other numbers, nothing is planned anew.

    References
    ----------
    Auclert, Bardóczy, Rognlie, Straub: Using the Sequence-Space Jacobian to Solve and Estimate Heterogeneous-Agent
    Models, Econometrica 89 (2021): accumulates forward along such a graph.

    Examples
    --------
    >>> firm = {"Y": {"K": [[0.3, 0.0], [0.1, 0.3]], "Z": 1.0}}
    >>> household = {"C": {"Y": [[0.7, 0.2], [0.1, 0.6]]}}
    >>> market = {"gap": {"Y": 1, "C": -1}}
    >>> found = compose([firm, household, market], outputs=["gap", "Y"], inputs=["Z", "K"])
    >>> found["gap"]["Z"]
    array([[ 0.3, -0.2],
           [-0.1,  0.4]])
    >>> found["Y", "Z"].tolist(), found.plan.flops
    ([[1.0, 0.0], [0.0, 1.0]], 8)
    """
    network = network_of(read_blocks(blocks))
    wanted = _names("output", outputs, network), _names("input", inputs, network)
    skeleton = Skeleton(
        tuple(network.sizes.items()),
        tuple((pair, matrix.structure) for pair, matrix in network.matrices.items()),
        tuple((output, source) for output in wanted[0] for source in wanted[1]),
        network.dtype.itemsize,
        planner,
        seconds,
        seed,
        structured,
    )
    prepared = prepared_blocks(skeleton)
    run, operands = None, {}
    if prepared.program is not None:
        nodes = nodes_of(skeleton, [matrix.arrays for matrix in network.matrices.values()])
        run = GraphExecutable(prepared.program, nodes, (), network.dtype)
        operands = dict(zip(prepared.made, _distinct(run), strict=True))
    found = {
        output: {source: _block(network, (output, source), operands, structured=structured) for source in wanted[1]}
        for output in wanted[0]
    }
    return TotalJacobians(found, prepared.plan, run)


def _names(kind: str, names: object, network: Network) -> tuple[Vertex, ...]:
    """Return the names of known variables, each once."""
    if is_name(names):
        names = (names,)
    if not isinstance(names, Iterable):
        raise OptionError(f"{kind}s is {type(names).__name__}", f"give a list of variables, such as ['{kind[0]}']")
    found = tuple(dict.fromkeys(name if is_name(name) else repr(name) for name in names))
    for name in found:
        if name not in network.sizes:
            unknown_name(kind, name, map(str, network.sizes))
    if not found:
        raise OptionError(f"there are no {kind}s", f"name at least one of {', '.join(map(str, network.sizes))}")
    return found


def _distinct(run: GraphExecutable) -> list[Operand]:
    """Run the program and return its results; what two requests share is not one array."""
    found: list[Operand] = []
    taken: set[int] = set()
    for operand, register in zip(run.operands(run(())), run.program.results, strict=True):
        is_shared = register in taken
        arrays = tuple(array.copy() for array in operand.arrays) if is_shared else operand.arrays
        found.append(Operand(operand.structure, arrays))
        taken.add(register)
    run.release()
    return found


def _block(
    network: Network,
    pair: tuple[Vertex, Vertex],
    operands: Mapping[tuple[Vertex, Vertex], Operand],
    *,
    structured: bool,
) -> Array | Matrix:
    """Return one total Jacobian."""
    output, source = pair
    rows, columns = network.sizes[output], network.sizes[source]
    if pair in operands:
        structure, arrays = operands[pair]
        return Matrix(structure, arrays) if structured else arrays[0]
    if not structured:
        return np.eye(rows, dtype=network.dtype) if output == source else np.zeros((rows, columns), network.dtype)
    if output == source:
        return identity(rows)
    return Matrix(sparse(rows, columns, np.zeros(rows + 1, np.int64), []), (np.zeros(0, network.dtype),))
