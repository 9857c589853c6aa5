"""Pools that leave the most sensitive layers dense, and assignments that are frozen late."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "litert_torch", "onnxscript")):
    pytest.skip("torch not installed: training needs `make setup-train`", allow_module_level=True)

import torch
from torch import Tensor, nn
from torch.nn import functional

from wptrain.cli.main import run
from wptrain.data.module import Batch, DataModule
from wptrain.data.sets import digits
from wptrain.loop.checkpoint import Checkpoint
from wptrain.loop.devices import make_deterministic
from wptrain.loop.settings import LoopSettings
from wptrain.loop.trainer import fit, prepare
from wptrain.methods.method import Training
from wptrain.methods.pool import method as pool_method
from wptrain.methods.pool.method import Pool, PoolSettings
from wptrain.methods.pool.sensitivity import Sensitivity, measure, most_sensitive, saved_bytes
from wptrain.methods.pool.weights import (
    WeightPool,
    attach,
    latent_weight,
    poolable_layers,
    pooled_layers,
    pooled_weight,
)
from wptrain.trained import Trained, build

from .test_resume import Interrupted, StopsIn
from .trainees import error, network


@pytest.mark.parametrize(
    ("shape", "size", "saved"),
    [
        # Rows of indices start with a new byte: 18 indices of 6 bits take 14 bytes.
        ((16, 16, 3, 3), 64, 16 * (144 - 14)),
        ((16, 16, 3, 3), 65, 16 * (144 - 16)),
        ((4, 9, 1, 1), 2, 4 * (9 - 1)),
        ((4, 1, 1, 1), 256, 0),
        ((4, 1, 2, 2), 1, 4 * (4 - 1)),
    ],
)
def test_bytes_that_indices_save(shape: tuple[int, int, int, int], size: int, saved: int) -> None:
    outputs, inputs, height, width = shape
    assert saved_bytes(nn.Conv2d(inputs, outputs, (height, width)), size) == saved


@pytest.mark.parametrize(
    ("budget", "kept"),
    [
        (0, ()),
        (9, ()),
        (10, ("small",)),
        (99, ("small", "last")),
        # The large one loses most, but not for its bytes.
        (40, ("small", "last")),
        (110, ("large", "small")),
        (1000, ("large", "small", "last")),
    ],
)
def test_layers_are_kept_by_loss_per_byte(budget: int, kept: tuple[str, ...]) -> None:
    layers = (
        Sensitivity("large", 2.0, 100),
        Sensitivity("small", 1.0, 10),
        Sensitivity("better", -1.0, 5),
        Sensitivity("last", 0.3, 30),
    )
    assert most_sensitive(layers, budget) == kept


def loss(network: nn.Module) -> Tensor:
    whole = digits.load()
    batch: Batch = whole.batch("train", np.arange(len(whole.labels("train"))))
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(batch.samples).permute(0, 3, 1, 2))
    return functional.cross_entropy(logits, torch.from_numpy(batch.labels))


def test_each_layer_is_measured_pooled_alone() -> None:
    torch.manual_seed(0)
    dense, pool = build("ds-cnn", 1, 10), WeightPool(4, 8)
    before = {name: value.clone() for name, value in dense.state_dict().items()}
    names = list(poolable_layers(dense))
    found = measure(dense, names, pool, digits.load(), 0)
    assert [each.layer for each in found] == names
    assert dense.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in dense.state_dict().items())
    without = loss(dense)
    for each in found:
        alone = build("ds-cnn", 1, 10)
        alone.load_state_dict(before)
        attach([alone.get_submodule(each.layer)], pool)
        assert each.loss == pytest.approx(float(loss(alone) - without), abs=1e-5)
        assert each.saved == saved_bytes(dense.get_submodule(each.layer), 4)


def test_a_part_of_the_network_stays_dense_by_its_name() -> None:
    resnet = build("resnet-s", 3, 10)
    left = poolable_layers(resnet, ["*.shortcut", "blocks.0", "blocks.1"])
    assert left and not [name for name in left if name.startswith(("blocks.0.", "blocks.1.")) or "shortcut" in name]
    assert "blocks.5.second.conv" in left


def test_layers_have_to_be_chosen_before_a_network_is_pooled() -> None:
    with pytest.raises(ValueError, match="dense_bytes"):
        Pool(PoolSettings(dense_bytes=1)).prepare(build("ds-cnn", 1, 10), Training(0, 1))


def test_something_is_left_to_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    dense, images = build("ds-cnn", 1, 10), digits.load()
    with pytest.raises(ValueError, match="no convolution that can be pooled"):
        Pool(PoolSettings(dense=("block*",), dense_bytes=1)).choose(dense, images, 0)
    worse = tuple(Sensitivity(name, 1.0, 10) for name in poolable_layers(dense))
    monkeypatch.setattr(pool_method, "measure", lambda *_: worse)
    with pytest.raises(ValueError, match="dense_bytes 40: no layer would be left to pool"):
        Pool(PoolSettings(dense_bytes=40)).choose(dense, images, 0)
    chosen = Pool(PoolSettings(dense=(), dense_bytes=39)).choose(dense, images, 0)
    assert chosen == {"dense": [each.layer for each in worse[:3]], "dense_bytes": 0}


def test_chosen_layers_are_kept_with_network_and_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Pools cost something only where there is something to lose.
    assert run(["train", "digits", "--set", "epochs=2", "--out", str(tmp_path)]) == 0
    start = tmp_path / "digits.pt"
    changes = ["epochs=1", f"start={start}", "methods.pool.size=4", "methods.pool.dense_bytes=9000"]
    command = ["train", "digits-pool", *(word for change in changes for word in ("--set", change)), "--out"]
    assert run([*command, str(tmp_path / "out")]) == 0
    path = tmp_path / "out" / "digits-pool.pt"
    trained = Trained.load(path)
    poolable = poolable_layers(trained.network)
    dense = poolable.keys() - pooled_layers(trained.network).keys()
    assert 0 < len(dense) < len(poolable)
    assert 0 < sum(saved_bytes(poolable[name], 4) for name in dense) <= 9000
    assert trained.methods["pool"]["dense"] == ["*.shortcut.*", *(name for name in poolable if name in dense)]
    assert f"kept dense: {', '.join(name for name in poolable if name in dense)}" in capsys.readouterr().err
    content = trained.content()

    def again(method: Pool, network: nn.Module, data: DataModule, seed: int) -> dict[str, object]:
        del method, network, data, seed
        raise AssertionError("measured again")

    monkeypatch.setattr(Pool, "choose", again)
    path.unlink()
    assert run([*command, str(tmp_path / "out")]) == 0
    assert Trained.load(path).content() == content
    capsys.readouterr()
    more = ["--set", "methods.pool.dense_bytes=9001"]
    assert run([*command, str(tmp_path / "out"), *more]) == 2
    assert "methods.pool.dense_bytes 9000, now 9001" in error(capsys)


@pytest.mark.parametrize("chosen", [None, {}, {"magnitude": {}}, {"pool": 3}, {"pool": {"dense_bytes": -1}}, [1]])
def test_a_checkpoint_with_another_choice_is_malformed(
    tmp_path: Path, chosen: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    network(Path("a.pt"), 1)
    command = ["train", "digits-pool", "--set", "epochs=1", "--set", "start=a.pt", "--out", "out"]
    assert run(command) == 0
    path = Path("out/digits-pool.checkpoint")
    content = torch.load(path, weights_only=True)
    content["state"]["chosen"] = chosen
    torch.save(content, path)
    capsys.readouterr()
    assert run(command) == 3
    assert "not a checkpoint of wptrain, or damaged" in error(capsys)


FROZEN = PoolSettings(size=8, refresh=1, freeze_assignments=0.5)


def test_frozen_assignments_do_not_follow_the_weights() -> None:
    torch.manual_seed(0)
    pooled, method = build("ds-cnn", 1, 10), Pool(FROZEN)
    method.prepare(pooled, Training(seed=0, epochs=4))

    def indices_and_vectors(epoch: int) -> list[Tensor]:
        method.before_epoch(epoch)
        with torch.no_grad():
            for layer in pooled_layers(pooled).values():
                latent_weight(layer).normal_()
        layers = pooled_layers(pooled).values()
        vectors = pooled_weight(next(iter(layers))).pool.vectors
        return [vectors, *(pooled_weight(layer).indices(latent_weight(layer)) for layer in layers)]

    zeroth, first, second, third = (indices_and_vectors(epoch) for epoch in range(4))
    assert all(not torch.equal(old, new) for old, new in zip(zeroth, first, strict=True))
    # Frozen before the weights of that epoch change, and the pool of the epoch before is the last one.
    assert torch.equal(first[0], second[0])
    assert all(torch.equal(old, new) for old, new in zip(second, third, strict=True))


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_training_with_frozen_assignments_continues_bit_by_bit(tmp_path: Path, ema: float) -> None:
    settings = LoopSettings(epochs=4, seed=5, batch_size=128, ema=ema, checkpoint_steps=3)

    def train(checkpoint: Checkpoint | None, stop: StopsIn | None = None) -> nn.Module:
        make_deterministic(seed=5, threads=1)
        network, method = build("ds-cnn", 1, 10), Pool(FROZEN)
        prepare(network, {"pool": method}, Training(settings.seed, settings.epochs))
        fit(network, digits.load(), settings, [method], checkpoint=checkpoint, observer=stop)
        return network

    checkpoint = Checkpoint(tmp_path / "run.checkpoint", {})
    for epoch in (1, 2, 3):
        with pytest.raises(Interrupted):
            train(checkpoint, StopsIn(epoch))
    resumed, whole = train(checkpoint), train(None)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_frozen_assignments_are_kept_with_the_network(tmp_path: Path) -> None:
    pooled, method = build("ds-cnn", 1, 10), Pool(FROZEN)
    method.prepare(pooled, Training(seed=0, epochs=1))
    method.before_epoch(0)
    expected = [pooled_weight(layer).indices(latent_weight(layer)) for layer in pooled_layers(pooled).values()]
    with torch.no_grad():
        for layer in pooled_layers(pooled).values():
            latent_weight(layer).normal_()
    Trained("ds-cnn", (8, 8, 1), 10, pooled, {"pool": FROZEN.model_dump(mode="json")}).save(tmp_path / "a.pt")
    loaded = pooled_layers(Trained.load(tmp_path / "a.pt").network).values()
    found = [pooled_weight(layer).indices(latent_weight(layer)) for layer in loaded]
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_indices_of_a_pool_that_was_made_without_cannot_be_frozen() -> None:
    layer = nn.Conv2d(8, 4, 1)
    attach([layer], WeightPool(2, 8))
    with pytest.raises(ValueError, match="cannot be frozen"):
        pooled_weight(layer).freeze(latent_weight(layer))
