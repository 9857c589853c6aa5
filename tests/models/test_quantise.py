"""Networks that train as their int8 model computes: the exported file gives the same logits, bit by bit."""

from __future__ import annotations

import copy
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpconvert.graph.arithmetic import multiply_double_rounding, quantise_multiplier

if importlib.util.find_spec("torch") is None:
    pytest.skip("torch not installed: training needs `make setup-train`", allow_module_level=True)

import torch
from torch import Tensor, nn

from wptrain.exporters.litert import describe
from wptrain.methods.method import Training
from wptrain.methods.pool.method import Pool, PoolSettings
from wptrain.methods.pool.weights import pooled_layers, pooled_weight
from wptrain.networks.mobilenet_v2 import InvertedResidual
from wptrain.quantise import fake, fixed_point, program, weights
from wptrain.quantise.integers import IntegerLayer, bias_steps
from wptrain.trained import build


def images(count: int, *shape: int) -> Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))


def seen(network: nn.Module, x: Tensor) -> nn.Module:
    """The network with statistics of `x`, gains and shifts of all kinds."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.uniform_(-0.3, 0.3, generator=generator)
        for _ in range(20):
            network.train()(x)
    return network.eval()


def quantised(network: nn.Module, x: Tensor, bits: int = 8, power_of_two: bool = False) -> nn.Module:
    result = copy.deepcopy(network)
    program.attach(result, bits=bits, power_of_two=power_of_two)
    with torch.no_grad():
        frozen(result)(x)
    return result.eval()


def frozen(network: nn.Module) -> nn.Module:
    """Training, with the statistics of batch normalisations as they are."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return network


@pytest.fixture(scope="module")
def digits_network() -> nn.Module:
    torch.manual_seed(0)
    return seen(build("ds-cnn", 1, 10), images(64, 1, 8, 8))


@pytest.fixture
def branches() -> nn.Module:
    """Sums with and without an activation, chained sums, strides, both kinds of pools."""

    class Branches(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
            self.second = nn.Conv2d(8, 8, 3, padding=1, groups=8)
            self.halve = nn.MaxPool2d(2)
            self.pool = nn.AvgPool2d(3)
            self.last = nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.norm(self.first(x)))
            y = self.second(x) + x
            y = torch.relu(y + x)
            return self.last(self.pool(self.halve(y)).flatten(1))

    torch.manual_seed(0)
    return seen(Branches(), images(16, 3, 6, 6))


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=20), st.floats(2.0**-30, 0.999))
def test_fixed_point_is_that_of_the_kernels(values: list[int], factor: float) -> None:
    multiplier, shift = quantise_multiplier(factor)
    numbers = np.asarray(values, np.int64)
    found = fixed_point.multiply(torch.from_numpy(numbers), torch.tensor(multiplier), torch.tensor(shift))
    assert np.array_equal(found.numpy(), multiply_double_rounding(numbers, multiplier, shift))


def test_a_large_ratio_of_scales_is_a_left_shift() -> None:
    multiplier, shift = quantise_multiplier(5.3)
    numbers = np.arange(-1000, 1000)
    found = fixed_point.multiply(torch.from_numpy(numbers), torch.tensor(multiplier), torch.tensor(shift))
    assert np.array_equal(found.numpy(), multiply_double_rounding(numbers, multiplier, shift))


