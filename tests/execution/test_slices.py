"""Jacobians made in slices, into the caller's arrays, within a memory limit."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import structured_compositions
from numpy.testing import assert_allclose, assert_array_equal
from strategies import anywhere

import jacchain as jc
from jacchain.errors import CheckError, InfeasibleError, NonFiniteError, OptionError, SizeError
from jacchain.layers import Bias, Linear, MeanSquaredError, Softmax, Tanh
from jacchain.planning.planners import PLANNERS

TEXTBOOK = [name for name in PLANNERS if name != "exhaustive"]


def free(rng, outputs, inputs, *, vectorized=False, modes="both", tape=0):
    a = anywhere(rng.standard_normal((outputs, inputs)))
    return jc.Function(
        lambda x: np.tanh(a(x) @ x),
        jvp=None if modes == "vjp" else lambda x, v: ((1 - np.tanh(a(x) @ x) ** 2) * (a(x) @ v).T).T,
        vjp=None if modes == "jvp" else lambda x, u: (u * (1 - np.tanh(a(x) @ x) ** 2)) @ a(x),
        outputs=outputs,
        vectorized=vectorized,
        tape=tape,
        name=f"free{outputs}x{inputs}",
    )


def full(rng, outputs, inputs):
    a = anywhere(rng.standard_normal((outputs, inputs)))
    return jc.Function(
        lambda x: np.tanh(a(x) @ x), jacobian=lambda x: (1 - np.tanh(a(x) @ x) ** 2)[:, None] * a(x), outputs=outputs
    )


def model(seed=0, *, vectorized=False):
    rng = np.random.default_rng(seed)
    layers = [
        free(rng, 40, 60, vectorized=vectorized),
        full(rng, 9, 40),
        Tanh(),
        free(rng, 30, 9, vectorized=vectorized),
    ]
    return jc.Sequential([*layers, full(rng, 50, 30)]), rng.standard_normal(60)


@given(structured_compositions(), st.integers(1, 6))
def test_slices_of_any_size_make_the_same_jacobian_at_the_predicted_cost(sample, size):
    f = jc.Sequential(sample.layers)
    for name in TEXTBOOK:
        found = jc.jacobian(f, chunk_size=size, planner=name)
        try:
            result = found(sample.point)
        except (InfeasibleError, SizeError):
            continue
        assert_allclose(result, sample.product, rtol=1e-9, atol=1e-12)
        counted = found.count(sample.point)
        assert counted.multiplications == found.program(sample.point).flops
        assert counted.nbytes == found.program(sample.point).peak == found.plan(sample.point).peak


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("size", [1, 7, 30, 50, 60])
def test_matrix_free_links_are_sliced_by_columns_and_rows(size, vectorized):
    f, x = model(vectorized=vectorized)
    whole = jc.jacobian(f)(x)
    sliced = jc.jacobian(f, chunk_size=size)
    assert_allclose(sliced(x), whole, rtol=1e-12, atol=1e-13)
    assert sliced.plan(x).flops == sliced.count(x).multiplications
    assert_allclose(jc.jacobian(f, chunk_size=size, check=True)(x), whole, rtol=1e-12, atol=1e-13)


def test_many_columns_at_once_are_the_columns_one_by_one():
    for name in ("forward", "optimal", "preaccumulate"):
        results = []
        for vectorized in (False, True):
            f, x = model(vectorized=vectorized)
            found = jc.jacobian(f, planner=name)
            results.append(found(x))
            assert found.count(x).multiplications == found.plan(x).flops
        assert_allclose(*results, rtol=1e-12)


def test_a_vectorized_jvp_sees_arrays_of_the_input_s_own_shape():
    seen = []

    def jvp(x, v):
        seen.append(v.shape)
        return 2 * x[..., None] * v

    f = jc.Function(np.square, jvp=jvp, vjp=lambda x, u: 2 * x * u, outputs=(2, 3), vectorized=True)
    x = np.arange(6.0).reshape(2, 3)
    forward = jc.jacobian(f, planner="forward")(x)
    assert seen == [(2, 3, 6)]
    assert_array_equal(forward, jc.jacobian(f, planner="reverse")(x))
    assert_array_equal(forward.reshape(6, 6), np.diag(2 * x.reshape(-1)))


@pytest.mark.host(reason="measures the memory of the host")
@pytest.mark.parametrize("share", [1.0, 0.8, 0.6, 0.5, 0.4])
def test_what_is_allocated_stays_under_the_limit(share):
    rng = np.random.default_rng(2)
    f = jc.Sequential([free(rng, 300, 400), free(rng, 80, 300), free(rng, 350, 80), free(rng, 500, 350)])
    x = rng.standard_normal(400)
    limit = int(jc.jacobian(f).plan(x).peak * share)
    found = jc.jacobian(f, memory=limit)
    plan = found.plan(x)
    assert plan.peak <= limit
    assert plan.memory == limit
    out = np.empty((500, 400))
    wanted = jc.jacobian(f, planner="forward")(x)
    found(x, out=out)  # plans, and makes the buffers anew below
    found.release()
    found.plan(x)
    tracemalloc.start()
    found(x, out=out)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert_allclose(out, wanted, rtol=1e-9, atol=1e-12)
    calls = 40_000  # Python's own objects, and what the functions make inside
    predicted = plan.peak - (out.nbytes if plan.slicing is None else 0)  # the caller's array is not allocated here
    assert peak <= predicted + calls
    assert predicted <= 1.25 * peak


@pytest.mark.host(reason="what is brought back is not held on the device")
def test_a_result_larger_than_the_limit_needs_the_caller_s_array(tmp_path):
    rng = np.random.default_rng(3)
    f = jc.Sequential([free(rng, 20, 300), free(rng, 400, 20)])
    x = rng.standard_normal(300)
    found = jc.jacobian(f, memory="300kB")
    with pytest.raises(OptionError, match="give out=, an array of shape \\(400, 300\\)"):
        found(x)
    out = np.memmap(tmp_path / "jacobian", dtype=float, mode="w+", shape=(400, 300))
    assert found(x, out=out) is out
    out.flush()
    again = np.memmap(tmp_path / "jacobian", dtype=float, mode="r", shape=(400, 300))
    assert_allclose(again, jc.jacobian(f)(x), rtol=1e-12)
    fortran = np.empty((400, 300), order="F")
    assert_allclose(found(x, out=fortran), again)


@pytest.mark.parametrize("name", TEXTBOOK)
def test_every_planner_writes_into_a_memory_map(tmp_path, name):
    f, x = model()
    out = np.memmap(tmp_path / "jacobian", dtype=float, mode="w+", shape=(50, 60))
    jc.jacobian(f, planner=name)(x, out=out)
    assert_allclose(out, jc.jacobian(f)(x), rtol=1e-10, atol=1e-12)


def test_out_of_the_wrong_kind_is_refused_before_anything_is_written():
    f, x = model()
    found = jc.jacobian(f, chunk_size=7)
    for out in (np.zeros((60, 50)), np.zeros((50, 60), np.float32), [1.0], np.zeros((50, 60))[::1].T.T[:, :59]):
        with pytest.raises(SizeError):
            found(x, out=out)
    locked = np.zeros((50, 60))
    locked.flags.writeable = False
    with pytest.raises(SizeError, match="read-only"):
        found(x, out=locked)
    f = jc.Sequential([Tanh()])
    with pytest.raises(SizeError, match="not contiguous"):
        jc.jacobian(f, chunk_size=2)(np.ones((2, 3)), out=np.zeros((3, 2, 3, 2)).transpose(1, 0, 3, 2))


def test_where_no_slice_fits_the_smallest_limit_is_named_and_does():
    f, x = model()
    with pytest.raises(InfeasibleError) as info:
        jc.jacobian(f, memory=500)(x)
    needed = int(info.value.cure.split(" is ")[1].split(" bytes")[0].replace(",", ""))
    found = jc.jacobian(f, memory=needed)
    assert found.plan(x).peak <= needed
    assert_allclose(found(x, out=np.empty((50, 60))), jc.jacobian(f)(x), rtol=1e-12, atol=1e-13)


@settings(max_examples=25)
@given(structured_compositions(), st.integers(1, 20))
def test_any_limit_is_kept_or_refused(sample, parts):
    f = jc.Sequential(sample.layers)
    limit = max(1, jc.jacobian(f).plan(sample.point).peak * parts // 18)
    found = jc.jacobian(f, memory=limit)
    try:
        plan = found.plan(sample.point)
    except InfeasibleError:
        assert parts < 18
        return
    assert plan.peak <= limit
    assert_allclose(found(sample.point, out=np.empty_like(sample.product)), sample.product, rtol=1e-9, atol=1e-12)


def test_a_gradient_keeps_to_a_limit():
    rng = np.random.default_rng(4)
    f = jc.Sequential([full(rng, 30, 40), Softmax(), MeanSquaredError(rng.random(30))])
    x = rng.standard_normal(40)
    peak = jc.gradient(f).plan(x).peak
    assert jc.gradient(f, memory=peak).plan(x).flops == jc.gradient(f).plan(x).flops
    assert_allclose(jc.gradient(f, memory=peak)(x), jc.gradient(f)(x))


def test_a_jvp_and_a_vjp_that_disagree_are_caught():
    whole = np.random.default_rng(5).standard_normal((4, 4))
    a = anywhere(whole)
    f = jc.Function(lambda x: a(x) @ x, jvp=lambda x, v: a(x) @ v, vjp=lambda x, u: a(x) @ u, outputs=4, name="wrong")
    with pytest.raises(CheckError, match="jvp and vjp of layer 1 \\(wrong\\) disagree") as info:
        jc.jacobian(f, check=True)(np.ones(4))
    assert info.value.exit_code == 4
    right = jc.Function(lambda x: a(x) @ x, jvp=lambda x, v: a(x) @ v, vjp=lambda x, u: u @ a(x), outputs=4)
    assert_allclose(jc.jacobian(right, check=True)(np.ones(4)), whole)


def test_a_given_plan_is_run_and_one_for_other_links_refused():
    f, x = model()
    plan = jc.jacobian(f, planner="reverse").plan(x)
    read = jc.Plan.from_json(plan.to_json())
    found = jc.jacobian(f, plan=read)
    assert found.plan(x).bracketing == plan.bracketing
    assert_allclose(found(x), jc.jacobian(f)(x), rtol=1e-11, atol=1e-13)
    with pytest.raises(OptionError, match="the plan is for sizes 3 → 2, but the function has sizes 60 → 40"):
        jc.jacobian(f, plan=jc.plan([3, 2]))(x)
    with pytest.raises(OptionError, match="link 1 of the plan is"):
        jc.jacobian(f, plan=jc.plan(plan.chain.sizes))(x)
    with pytest.raises(OptionError, match="a plan and options"):
        jc.jacobian(f, plan=read, memory=4000)
    sliced = jc.jacobian(f, chunk_size=8).plan(x)
    assert_allclose(jc.jacobian(f, plan=jc.Plan.from_json(sliced.to_json()))(x), jc.jacobian(f)(x), rtol=1e-11)


def test_a_tape_limit_keeps_large_tapes_out_of_the_program():
    rng = np.random.default_rng(6)
    f = jc.Sequential([free(rng, 20, 30, tape=500), free(rng, 1, 20, tape=10)])
    x = rng.standard_normal(30)
    assert [step.op for step in jc.jacobian(f).program(x).instructions].count("adjoint") == 1
    limited = jc.jacobian(f, tape_limit=100)
    assert "adjoint" not in [step.op for step in limited.program(x).instructions if step.source == 0]
    assert_allclose(limited(x), jc.jacobian(f)(x), rtol=1e-12)
    alone = jc.Sequential([free(rng, 20, 30, tape=500, modes="vjp"), free(rng, 1, 20)])
    with pytest.raises(InfeasibleError, match="link 1 has only an adjoint, whose tape of 500"):
        jc.jacobian(alone, tape_limit=100)(x)


def test_a_point_that_lies_in_out_is_read_before_it_is_written_over():
    f, x = model(3)
    out = np.zeros((50, 60))
    point = out[0]
    point[:] = x
    wanted = jc.jacobian(f)(x)
    assert_allclose(jc.jacobian(f, chunk_size=7)(point, out=out), wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.host(reason="copies of parameters count on a device")
@pytest.mark.parametrize("layer", [Tanh(), Bias(np.zeros(100)), Linear(np.ones((70, 100)))])
def test_a_small_local_jacobian_with_a_large_dense_result_is_sliced(layer):
    x = np.linspace(-1, 1, 100)
    wanted = jc.jacobian(layer)(x)
    found = jc.jacobian(layer, memory="30kB")
    assert found.plan(x).peak <= 30_000
    assert "because that fits into 30,000 bytes" in found.plan(x).reason
    assert_allclose(found(x, out=np.empty_like(wanted)), wanted)


def test_the_reason_names_the_limit_that_was_asked_for():
    f, x = model()
    limit = jc.jacobian(f).plan(x).peak * 3 // 4
    assert f"{limit:,} bytes" in jc.jacobian(f, memory=limit).plan(x).reason


def test_a_given_plan_keeps_to_its_limits_and_states_the_peak_of_its_program():
    rng = np.random.default_rng(7)
    f = jc.Sequential([free(rng, 40, 30), free(rng, 20, 40), free(rng, 35, 20)])
    x = rng.standard_normal(30)
    chain = jc.jacobian(f).plan(x).chain
    found = jc.jacobian(f, plan=jc.plan(chain, memory="30kB"))
    assert found.plan(x).peak == found.program(x).peak
    assert found.program(x).peak <= 30_000 + 64 * len(found.program(x).storages)
    cheaper = jc.Chain([jc.Link(link.inputs, link.outputs, tangent_cost=1, adjoint_cost=1) for link in chain.links])
    with pytest.raises(OptionError, match="tangents of 1 and adjoints of 1, but free40x30 is"):
        jc.jacobian(f, plan=jc.plan(cheaper))(x)
    taped = jc.Sequential([free(rng, 1, 30, tape=100)])
    small = jc.jacobian(jc.Sequential([free(rng, 1, 30, tape=3)])).plan(x).chain
    with pytest.raises(OptionError, match="the plan's tape limit of 5 forbids the adjoint of link 1 with 100"):
        jc.jacobian(taped, plan=jc.plan(small, tape_limit=5))(x)


def test_a_vjp_that_gives_nan_is_caught():
    f = jc.Function(lambda x: 2 * x, jvp=lambda x, v: 2 * v, vjp=lambda x, u: u * np.nan, outputs=3, adjoint_cost=100)
    with pytest.raises(NonFiniteError, match="NaN or infinity in the vjp of layer 1"):
        jc.jacobian(f, check=True)(np.ones(3))


def test_an_array_at_an_odd_address_may_receive_the_result():
    raw = np.zeros(400 * 400 * 8 + 1, np.uint8)
    out = raw[1:].view(float).reshape(400, 400)
    weight = np.random.default_rng(8).standard_normal((400, 400))
    f = jc.Sequential([Linear(weight), Tanh(), Linear(weight)])
    assert_allclose(jc.jacobian(f)(np.ones(400), out=out), jc.jacobian(f)(np.ones(400)))


def test_the_peak_of_a_program_has_the_largest_tape_of_its_adjoints():
    rng = np.random.default_rng(9)
    peaks = []
    for tape in (0, 1000):
        f = jc.Sequential([free(rng, 1, 30, tape=tape, modes="vjp"), free(rng, 1, 1)])
        peaks.append(jc.jacobian(f).program(np.ones(30)).peak)
    assert peaks[1] - peaks[0] == 8000


@pytest.mark.host(reason="functions of the user's close over arrays of the host")
def test_slices_do_what_does_not_depend_on_them_once():
    calls = {"jvp": 0, "whole": 0}
    rng = np.random.default_rng(10)
    a, b, c = (rng.standard_normal(shape) for shape in ((40, 50), (3, 40), (45, 3)))

    def whole(x):
        calls["whole"] += 1
        return a

    def jvp(x, v):
        calls["jvp"] += v.shape[1]
        return c @ v

    layers = [
        jc.Function(lambda x: a @ x, jacobian=whole, outputs=40),
        jc.Function(lambda x: b @ x, jacobian=lambda x: b, outputs=3),
        jc.Function(lambda x: c @ x, jvp=jvp, outputs=45, vectorized=True),
    ]
    f = jc.Sequential(layers)
    x = rng.standard_normal(50)
    found = jc.jacobian(f, chunk_size=8)
    assert_allclose(found(x), c @ b @ a)
    assert found.plan(x).flops == found.count(x).multiplications == jc.jacobian(f).plan(x).flops
    calls |= {"jvp": 0, "whole": 0}
    found(x)
    assert calls["whole"] == 1


@pytest.mark.host(reason="functions of the user's make arrays of the host")
def test_counting_and_running_call_functions_at_the_point_in_every_slice():
    seen = []

    def value(x):
        seen.append(np.array(x))
        return np.exp(x)

    exp = jc.Function(value, jacobian=np.exp, structure="diagonal", outputs=3)
    f = jc.Sequential([exp, Tanh(), jc.Function(np.sin, jacobian=lambda x: np.diag(np.cos(x)), outputs=3)])
    x = np.array([2.0, 2.5, 3.0])
    for planner in TEXTBOOK:
        found = jc.jacobian(f, chunk_size=1, planner=planner)
        found(x)
        found.count(x)
    assert all((one == x).all() for one in seen)
