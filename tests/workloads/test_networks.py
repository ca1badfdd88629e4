"""Networks as plain functions: gradients with respect to all weights, both layouts, training on the wines."""

import json
import sys
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import seeds

import jacchain as jc
from jacchain import cli
from jacchain.errors import NonFiniteError, OptionError, SizeError
from jacchain.model.tree import flatten
from jacchain.workloads.differences import compare_nested
from jacchain.workloads.losses import cross_entropy, mean_squared_error, relu
from jacchain.workloads.optimizer import OPTIMIZERS
from jacchain.workloads.perceptron import LAYOUTS, hidden_states, initial_parameters, perceptron, residual_network
from jacchain.workloads.training import train
from jacchain.workloads.transformer import attention, gelu, initial_block, layer_norm, transformer_block
from jacchain.workloads.wine import wine_data, wine_table
from jacchain.workloads.wine_split import wine_split
from jacchain.workloads.wine_training import TARGETS, TrainingSettings, train_wine, wine_loss

SIZES = (3, 4, 4, 2)
SAMPLES = 5


def problem(layout, seed=0, sizes=SIZES):
    """Parameters away from symmetry, inputs and one-hot targets, in a layout; the layouts are transposes."""
    rng = np.random.default_rng(seed)
    parameters = initial_parameters(sizes, layout=layout, seed=seed)
    drawn = [0.3 * rng.normal(size=m) for m in sizes[1:]]
    parameters = [(w, b.reshape(bias.shape)) for (w, bias), b in zip(parameters, drawn, strict=True)]
    inputs, targets = rng.normal(size=(sizes[0], SAMPLES)), np.eye(sizes[-1])[rng.integers(sizes[-1], size=SAMPLES)].T
    return parameters, *((inputs, targets) if layout == "columns" else (inputs.T, targets.T))


def loss_of(network, layout, activation, loss):
    def function(parameters, inputs, targets):
        outputs = network(parameters, inputs, layout=layout, activation=activation)
        if loss == "squared":
            return mean_squared_error(outputs, targets)
        return cross_entropy(outputs, targets, axis=0 if layout == "columns" else 1)

    return function


@pytest.mark.parametrize("loss", ["squared", "cross-entropy"])
@pytest.mark.parametrize("activation", [np.tanh, relu, gelu])
@pytest.mark.parametrize("network", [perceptron, residual_network])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_in_all_weights_agree_with_central_differences(layout, network, activation, loss):
    function = loss_of(network, layout, activation, loss)
    arguments = problem(layout)
    slopes = jc.gradient(function)(*arguments)
    difference = compare_nested(lambda p: function(p, *arguments[1:]), arguments[0], slopes)
    assert difference.agrees
    assert difference.inputs == sum(m * n + m for n, m in pairwise(SIZES))


@pytest.mark.parametrize("network", [perceptron, residual_network])
@given(seed=seeds)
@settings(max_examples=10)
def test_the_layouts_have_the_same_loss_and_transposed_gradients(network, seed):
    found = {}
    for layout in LAYOUTS:
        function = loss_of(network, layout, np.tanh, "cross-entropy")
        found[layout] = jc.value_and_jacobian(function, argnums=(0, 1))(*problem(layout, seed))
    (value, slopes), (other, others) = (found[layout] for layout in LAYOUTS)
    assert_allclose(value, other, rtol=1e-13)
    for ours, theirs in zip(flatten(slopes, "ours")[0], flatten(others, "theirs")[0], strict=True):
        assert_allclose(ours, theirs.T, rtol=1e-10, atol=1e-13)


def test_slopes_are_nested_like_the_parameters_and_stay_float32():
    parameters = initial_parameters([13, 16, 3], dtype="float32")
    shares = np.eye(3, 7, dtype="float32")
    shares[0, 3:] = 1
    value, slopes = jc.value_and_jacobian(wine_loss)(parameters, np.ones((13, 7), "float32"), shares)
    assert value.dtype == np.float32
    assert [[part.shape for part in pair] for pair in slopes] == [[part.shape for part in pair] for pair in parameters]
    assert {part.dtype for part in flatten(slopes, "slopes")[0]} == {np.dtype("float32")}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_hidden_states_lead_to_the_output(layout):
    parameters, inputs, _ = problem(layout)
    states = hidden_states(parameters, inputs, layout=layout)
    assert [state.shape for state in states] == [(m, 5) if layout == "columns" else (5, m) for m in SIZES[1:]]
    assert np.array_equal(states[-1], perceptron(parameters, inputs, layout=layout))