@pytest.mark.parametrize("total", range(-20, 20))
def test_averages_round_halves_away_from_zero(total: int) -> None:
    expected = int(np.sign(total)) * ((abs(total) + 2) // 4)
    assert int(fixed_point.average(torch.tensor(float(total)), 4)) == expected


@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_a_tensor_after_a_relu_has_so_many_levels(bits: int) -> None:
    quantiser = fake.FakeQuantiser(bits, one_sided=True, power_of_two=False)
    x = images(5000, 1) - 0.2
    values = quantiser.train()(x).unique()
    assert len(values) <= 1 << bits
    assert values[0] == 0
    # int8's uppermost levels: saturation cuts off what the range does.
    assert quantiser.grid.zero_point == 128 - (1 << bits)
    assert quantiser.stored(values).max() == 127


def test_clipped_values_have_no_gradient_and_others_have_gradient_1() -> None:
    quantiser = fake.FakeQuantiser(8, one_sided=True, power_of_two=False, whole=True)
    quantiser.train()(torch.tensor([1.0]))
    x = torch.tensor([-0.5, 0.1, 0.7, 1.5], requires_grad=True)
    quantiser.eval()(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 0.0]


def test_ranges_move_only_while_they_are_observed() -> None:
    quantiser = fake.FakeQuantiser(8, one_sided=False, power_of_two=False).train()
    quantiser(images(100, 3))
    before = quantiser.grid
    quantiser.observing = False
    quantiser(10 * images(100, 3))
    assert quantiser.grid == before
    quantiser.observing = True
    quantiser.eval()(10 * images(100, 3))
    assert quantiser.grid == before
    quantiser.train()(10 * images(100, 3))
    assert quantiser.grid.scale > before.scale


# One of two processes: prints the ranges of its quantisers after a batch of its own.
PROCESS = """
import sys, torch
from torch import distributed
from wptrain.quantise.fake import FakeQuantiser
rank = int(sys.argv[1])
distributed.init_process_group("gloo", f"file://{sys.argv[2]}", rank=rank, world_size=2)
for whole in (True, False):
    quantiser = FakeQuantiser(8, one_sided=False, power_of_two=False, whole=whole).train()
    for scale in (1.0, 2.0):
        quantiser((rank + 1) * scale * torch.linspace(-1, 0.5, 50))
    print(float(quantiser.low), float(quantiser.high))
"""


def test_processes_agree_on_ranges(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, rank, str(tmp_path / "meet")], stdout=subprocess.PIPE, text=True
        )
        for rank in ("0", "1")
    ]
    said = [process.communicate(timeout=120)[0] for process in started]
    assert said[0] == said[1]
    whole = said[0].splitlines()[0]
    assert whole == "-4.0 2.0"


def test_rare_values_are_clipped() -> None:
    quantiser = fake.FakeQuantiser(3, one_sided=True, power_of_two=False).train()
    x = images(10000, 1)
    x[0] = 5.0
    quantiser(x)
    assert quantiser.grid.scale * 7 < 2.0


def test_powers_of_two_hold_for_each_scale_and_zero_is_exact(branches: nn.Module) -> None:
    network = quantised(branches, images(16, 3, 6, 6), power_of_two=True)
    layers = program.integer_layers(network)
    assert set(layers) == {"first", "second", "last"}
    for layer in layers.values():
        assert layer.input is not None and layer.output is not None
        scales = [*layer.scales, layer.input.scale, layer.output.scale]
        assert all(float(np.log2(scale)).is_integer() for scale in scales)
    for each in network.quantisers.values():
        assert float(each(torch.zeros(1))) == 0.0


def test_small_weights_keep_their_levels() -> None:
    """No floor at 2^-12, which would leave 4 of 127 levels."""
    layer = nn.Conv2d(1, 2, 3, bias=False)
    layer.weight.data = torch.linspace(-1e-3, 1e-3, 18).reshape(2, 1, 3, 3)
    found = weights.folded(weights.on_grid(layer, torch.ones(2), False), torch.ones(2), torch.zeros(2), 0.01)
    assert found.integers.abs().flatten(1).amax(dim=1).tolist() == [127.0, 127.0]
    assert torch.allclose(found.integers.double() * found.scales[:, None, None, None], layer.weight.double(), atol=5e-6)


@pytest.mark.parametrize("power_of_two", [False, True])
def test_channels_without_weights_keep_their_bias(power_of_two: bool) -> None:
    layer = nn.Linear(4, 3)
    layer.weight.data = torch.zeros(3, 4)
    bias = torch.tensor([0.7, -1e3, 0.0])
    found = weights.folded(weights.on_grid(layer, torch.ones(3), power_of_two), torch.ones(3), bias, 0.01)
    steps, scales = bias_steps(found.bias.numpy(), 0.01, found.scales.numpy())
    assert np.allclose(steps * scales.astype(np.float64), bias.numpy(), rtol=1e-6)


