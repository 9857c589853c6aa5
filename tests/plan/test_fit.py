"""The calibration finds what is there: weights, cuts, and the code that each operator brings."""

from __future__ import annotations

import numpy as np

from tools.calibration.code_size import entries
from tools.calibration.fit import Measured, fit
from wpconvert.model.layer import Layer, Storage
from wpconvert.plan.costs import CostModel

CORE = "Cortex-M4"


def layers(count: int, seed: int) -> list[Layer]:
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        rows, cols = int(generator.integers(1, 200)), int(generator.integers(1, 400))
        elements = int(rows * cols * generator.random())
        method = str(generator.choice(("rle", "dense", "bitmap")))
        work = {} if method == "dense" else {"stored": elements}
        storage = Storage(method, rows, cols, elements, work)
        batch = int(generator.integers(1, 5))
        found.append(Layer("FULLY_CONNECTED", batch, (1, 1, cols), (1, 1, rows), weights=storage))
    return found


def truth(layer: Layer) -> float:
    """Decoding costs by stored elements, of rle more than of bitmap; dense rows by vectors of 16 columns."""
    weights = layer.weights
    assert weights is not None
    if weights.method == "dense":
        return 300 + 9 * layer.batch * -(-weights.rows // 4) * -(-weights.cols // 16)
    return 500 + layer.batch * weights.nonzeros * (7 if weights.method == "rle" else 3)


def test_fit_predicts_layers_that_it_has_not_seen() -> None:
    samples = [Measured(layer, round(truth(layer)), round(2 * truth(layer))) for layer in layers(200, 1)]
    weights, families = fit(samples, CORE)
    assert families == ["FULLY_CONNECTED dots", "FULLY_CONNECTED in place"]
    pairs = {name: (pair[0], pair[1]) for name, pair in weights.items()}
    model = CostModel(CORE, frozenset(families), pairs, ())
    for layer in layers(100, 2):
        cost = model.cost(layer)
        assert cost is not None
        assert abs(cost.instructions / truth(layer) - 1) < 0.02
        assert abs(cost.cycles / (2 * truth(layer)) - 1) < 0.02


def test_what_takes_nothing_has_no_weight() -> None:
    weights, _ = fit([Measured(layer, 1000, 2000) for layer in layers(50, 3)], CORE)
    assert all(min(pair) >= 0 and max(pair) > 0 for pair in weights.values())


def test_code_belongs_to_what_always_brings_it() -> None:
    images = [
        (frozenset({"ADD"}), {("core.o", ".text", 0): 100, ("add.o", ".text", 0): 30}),
        (frozenset({"CONV"}), {("core.o", ".text", 0): 100, ("conv.o", ".text", 0): 70}),
        (frozenset({"WP", "rle"}), {("core.o", ".text", 0): 100, ("conv.o", ".text", 0): 70, ("rle.o", ".t", 0): 20}),
        (frozenset({"WP", "bit"}), {("core.o", ".text", 0): 102, ("conv.o", ".text", 0): 70, ("bit.o", ".t", 0): 25}),
    ]
    found = {tuple(entry["used_by"]): entry["nbytes"] for entry in entries(images)}
    assert found == {(): 100, ("ADD",): 30, ("CONV", "WP", "bit", "rle"): 70, ("bit",): 25, ("rle",): 20}