def test_a_residual_network_without_weights_hands_its_input_on():
    zero = (np.zeros((3, 3)), np.zeros((3, 1)))
    x = np.arange(6.0).reshape(3, 2)
    assert np.array_equal(residual_network([zero, zero, (np.eye(3), np.zeros((3, 1)))], x), x)


@given(seed=seeds, heads=st.sampled_from([1, 2, 4]))
@settings(max_examples=5)
def test_gradients_of_a_transformer_block_agree_with_central_differences(seed, heads):
    rng = np.random.default_rng(seed)
    tokens, wanted, block = rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), initial_block(4, hidden=5, seed=seed)

    def loss(block):
        return mean_squared_error(transformer_block(block, tokens, heads=heads), wanted)

    slopes = jc.gradient(loss)(block)
    assert slopes.keys() == block.keys()
    assert compare_nested(loss, block, slopes).agrees


def test_the_jacobian_of_a_transformer_block_agrees_with_central_differences():
    tokens = np.random.default_rng(1).normal(size=(3, 4))
    block = partial(transformer_block, initial_block(4), heads=2)
    found = jc.jacobian(block)(tokens)
    assert found.shape == (3, 4, 3, 4)
    for place in np.ndindex(3, 4):
        assert compare_nested(lambda x: block(x)[place], tokens, found[place]).agrees  # noqa: B023  (called at once)


def test_attention_is_a_mean_of_values_that_heads_do_not_share():
    rng = np.random.default_rng(2)
    queries, keys, values = rng.normal(size=(3, 5, 2, 4))
    found = attention(queries, keys, values)
    for head in range(2):
        scores = queries[:, head] @ keys[:, head].T / 2
        weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        assert_allclose(found[:, head], weights @ values[:, head])


def test_layer_norm_gives_mean_zero_and_variance_one():
    found = layer_norm(np.random.default_rng(3).normal(5, 3, size=(4, 9)), np.ones(9), np.zeros(9))
    assert_allclose(found.mean(axis=1), 0, atol=1e-14)
    assert_allclose(found.var(axis=1), 1, rtol=1e-4)


def test_cross_entropy_is_finite_for_extreme_scores():
    scores, shares = np.array([[1e4, -1e4], [-1e4, 1e4]]), np.eye(2)
    assert cross_entropy(scores, shares, axis=0) == 0
    assert cross_entropy(scores, shares[::-1], axis=0) == 2e4
    slopes = jc.gradient(lambda s: cross_entropy(s, shares[::-1], axis=0))(scores)
    assert_allclose(slopes, np.array([[1, -1], [-1, 1]]) / 2)


def test_the_split_is_standardised_by_its_training_set_alone():
    training, held_out = wine_split(seed=4)
    assert_allclose(training.features.mean(axis=0), 0, atol=1e-13)
    assert_allclose(training.features.std(axis=0, ddof=1), 1)
    assert abs(held_out.features.mean()) > 1e-3
    assert np.array_equal(np.sort(np.concatenate([training.classes, held_out.classes])), np.sort(wine_table().classes))
    assert not np.array_equal(training.features, wine_split(seed=5).training.features)
    assert np.array_equal(wine_table().classes - 1, wine_data().targets[0])