def test_negative_and_zero_gains_fold_into_integers() -> None:
    layer = nn.Linear(4, 3, bias=False)
    torch.nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(0))
    gain = torch.tensor([2.0, -0.5, 0.0])
    found = weights.folded(weights.on_grid(layer, gain, False), gain, torch.zeros(3), 0.01)
    real = found.integers.double() * found.scales[:, None]
    assert (found.scales > 0).all()
    assert torch.allclose(real, (layer.weight * gain[:, None]).double(), atol=0.02)


def test_weights_get_the_gradient_of_the_rounded_ones(digits_network: nn.Module) -> None:
    layer = digits_network.block1.pointwise.conv
    slope = images(*layer.weight.shape)
    (weights.on_grid(layer, torch.ones(len(layer.weight)), False).weight * slope).sum().backward()
    assert torch.equal(layer.weight.grad, slope)
    layer.weight.grad = None


def test_statistics_are_those_of_the_rounded_weights_until_they_are_frozen(digits_network: nn.Module) -> None:
    x = images(32, 1, 8, 8)
    network = quantised(digits_network, x).train()
    norm, conv = network.stem.bn, network.stem.conv
    norm.momentum = 1.0
    grid = weights.on_grid(conv, norm.weight, False)
    with torch.no_grad():
        expected = nn.functional.conv2d(network.quantisers["input"](x), grid.weight, padding=1).mean(dim=(0, 2, 3))
        network(x)
    assert torch.allclose(norm.running_mean, expected, atol=1e-5)
    frozen(network)(images(32, 1, 8, 8) * 0.5)
    assert torch.allclose(norm.running_mean, expected, atol=1e-5)


def test_training_and_evaluation_agree_to_a_few_steps(branches: nn.Module) -> None:
    x = images(16, 3, 6, 6)
    network = quantised(branches, x)
    program.observe(network, False)
    with torch.no_grad():
        computed, exact, real = frozen(network)(x), network.eval()(x), branches(x)
    step = list(network.quantisers.values())[-1].grid.scale
    assert (computed - exact).abs().max() <= 2.5 * step
    assert (exact - real).abs().mean() < 0.05 * real.std()


def test_evaluation_has_the_gradient_of_training(branches: nn.Module) -> None:
    x = images(16, 3, 6, 6)
    network = quantised(branches, x)
    program.observe(network, False)
    slopes = []
    for mode in (frozen, nn.Module.eval):
        network.zero_grad()
        mode(network)(x).square().sum().backward()
        slopes.append(network.first.weight.grad.clone())
    assert torch.allclose(*slopes, rtol=0.1, atol=0.05 * float(slopes[0].abs().max()))


def test_a_copy_is_another_network(digits_network: nn.Module) -> None:
    x = images(8, 1, 8, 8)
    network = quantised(digits_network, x)
    copied = copy.deepcopy(network)
    with torch.no_grad():
        before = network(x)
        assert torch.equal(copied(x), before)
        copied.classifier.bias.add_(1.0)
        assert torch.equal(network(x), before)
        assert not torch.equal(copied(x), before)


def test_a_state_holds_the_ranges(digits_network: nn.Module) -> None:
    x = images(8, 1, 8, 8)
    network = quantised(digits_network, x, bits=4)
    other = build("ds-cnn", 1, 10).eval()
    program.attach(other, bits=4)
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.equal(other(x), network(x))


def test_detached_networks_compute_in_floats_again(digits_network: nn.Module) -> None:
    x = images(8, 1, 8, 8)
    network = quantised(digits_network, x)
    program.detach(network)
    with torch.no_grad():
        assert torch.equal(network(x), digits_network(x))
    assert list(network.state_dict()) == list(digits_network.state_dict())


