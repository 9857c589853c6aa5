"""Masks drop exactly the smallest weights, and the schedule ends at its target."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch not installed: pruning needs the training environment")

from wptrain.methods import magnitude as pruning  # noqa: E402 - the import needs torch
from wptrain.methods.method import Training  # noqa: E402
from wptrain.networks.ds_cnn import DsCnn  # noqa: E402


def zeros(mask: object) -> int:
    return int((mask == 0).sum())  # type: ignore[attr-defined]


def test_schedule_rises_and_then_stays() -> None:
    schedule = pruning.Schedule(final=0.8, begin=2, end=6)
    values = [schedule.sparsity(epoch) for epoch in range(9)]
    assert values[:2] == [0.0, 0.0]
    assert values == sorted(values)
    assert 0.0 < values[2] < values[5] < 0.8
    assert values[6:] == [0.8, 0.8, 0.8]


def test_layer_scope_prunes_each_layer_by_the_same_fraction() -> None:
    weights = {"large": torch.arange(1.0, 11.0), "small": torch.arange(1.0, 21.0) / 100}
    masks = pruning.magnitude_masks(weights, 0.5, pruning.Scope.LAYER)
    assert masks["large"].tolist() == [0.0] * 5 + [1.0] * 5
    assert zeros(masks["small"]) == 10


def test_global_scope_lets_layers_compete() -> None:
    weights = {"large": -torch.arange(1.0, 11.0), "small": torch.arange(1.0, 11.0) / 100}
    masks = pruning.magnitude_masks(weights, 0.5, pruning.Scope.GLOBAL)
    assert zeros(masks["large"]) == 0
    assert zeros(masks["small"]) == 10


@pytest.mark.parametrize("scope", list(pruning.Scope))
def test_equal_magnitudes_still_give_the_exact_count(scope: pruning.Scope) -> None:
    masks = pruning.magnitude_masks({"flat": torch.ones(4, 5)}, 0.35, scope)
    assert masks["flat"].shape == (4, 5)
    assert zeros(masks["flat"]) == 7


def test_pruned_weights_stay_zero_when_the_optimiser_moves_them() -> None:
    network = DsCnn()
    layers = pruning.prunable_layers(network)
    pruner = pruning.Magnitude(pruning.MagnitudeSettings(sparsity=0.7, scope=pruning.Scope.GLOBAL))
    pruner.prepare(network, Training(seed=0, epochs=2))
    for epoch in range(3):
        pruner.before_epoch(epoch)
        before = {name: layer.weight == 0 for name, layer in layers.items()}
        with torch.no_grad():
            for layer in layers.values():
                layer.weight.add_(1.0)
        pruner.after_step()
        for name, layer in layers.items():
            assert torch.equal(layer.weight == 0, before[name])


def test_overall_sparsity_counts_the_layers_that_stay_dense() -> None:
    network = DsCnn()
    within = pruning.sparsity_within(network, 0.8)
    masks = pruning.magnitude_masks(
        {name: layer.weight.detach() for name, layer in pruning.prunable_layers(network).items()},
        within,
        pruning.Scope.LAYER,
    )
    total = sum(layer.weight.numel() for layer in pruning.weight_layers(network).values())
    assert sum(map(zeros, masks.values())) / total == pytest.approx(0.8, abs=1e-4)
    with pytest.raises(ValueError, match="never pruned"):
        pruning.sparsity_within(network, 0.95)


def test_depthwise_and_single_channel_layers_are_not_pruned() -> None:
    names = set(pruning.prunable_layers(DsCnn()))
    assert names == {f"block{index}.pointwise.conv" for index in range(1, 5)} | {"classifier"}


def test_layers_that_stay_dense_are_chosen_by_pattern() -> None:
    names = set(pruning.prunable_layers(DsCnn(), ["block[12].*", "classifier"]))
    assert names == {"block3.pointwise.conv", "block4.pointwise.conv"}
    with pytest.raises(ValueError, match="never pruned"):
        pruning.sparsity_within(DsCnn(), 0.5, ["*"])
