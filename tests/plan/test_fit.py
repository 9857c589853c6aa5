"""The calibration finds what is there: weights, cuts, and the code that each operator brings."""

from __future__ import annotations

import numpy as np

from tools.calibration.code_size import entries
from tools.calibration.fit import Measured, fit_family
from wpconvert.model.layer import Layer, Storage
from wpconvert.plan.costs import CostModel, Piece
from wpconvert.plan.features import family_of


def layers(count: int, seed: int) -> list[Layer]:
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        rows, cols = int(generator.integers(1, 200)), int(generator.integers(1, 400))
        storage = Storage("rle", rows, cols, int(rows * cols * generator.random()), rows * cols)
        batch = int(generator.integers(1, 5))
        found.append(Layer("FULLY_CONNECTED", batch, (1, 1, cols), (1, 1, rows), weights=storage))
    return found


def truth(layer: Layer) -> float:
    """Decoding costs by stored elements; from three vectors on another kernel takes half for each product."""
    weights = layer.weights
    assert weights is not None
    product = 4 if layer.batch < 3 else 2
    return 300 + 7 * weights.nonzeros + product * layer.batch * weights.rows * weights.cols


def test_fit_predicts_layers_that_it_has_not_seen() -> None:
    samples = [Measured(layer, round(truth(layer)), round(2 * truth(layer))) for layer in layers(200, 1)]
    pieces = fit_family(samples)
    assert len(pieces) > 1
    found = tuple(
        Piece(
            {key: tuple(float("inf") if v is None and i else v or 0.0 for i, v in enumerate(pair))  # type: ignore[misc]
             for key, pair in p["limits"].items()},
            p["instructions"],
            p["cycles"],
        )
        for p in pieces
    )  # fmt: skip
    model = CostModel("Test", {family_of(samples[0].layer): found}, ())
    for layer in layers(100, 2):
        cost = model.cost(layer)
        assert cost is not None
        assert abs(cost.instructions / truth(layer) - 1) < 0.05
        assert abs(cost.cycles / (2 * truth(layer)) - 1) < 0.05


def test_code_belongs_to_what_always_brings_it() -> None:
    images = [
        (frozenset({"ADD"}), {("core.o", ".text", 0): 100, ("add.o", ".text", 0): 30}),
        (frozenset({"CONV"}), {("core.o", ".text", 0): 100, ("conv.o", ".text", 0): 70}),
        (frozenset({"WP", "rle"}), {("core.o", ".text", 0): 100, ("conv.o", ".text", 0): 70, ("rle.o", ".t", 0): 20}),
        (frozenset({"WP", "bit"}), {("core.o", ".text", 0): 102, ("conv.o", ".text", 0): 70, ("bit.o", ".t", 0): 25}),
    ]
    found = {tuple(entry["used_by"]): entry["nbytes"] for entry in entries(images)}
    assert found == {(): 100, ("ADD",): 30, ("CONV", "WP", "bit", "rle"): 70, ("bit",): 25, ("rle",): 20}