def test_what_cannot_be_quantised_is_named(digits_network: nn.Module) -> None:
    with pytest.raises(ValueError, match="1: Sigmoid has no integer form here"):
        program.attach(nn.Sequential(nn.Linear(2, 2), nn.Sigmoid()))
    with pytest.raises(ValueError, match="activation bits 9: expected 1 to 8"):
        program.attach(nn.Sequential(nn.Linear(2, 2)), bits=9)
    with pytest.raises(ValueError, match="quantised already"):
        program.attach(quantised(digits_network, images(8, 1, 8, 8)))


needs_converter = pytest.mark.skipif(
    importlib.util.find_spec("litert_torch") is None, reason="litert_torch not installed"
)


def native_logits(network: nn.Module, base: bytes, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The stored logits that the network computes, and those of the file with its integers."""
    from wptrain.exporters.fill import filled  # noqa: PLC0415
    from wptrain.exporters.measure import stored_logits  # noqa: PLC0415

    content = filled(base, program.integer_layers(network))
    stored = network.quantisers["input"].stored(x).permute(0, 2, 3, 1).numpy().astype(np.int8)
    with torch.no_grad():
        own = list(network.quantisers.values())[-1].stored(network(x))
    return own.numpy().astype(np.int8), stored_logits(content, stored)


def converted(network: nn.Module, x: Tensor) -> bytes:
    from wptrain.exporters.plain import plain  # noqa: PLC0415
    from wptrain.exporters.tflite import to_int8_tflite  # noqa: PLC0415

    return to_int8_tflite(plain(network), x[:2].permute(0, 2, 3, 1).contiguous().numpy())


@needs_converter
def test_exported_logits_are_those_of_the_network(digits_network: nn.Module) -> None:
    x = images(200, 1, 8, 8)
    base = converted(digits_network, x)
    seen_levels = set()
    for bits, power_of_two in ((8, False), (8, True), (3, False)):
        own, native = native_logits(quantised(digits_network, x, bits, power_of_two), base, x)
        assert np.array_equal(own, native)
        seen_levels.add(own.tobytes())
    assert len(seen_levels) == 3


@needs_converter
@pytest.mark.parametrize("power_of_two", [False, True])
def test_exported_logits_of_pooled_networks_too(digits_network: nn.Module, power_of_two: bool) -> None:
    x = images(100, 1, 8, 8)
    result = copy.deepcopy(digits_network)
    Pool(PoolSettings(size=8)).prepare(result, Training(seed=0, epochs=1))
    pool = pooled_weight(next(iter(pooled_layers(result).values()))).pool
    network = quantised(result, x, power_of_two=power_of_two)
    own, native = native_logits(network, converted(network, x), x)
    assert np.array_equal(own, native)
    layers: Mapping[str, IntegerLayer] = program.integer_layers(network)
    vectors = {tuple(vector) for vector in pool.vectors.int().tolist()}
    for name, layer in pooled_layers(network).items():
        rows = np.moveaxis(layers[name].weights, 1, -1).reshape(-1, 8)
        assert {tuple(row) for row in rows.tolist()} <= vectors
        assert pooled_weight(layer).pool is not pool


def residual_blocks() -> nn.Module:
    """A chain of sums that nothing follows, and a depthwise convolution with a stride."""
    blocks = (InvertedResidual(3, 8, 2, 1), *(InvertedResidual(8, 8, 2, 1) for _ in range(3)))
    return nn.Sequential(
        *blocks, InvertedResidual(8, 8, 2, 2), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(8, 10), nn.Identity()
    )


@needs_converter
@pytest.mark.parametrize(
    ("make", "size"), [(lambda: build("resnet-s", 3, 10), 32), (residual_blocks, 8)], ids=["resnet-s", "chain of sums"]
)
def test_exported_logits_of_sums_strides_and_pools(make: Callable[[], nn.Module], size: int) -> None:
    torch.manual_seed(0)
    x = images(12, 3, size, size)
    network = seen(make(), x)
    base = converted(network, x)
    assert not {"PAD", "QUANTIZE", "DEQUANTIZE", "TRANSPOSE"} & set(describe(base).operators)
    own, native = native_logits(quantised(network, x), base, x)
    assert np.array_equal(own, native)
    assert len(np.unique(own)) > 30