@pytest.mark.parametrize("loss", TARGETS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_learns_to_tell_wines_apart(loss, layout, optimizer):
    found = train_wine(TrainingSettings(loss=loss, layout=layout, optimizer=optimizer), check=True)
    assert found.difference.agrees
    assert found.end.training.loss < 0.1 * found.start.training.loss
    assert found.end.held_out.accuracy > 0.9
    assert found.training.losses[0] == pytest.approx(found.start.training.loss, rel=1e-5)
    assert len(found.training.losses) == len(found.held_out) - 1 == 200


def test_training_is_repeatable_and_leaves_the_parameters_alone():
    first, second, other = (train_wine(TrainingSettings(epochs=5, seed=seed)) for seed in (1, 1, 2))
    assert first.training.losses == second.training.losses != other.training.losses
    parameters = [np.ones(3)]
    train(jc.value_and_jacobian(lambda p: (p[0] ** 2).sum()), parameters, (), OPTIMIZERS["adam"](0.1), epochs=2)
    assert np.array_equal(parameters[0], np.ones(3))


def test_the_training_loss_is_traced_once():
    calls = []

    def loss(parameters):
        calls.append(1)
        return (parameters["w"] ** 2).sum()

    step = OPTIMIZERS["descent"](0.1)
    found = train(jc.value_and_jacobian(loss), {"w": np.array([3.0, 4.0])}, (), step, epochs=20)
    assert len(calls) == 1
    assert_allclose(found.losses, 25 * 0.64 ** np.arange(20))


def test_a_loss_that_runs_away_is_an_error():
    with pytest.raises(NonFiniteError, match="smaller rate"):
        train_wine(TrainingSettings(loss="squared", optimizer="descent", rate=1e6))


@pytest.mark.parametrize(
    ("chosen", "error", "message"),
    [
        ({"optimizer": "adan"}, OptionError, "did you mean 'adam'"),
        ({"loss": "hinge"}, OptionError, "unknown loss 'hinge'"),
        ({"layout": "diagonals"}, OptionError, "unknown layout"),
        ({"dtype": "float16"}, OptionError, "unknown dtype"),
        ({"planner": "shortest"}, OptionError, "unknown planner 'shortest'"),
        ({"seed": -1}, OptionError, "seed -1 is negative"),
        ({"rate": 0.0}, OptionError, "rate 0.0"),
        ({"rate": float("nan")}, OptionError, "rate nan"),
        ({"hidden": 0}, SizeError, "hidden is 0"),
        ({"epochs": 0}, SizeError, "epochs is 0"),
    ],
)
def test_settings_of_training_that_make_no_sense_are_refused(chosen, error, message):
    with pytest.raises(error, match=message):
        train_wine(TrainingSettings()._replace(**chosen))


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the command line in this process; returns (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["jacchain", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    "extra", [[], ["--layout", "rows", "--loss", "squared", "--dtype", "float64", "--hidden", "5"]]
)
def test_training_prints_losses_accuracy_time_and_the_plan(call, extra):
    code, out, err = call("run", "wine", "--train", "--check", "--epochs", "60", *extra)
    assert (code, err) == (0, "")
    lines = out.rstrip("\n").split("\n")
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in out
    assert lines[0].startswith(f"wine: a network {'13-5-1' if extra else '13-16-3'} trained with all its weights")
    assert "134 wines to train on, 44 held out" in lines[1]
    for start in ("start ", "end ", "time ", "gradient ", "because ", "auto ", "forward ", "reverse ", "check "):
        assert any(line.startswith(start) for line in lines), start
    assert "agrees with central differences" in out


def test_training_as_json_has_every_loss(call):
    code, out, _ = call("run", "wine", "--train", "--epochs", "7", "--json", "--planner", "reverse", "--lr", "0.1")
    found = json.loads(out)
    assert (code, found["schema"], found["plan"]["planner"]) == (0, "jacchain.training/v1", "reverse")
    assert found["settings"]["rate"] == 0.1
    assert [len(found["losses"][name]) for name in ("training", "held_out")] == [8, 8]
    assert found["plan"]["flops"] <= found["plan"]["baselines"]["forward"]
    assert found["check"] is None


@pytest.mark.parametrize("name", ["losses.png", "losses.SVG"])
def test_the_loss_curve_is_drawn(call, tmp_path, name):
    pytest.importorskip("matplotlib")
    assert call("run", "wine", "--train", "--epochs", "20", "--plot", str(tmp_path / name))[0] == 0
    start = b"\x89PNG" if name.endswith("png") else b"<?xml"
    assert (tmp_path / name).read_bytes().startswith(start)


def test_without_matplotlib_nothing_is_trained(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, out, err = call("run", "wine", "--train", "--plot", "losses.png")
    assert (code, out) == (5, "")
    assert "pip install jacchain[plot]" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["wine", "--epochs", "3"], 2, "--epochs without --train"),
        (["wine", "--lr", "3"], 2, "--lr without --train"),
        (["chain", "--train"], 2, "--train with chain"),
        (["--train"], 2, "--train with no problem"),
        (["wine", "--train", "--dims", "3,2"], 2, "--dims and --train together"),
        (["wine", "--train", "--plan", "plan.json"], 2, "--plan and --train together"),
        (["wine", "--train", "--plot", "losses.pdf"], 2, "neither PNG nor SVG"),
        (["wine", "--train", "--optimizer", "adan"], 2, "did you mean 'adam'?"),
        (["wine", "--train", "--planner", "shortest"], 2, "unknown planner 'shortest'"),
        (["wine", "--train", "--seed", "-1"], 2, "seed -1 is negative"),
        (["wine", "--train", "--loss", "squared", "--optimizer", "descent", "--lr", "1e6"], 1, "the loss is inf"),
        (["wine", "--planner", "optimum"], 2, "did you mean 'optimal'?"),
    ],
)
def test_a_wrong_command_line_is_what_and_how_to_mend_it(call, arguments, code, message):
    got, out, err = call("run", *arguments)
    assert (got, out) == (code, "")
    assert message in err
