"""Schedules of the steps of one order: by longest remaining path, or in a given order of their starts."""

from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush

from jacchain.planning.node import Node, operands
from jacchain.planning.schedule import Schedule, Task


def list_schedule(nodes: Sequence[Node], workers: int, /) -> Schedule:
    """Return the schedule in which a free worker takes the ready step from which the longest path is still to go.

    For trees of equal steps this is optimal (Hu, *Parallel sequencing and assembly line problems*, 1961); for others
    it takes less than twice as long as it must (Graham, *Bounds on multiprocessing timing anomalies*, 1969).

    Examples
    --------
    >>> from jacchain.planning.draft import Draft
    >>> from jacchain.planning.graph import Chain
    >>> from jacchain.planning.link import Link
    >>> draft = Draft(Chain([Link(3, 3, accumulate_cost=9), Link(3, 3, accumulate_cost=8)]))
    >>> draft.multiply(draft.local(1, "given"), draft.local(0, "given"))
    2
    >>> [(task.node, task.worker, task.start) for task in list_schedule(draft.nodes, 2).tasks]
    [(1, 0, 0), (0, 1, 0), (2, 0, 9)]
    """
    waits, users = _needs(nodes)
    paths = [0] * len(nodes)
    for k in range(len(nodes) - 1, -1, -1):
        paths[k] = nodes[k].flops + max((paths[user] for user in users[k]), default=0)
    ready = [(-paths[k], k) for k, wait in enumerate(waits) if wait == 0]
    heapify(ready)
    free, busy = [*range(workers)], list[tuple[int, int, int]]()
    tasks: list[Task] = []
    now = 0
    while ready or busy:
        while ready and free:
            k = heappop(ready)[1]
            worker = heappop(free)
            heappush(busy, (now + nodes[k].flops, k, worker))
            if nodes[k].flops:
                tasks.append(Task(k, worker, now, now + nodes[k].flops))
        now = busy[0][0]
        while busy and busy[0][0] == now:
            _, k, worker = heappop(busy)
            heappush(free, worker)
            for user in users[k]:
                waits[user] -= 1
                if waits[user] == 0:
                    heappush(ready, (-paths[user], user))
    return Schedule(workers, tuple(sorted(tasks, key=lambda task: (task.start, task.worker))))


def _needs(nodes: Sequence[Node]) -> tuple[list[int], list[list[int]]]:
    """Return for every node how many operands it waits for, and which nodes use it."""
    users: list[list[int]] = [[] for _ in nodes]
    for k, node in enumerate(nodes):
        for operand in operands(node):
            users[operand].append(k)
    return [len(operands(node)) for node in nodes], users


def schedule_in_order(nodes: Sequence[Node], workers: int, starts: Mapping[int, int], /) -> Schedule:
    """Return the schedule that takes the steps in the order of given starts, each as soon as it can be done.

    No step is later than it was given, where the given starts are possible at all: of the workers that are free when
    it can start, it takes the one that has been busy longest, which leaves the others no worse off.
    """
    ready = [0] * len(nodes)
    free = [(0, worker) for worker in range(workers)]
    tasks: list[Task] = []
    for k in _by_start(nodes, starts):
        begin = max((ready[operand] for operand in operands(nodes[k])), default=0)
        ready[k] = begin
        if nodes[k].flops:
            begin = max(begin, min(free)[0])
            at, worker = max((pair for pair in free if pair[0] <= begin), key=lambda pair: (pair[0], -pair[1]))
            free.remove((at, worker))
            ready[k] = begin + nodes[k].flops
            free.append((ready[k], worker))
            tasks.append(Task(k, worker, begin, ready[k]))
    return Schedule(workers, tuple(sorted(tasks, key=lambda task: (task.start, task.worker))))


def _by_start(nodes: Sequence[Node], starts: Mapping[int, int]) -> Iterable[int]:
    """Return the nodes by their starts; one of no cost starts with the last of its operands that has one."""
    found = [0] * len(nodes)
    for k, node in enumerate(nodes):
        found[k] = starts.get(k, max((found[operand] for operand in operands(node)), default=0))
    return sorted(range(len(nodes)), key=lambda k: (found[k], k))
