"""What a plan for the Hessian of a chain holds at its fullest, and the order of its steps that keeps that small."""

from collections.abc import Sequence

from jacchain.algebra.structure import stored
from jacchain.planning.node import Local, Multiply
from jacchain.planning.second.chains.draft import renumbered
from jacchain.planning.second.chains.node import ChainNode, chain_operands


def numbers(node: ChainNode, /) -> int:
    """Return the numbers that a node's result takes."""
    return stored(node.structure) if isinstance(node, Local | Multiply) else node.structure.stored


def held_numbers(nodes: Sequence[ChainNode], /) -> tuple[int, ...]:
    """Return the numbers that are held during every step, in order.

    A result is held from its step to the last one that reads it. A derivative that is given counts in the same way,
    from the step at which it stands; mirrored halves are written out.
    """
    last = {operand: k for k, node in enumerate(nodes) for operand in chain_operands(node)}
    live, found = 0, []
    for k, node in enumerate(nodes):
        live += numbers(node)
        found.append(live)
        live -= sum(numbers(nodes[operand]) for operand in {*chain_operands(node)} if last[operand] == k)
    return tuple(found)


def peak_numbers(nodes: Sequence[ChainNode], /) -> int:
    """Return the numbers held at the fullest moment, once the nodes are arranged."""
    return max(held_numbers(arranged(nodes)))


def arranged(nodes: Sequence[ChainNode], /) -> tuple[ChainNode, ...]:
    """Return the nodes in an order that holds little: of two operands the one that needs more room comes first."""
    rooms: list[int] = []
    for node in nodes:
        needs = [(rooms[k], numbers(nodes[k])) for k in chain_operands(node)]
        needs.sort(key=lambda need: need[1] - need[0])
        before, most = 0, 0
        for room, size in needs:
            most = max(most, before + room)
            before += size
        rooms.append(max(most, before + numbers(node)))
    order: list[int] = []
    done: set[int] = set()
    waiting = [len(nodes) - 1]
    while waiting:
        k = waiting[-1]
        missing = [operand for operand in chain_operands(nodes[k]) if operand not in done]
        if k not in done and not missing:
            done.add(k)
            order.append(k)
        waiting.pop()
        if missing:
            waiting += [k, *sorted(missing, key=lambda x: (rooms[x] - numbers(nodes[x]), -x))]
    place = {old: new for new, old in enumerate(order)}
    return tuple(renumbered(nodes[k], place) for k in order)
