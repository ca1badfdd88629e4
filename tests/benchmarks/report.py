"""The whole run: rows are made, measured and printed one after the other."""

import sys
from collections.abc import Callable, Mapping
from functools import partial

from benchmarks import (
    autoencoder,
    batch_functions,
    batches,
    calibrated,
    card,
    chain,
    graphs,
    lagrangian,
    lagrangian_growth,
    lagrangian_solving,
    planning,
    predictions,
    process,
    scalar_code,
    schedules,
    seconds,
    sequence_space,
    simulations,
    tracing,
    wine,
    wine_hessian,
    wine_weights,
)
from benchmarks.document import to_json
from benchmarks.growth import plot
from benchmarks.machine import load, machine
from benchmarks.options import Options
from benchmarks.row import Measured, Row, Skipped, measure
from benchmarks.table import details, summary

ROWS: Mapping[str, Callable[..., Row]] = {
    "wine-16": partial(wine.row, 16),
    "wine-1024": partial(wine.row, 1024),
    "weights-16": partial(wine_weights.row, 16),
    "weights-1024": partial(wine_weights.row, 1024),
    "wine-hessian": wine_hessian.row,
    "autoencoder-784": partial(autoencoder.row, (784, 256, 32, 256, 784), 6),
    "autoencoder-2048": partial(autoencoder.row, (2048, 512, 16, 512, 2048), 12),
    "batch-autoencoder": batches.autoencoder_row,
    "batch-wine": batches.wine_row,
    "batch-function-loss": batch_functions.loss_row,
    "batch-function-hessian": batch_functions.hessian_row,
    "chain-multiply": chain.multiply_row,
    "chain-plan": chain.plan_row,
    "seconds": seconds.row,
    "predicted": predictions.row,
    "chain-calibrated": calibrated.chain_row,
    "autoencoder-784-calibrated": partial(calibrated.autoencoder_row, (784, 256, 32, 256, 784)),
    "autoencoder-2048-calibrated": partial(calibrated.autoencoder_row, (2048, 512, 16, 512, 2048)),
    "plan-dense": planning.dense_row,
    "plan-structured": planning.structured_row,
    "plan-matrix-free": planning.matrix_free_row,
    "plan-long": planning.long_row,
    "schedule-threads": schedules.threads_row,
    "trace": tracing.row,
    "blocks-all": partial(sequence_space.row, "all"),
    "blocks-two": partial(sequence_space.row, "two"),
    "lorenz96": simulations.lorenz96_row,
    "burgers": simulations.burgers_row,
    "card-float32": partial(card.row, "float32"),
    "card-float64": partial(card.row, "float64"),
    "process": process.row,
    "arm-point": partial(scalar_code.point_row, "arm"),
    "roe-point": partial(scalar_code.point_row, "roe"),
    "arm-float64": partial(scalar_code.points_row, "arm", "float64"),
    "arm-float32": partial(scalar_code.points_row, "arm", "float32"),
    "roe-float64": partial(scalar_code.points_row, "roe", "float64"),
    "roe-float32": partial(scalar_code.points_row, "roe", "float32"),
    "lagrangian-rosenbrock": partial(lagrangian.row, "rosenbrock"),
    "lagrangian-cartpole": partial(lagrangian.row, "cartpole"),
    "lagrangian-hs071": partial(lagrangian.row, "hs071"),
    "lagrangian-growth": lagrangian_growth.row,
    "lagrangian-solve": lagrangian_solving.row,
}
"""What makes each row; each is made only when its turn comes, since peers take long to load and compile."""


def print_report(options: Options, /) -> None:
    """Measure the rows, print their tables as they come and the summary at the end, and write the files."""
    known = machine()
    for name, fact in known.items():
        print(f"{name:10} {fact}")
    print("\nmedians over interleaved rounds; a ratio is the median of the ratios of rounds\n", flush=True)
    makers = {
        **ROWS,
        "schedule-published": partial(schedules.published_row, options.published),
        "search-published": partial(graphs.search_row, options.graphs),
    }
    rows: list[Measured] = []
    for name in options.names:
        try:
            rows.append(measure(partial(makers[name], peers=options.peers), options.seconds, options.makes))
        except Skipped as reason:
            print(f"{name}: NOT MEASURED: {reason}", end="\n\n", flush=True)
            continue
        print(details(rows[-1]), end="\n\n", flush=True)
    print(summary(rows))
    print(f"\nload at the end: {load()}")
    if options.json is not None:
        options.json.write_text(to_json(known, rows))
    if options.plot is not None:
        drawn = [found.times for found in rows if found.row.name.startswith("plan-")]
        print(plot(drawn, options.plot) if drawn else "no plot: planning was not measured", file=sys.stderr)
