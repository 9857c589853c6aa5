"""Pooled training: weights are pool vectors, gradients pass straight through, activations narrow as operators do."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from wpconvert.graph.custom.levels import level_of, levels
from wpconvert.transforms.pool import fits, quantise, shift_for

if importlib.util.find_spec("torch") is None:
    pytest.skip("torch not installed: training needs `make setup-train`", allow_module_level=True)

import torch
from torch import nn

from wptrain import data
from wptrain.loop.evaluation import distillation
from wptrain.loop.settings import LoopSettings, Optimiser
from wptrain.loop.trainer import fit
from wptrain.methods.method import Training
from wptrain.methods.pool.activation import FakeQuant, level
from wptrain.methods.pool.method import Pool, PoolSettings
from wptrain.methods.pool.weights import (
    LEAST_GAIN,
    PooledWeight,
    WeightPool,
    make_gains_positive,
    poolable_layers,
    pooled_layers,
    pooled_weight,
)
from wptrain.trained import Trained, build


def some_pool() -> WeightPool:
    pool = WeightPool(16, 8)
    vectors = np.random.default_rng(0).integers(-15, 16, (16, 8))
    pool.centroids.data.copy_(torch.from_numpy(vectors.astype(np.float32)) / 32)
    return pool


def pooled(settings: PoolSettings) -> tuple[nn.Module, Pool]:
    """A network that has learned nothing, with a pool, and the method that gave it one."""
    torch.manual_seed(0)
    network, method = build("ds-cnn", 1, 10), Pool(settings)
    method.prepare(network, Training(seed=0, epochs=1))
    return network, method


def pool_of(network: nn.Module) -> WeightPool:
    return pooled_weight(next(iter(pooled_layers(network).values()))).pool


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("zero_point", [-128, -77, 0, 5, 127])
def test_levels_are_those_of_the_converter(bits: int, zero_point: int) -> None:
    values = np.arange(-128, 128).astype(np.int8)
    narrowed = level(torch.from_numpy(values).long(), bits, zero_point)
    assert np.array_equal(narrowed.numpy(), levels(values, bits, zero_point))
    assert int(level(torch.tensor(zero_point), bits, zero_point)) == level_of(zero_point, bits)


def test_clipped_activations_have_no_gradient_and_others_have_gradient_1() -> None:
    quantiser = FakeQuant(4)
    quantiser.set_range(0.0, 1.0)
    x = torch.tensor([-0.5, 0.1, 0.7, 1.5], requires_grad=True)
    quantiser(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("channels", [8, 16, 11])
def test_latent_weights_get_the_gradient_of_the_pooled_ones(channels: int) -> None:
    latent = torch.randn(4, channels, 3, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    slope = torch.randn(latent.shape, generator=torch.Generator().manual_seed(2))
    (PooledWeight(some_pool())(latent) * slope).sum().backward()
    assert latent.grad is not None
    assert torch.equal(latent.grad, slope)


@pytest.mark.parametrize("channels", [8, 16, 11])
def test_pooling_pooled_weights_changes_nothing(channels: int) -> None:
    latent = torch.randn(4, channels, 3, 3, generator=torch.Generator().manual_seed(3))
    parametrisation = PooledWeight(some_pool())
    once = parametrisation.integers(latent) * 0.25
    assert torch.equal(parametrisation.integers(once) * 0.25, once)
    assert torch.allclose(parametrisation(once), once, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lut_bits", [4, 8, 16])
def test_trained_pools_stay_whole_numbers_that_fit_the_table(lut_bits: int) -> None:
    pool = WeightPool(32, lut_bits)
    pool.centroids.data.normal_(std=40.0, generator=torch.Generator().manual_seed(4))
    vectors = pool.vectors
    assert torch.equal(vectors, vectors.round())
    assert fits(vectors.int().numpy(), lut_bits, shift_for(lut_bits)).all()


def test_a_pool_that_fits_is_kept_as_it_was_filled() -> None:
    pool = WeightPool(16, 8)
    real = np.random.default_rng(7).normal(size=(16, 8))
    pool.fill(real)
    assert np.array_equal(pool.vectors.numpy(), quantise(real, 8)[0])


def test_training_moves_the_vectors_of_a_pool_unless_it_is_frozen() -> None:
    digits = data.load("digits")
    settings = LoopSettings(epochs=1, optimiser=Optimiser(learning_rate=0.02), precision="bfloat16")
    for train in (True, False):
        network, method = pooled(PoolSettings(size=8, train=train))
        before = pool_of(network).vectors
        fit(network, digits, settings, [method])
        assert torch.equal(before, pool_of(network).vectors) is not train


def test_distillation_is_least_for_the_teachers_own_outputs() -> None:
    taught = torch.randn(5, 10, generator=torch.Generator().manual_seed(8))
    assert abs(float(distillation(taught, taught))) < 1e-6
    assert float(distillation(taught + 1.0, taught)) < 1e-4
    assert float(distillation(taught.flip(1), taught)) > 0.1


def test_lower_precision_does_not_change_the_choice_of_vectors() -> None:
    latent = torch.randn(64, 64, 3, 3, generator=torch.Generator().manual_seed(9))
    parametrisation = PooledWeight(some_pool())
    with torch.autocast("cpu", torch.bfloat16):
        narrow = parametrisation(latent)
    assert torch.equal(parametrisation(latent), narrow)


def test_turning_gains_around_leaves_the_network_as_it_was() -> None:
    network = build("ds-cnn", 1, 10).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(torch.linspace(-1.0, 1.0, len(module.weight)) + 0.01)
                module.running_mean.normal_(generator=torch.Generator().manual_seed(5))
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        before = network(x)
        make_gains_positive(network)
        assert torch.allclose(network(x), before, atol=1e-2)
    gains = [module.weight.min() for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert min(gains) >= LEAST_GAIN


def test_pooled_networks_hold_no_more_vectors_than_the_pool_and_load_again() -> None:
    result, method = pooled(PoolSettings(size=8))
    pool = pool_of(result)
    layers = pooled_layers(result)
    assert layers
    rows = {tuple(row) for row in pool.vectors.int().tolist()}
    assert len(rows) <= 8
    for layer in layers.values():
        weight = layer.parametrizations.weight.original
        assert set(pooled_weight(layer).indices(weight).unique().tolist()) <= set(range(8))
    with pytest.raises(ValueError, match="already pooled"):
        method.prepare(result, Training(seed=0, epochs=1))


@pytest.mark.skipif(importlib.util.find_spec("litert_torch") is None, reason="litert_torch not installed")
def test_exported_weights_are_exactly_pool_vectors() -> None:
    from ai_edge_litert import schema_py_generated as schema  # noqa: PLC0415

    from wpconvert.transforms.pool import cut  # noqa: PLC0415
    from wptrain.exporters.int8 import export  # noqa: PLC0415
    from wptrain.exporters.litert import WEIGHT_OPERATORS, operator_name  # noqa: PLC0415

    network, _ = pooled(PoolSettings(size=8))
    pool = pool_of(network)
    result = Trained("ds-cnn", (8, 8, 1), 10, network.eval(), {"pool": {"size": 8}})
    model = schema.ModelT.InitFromPackedBuf(export(result, lambda: data.load("digits")), 0)
    rows = {tuple(row) for row in pool.vectors.int().tolist()}
    graph = model.subgraphs[0]
    seen = 0
    names = {f"{name}/weight".replace(".", "/") for name in pooled_layers(result.network)}
    for operator in graph.operators:
        if operator_name(model, operator) in WEIGHT_OPERATORS:
            tensor = graph.tensors[operator.inputs[1]]
            if tensor.name.decode() in names:
                values = np.asarray(model.buffers[tensor.buffer].data).view(np.int8).reshape(tuple(tensor.shape))
                assert {tuple(row) for row in cut(values).astype(int).tolist()} <= rows
                seen += 1
    assert seen == len(names) > 0


def test_layers_that_stay_dense_are_chosen_by_pattern() -> None:
    network = build("resnet-s", 3, 10)
    assert not [name for name in poolable_layers(network) if "shortcut" in name]
    everything = set(poolable_layers(network, ()))
    assert everything - set(poolable_layers(network)) == {"blocks.2.shortcut.conv", "blocks.4.shortcut.conv"}
    assert everything - set(poolable_layers(network, ["blocks.0.*"])) == {
        "blocks.0.first.conv",
        "blocks.0.second.conv",
    }
