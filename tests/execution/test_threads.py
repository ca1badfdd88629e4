"""Threads: the same Jacobian as one worker, whatever goes wrong and whoever else calls."""

import gc
import os
import subprocess
import sys
import threading
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import compositions
from numpy.testing import assert_allclose

import jacchain as jc
from jacchain.errors import NonFiniteError
from jacchain.execution import threads
from jacchain.execution.lanes import Step, lanes
from jacchain.execution.program import VerificationError, verify
from jacchain.layers import Function, Linear, Tanh
from jacchain.planning.schedule import Schedule, Task

pytestmark = pytest.mark.host(reason="workers share steps on the host")


def weight(m, n, seed=0):
    return np.random.default_rng(seed).normal(size=(m, n)) / np.sqrt(n)


def network(*sizes):
    pairs = pairwise(sizes)
    return jc.Sequential([layer for k, (n, m) in enumerate(pairs) for layer in (Linear(weight(m, n, k)), Tanh())])


TWO_HALVES = (60, 50, 40, 3, 40, 50, 60)


@settings(max_examples=30)
@given(compositions(), st.integers(2, 4))
def test_threads_give_the_jacobian_of_one_worker(sample, workers):
    f, point = sample.layer, sample.point
    together = jc.jacobian(f, workers=workers)
    wanted = jc.jacobian(f)(point)
    for _ in range(2):
        assert_allclose(together(point), wanted, rtol=1e-9, atol=1e-12)
    assert_allclose(together(point, out=np.empty_like(wanted)), wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("planner", ["optimal", "forward", "reverse", "meet"])
@pytest.mark.parametrize("size", [60, 300])  # copied out, and handed out
def test_every_planner_s_order_runs_on_threads(planner, size):
    f = network(size, 50, 40, 3, 40, 50, size)
    x = np.linspace(-1, 1, size)
    assert_allclose(jc.jacobian(f, planner=planner, workers=2)(x), jc.jacobian(f)(x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_what_is_counted_and_held_is_what_was_predicted(workers):
    j = jc.jacobian(network(*TWO_HALVES), workers=workers)
    x = np.linspace(-1, 1, 60)
    counted = j.count(x)
    assert counted.multiplications == j.plan(x).flops == j.program(x).flops
    assert counted.nbytes <= j.plan(x).peak
    assert len(j.program(x).lanes) == (workers if workers > 1 else 0)


def test_layers_without_a_matrix_run_on_threads():
    rng = np.random.default_rng(0)
    sizes = (30, 24, 2, 24, 30)

    def sine(m, n):
        a = rng.normal(size=(m, n))
        return Function(
            lambda x: np.sin(a @ x),
            outputs=m,
            jvp=lambda x, v: np.cos(a @ x) * (a @ v),
            vjp=lambda x, u: (np.cos(a @ x) * u) @ a,
            tangent_cost=m * n,
            adjoint_cost=m * n,
        )

    f = jc.Sequential([sine(m, n) for n, m in pairwise(sizes)])
    x = rng.normal(size=30)
    together = jc.jacobian(f, workers=2)
    assert together.plan(x).makespan < together.plan(x).flops
    assert_allclose(together(x), jc.jacobian(f)(x), rtol=1e-9, atol=1e-12)


def test_steps_of_two_lanes_really_overlap():
    barrier = threading.Barrier(2, timeout=20)
    met = {}

    def slow(n, m):
        a = weight(m, n)

        def jvp(x, v):
            if met.setdefault(n, threading.current_thread().name) and len(v) == n and n not in waited:
                waited.add(n)
                barrier.wait()  # an error, unless both lanes are at it at once
            return a @ v

        return Function(lambda x: a @ x, jvp=jvp, outputs=m, tangent_cost=m * n)

    waited = {20, 3}  # nobody waits while costs and shapes are looked at
    j = jc.jacobian(jc.Sequential([slow(20, 3), slow(3, 20)]), planner="preaccumulate", workers=2)
    x = np.ones(20)
    wanted = j(x)
    met.clear()
    waited.clear()
    assert_allclose(j(x), wanted)
    assert len(set(met.values())) == 2


class FaultError(Exception):
    pass


@pytest.mark.parametrize("at", [0, 1])
def test_an_exception_in_a_lane_reaches_the_caller_and_the_next_call_works(at):
    is_broken = [False]

    def faulty(n, m, position):
        a = weight(m, n)

        def jvp(x, v):
            if is_broken[0] and position == at:
                raise FaultError(position)
            return a @ v

        return Function(lambda x: a @ x, jvp=jvp, vjp=lambda x, u: u @ a)

    f = jc.Sequential([faulty(20, 2, 0), faulty(2, 20, 1)])
    x = np.linspace(-1, 1, 20)
    j = jc.jacobian(f, planner="preaccumulate", workers=2)
    wanted = j(x)
    is_broken[0] = True
    try:
        j(x)
        was_raised = False
    except FaultError:
        was_raised = True
    is_broken[0] = False
    assert_allclose(j(x), wanted)
    used = {(step.source, step.mode) for step in j.program(x).instructions if step.op == "accumulate"}
    assert was_raised == ((at, "tangent") in used)


def test_calls_from_several_threads_stay_apart():
    j = jc.jacobian(network(*TWO_HALVES), workers=2)
    alone = jc.jacobian(network(*TWO_HALVES))
    points = [np.random.default_rng(k).normal(size=60) for k in range(6)]
    wanted = [alone(point) for point in points]
    wrong = []

    def work(k):
        for _ in range(10):
            if not np.allclose(j(points[k]), wanted[k], rtol=1e-9, atol=1e-12):
                wrong.append(k)

    crew = [threading.Thread(target=work, args=(k,)) for k in range(len(points))]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert not wrong


def test_threads_are_kept_from_call_to_call():
    j = jc.jacobian(network(*TWO_HALVES), workers=2)
    x = np.linspace(-1, 1, 60)
    j(x)
    before = {thread.ident for thread in threading.enumerate()}
    for _ in range(20):
        j(x)
    assert {thread.ident for thread in threading.enumerate()} == before


def test_blas_gets_its_threads_back():
    from threadpoolctl import threadpool_info

    def limits():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    j = jc.jacobian(network(*TWO_HALVES), workers=2)
    x = np.linspace(-1, 1, 60)
    j(x)
    before = limits()
    crew = [threading.Thread(target=lambda: [j(x) for _ in range(20)]) for _ in range(3)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert limits() == before


def test_the_caller_s_error_state_comes_along():
    f = network(*TWO_HALVES)
    x = np.linspace(-1, 1, 60)
    bad = jc.Sequential([Linear(np.full((50, 60), 1e300)), *[Linear(np.full((50, 50), 1e300))] * 4])
    with np.errstate(all="ignore"):
        jc.jacobian(bad, workers=2)(x)
    with pytest.raises(NonFiniteError):
        jc.jacobian(bad, workers=2, check=True)(x)
    assert np.isfinite(jc.jacobian(f, workers=2)(x)).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking a process with threads is what is tested
def test_a_forked_process_hires_its_own_threads():
    j = jc.jacobian(network(*TWO_HALVES), workers=2)
    x = np.linspace(-1, 1, 60)
    wanted = j(x)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.allclose(j(x), wanted) else 1)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0
            return
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("the child waits for threads that it does not have")


def test_crews_that_are_not_kept_end():
    crews = [threads._hired(1) for _ in range(threads.KEPT + 2)]
    for crew in crews:
        crew.submit(int).result()
        threads._dismiss(crew, 1)
    del crews
    gc.collect()
    assert len(threads._CREWS[1]) <= threads.KEPT


def test_a_program_whose_lanes_never_end_is_refused():
    from dataclasses import replace

    program = jc.jacobian(network(*TWO_HALVES), workers=2).program(np.ones(60))
    verify(program)
    one, two = program.lanes
    for wrong in ((one[::-1], two), (one, two[:-1]), ((*one, two[0]), two), (one, ())):
        with pytest.raises(VerificationError, match="lanes"):
            verify(replace(program, lanes=wrong))


def test_an_instruction_without_a_task_runs_where_its_first_reader_does():
    schedule = Schedule(2, (Task(0, 1, 0, 5), Task(1, 0, 2, 4), Task(2, 0, 5, 9)))
    steps = [
        Step("point", 0, ()),
        Step("local", 1, (0,)),
        Step("multiply", 2, (1,)),
        Step("multiply", 3, (1,)),
        Step("multiply", 4, (2, 3)),
        Step("expand", 5, (4,)),
    ]
    assert lanes(schedule, {0: 3, 1: 2, 2: 4}, steps) == ((2, 4, 5), (1, 3))


def blas_threads() -> set[int]:
    from threadpoolctl import threadpool_info

    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


@pytest.mark.parametrize("main_leaves_first", [True, False])
def test_the_limit_on_blas_is_lifted_whoever_leaves_last(main_leaves_first):
    before, inside, leave = blas_threads(), threading.Event(), threading.Event()
    seen = []

    def other() -> None:
        with threads._one_blas_thread:
            inside.set()
            leave.wait(10)
            seen.append(blas_threads())

    thread = threading.Thread(target=other)
    with threads._one_blas_thread:
        thread.start()
        assert inside.wait(10)
        assert blas_threads() == {1}
        if not main_leaves_first:
            leave.set()
            thread.join()
    leave.set()
    thread.join()
    assert seen == [{1}]
    assert blas_threads() == before


def test_a_call_after_the_main_thread_has_ended_still_works():
    code = """
import threading, time
import numpy as np, jacchain as jc
from jacchain.layers import Linear
f = jc.Sequential([Linear(np.ones((40, 50))), Linear(np.ones((3, 40))), Linear(np.ones((40, 3)))])
j, x = jc.jacobian(f, workers=2), np.ones(50)
wanted = jc.jacobian(f)(x)
j(x)
def late():
    threading.main_thread().join()
    assert np.allclose(j(x), wanted)
    print("done")
threading.Thread(target=late).start()
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (found.stdout, found.stderr) == ("done\n", "")
