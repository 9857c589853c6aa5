"""Train, prune and quantise the digits DS-CNN; write the two models, their cards and the test split.

The files are small enough to ship: see models/zoo.
"""

from __future__ import annotations

import copy
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ..data.module import DataModule, whole
from ..data.sets import digits
from ..exporters.litert import ModelFacts, correct, describe, quantise
from ..exporters.tflite import to_int8_tflite
from ..loop.devices import make_deterministic
from ..loop.settings import LoopSettings, Optimiser
from ..loop.trainer import fit, prepare
from ..methods.magnitude import Magnitude, MagnitudeSettings, Scope
from ..methods.method import Training
from ..networks.ds_cnn import DsCnn
from ..report.card import Card, Score, render
from . import zoo

SPARSE_FILE = "digits_ds_cnn.tflite"
DENSE_FILE = "digits_ds_cnn_dense.tflite"
TEST_FILE = "digits_test.npz"

NETWORK = (
    "A depthwise-separable CNN: 3 x 3 stem with 32 channels; block 1 (64 channels) on the full 8 x 8 map; "
    "2 x 2 average pool; blocks 2 to 4 (96 channels) on 4 x 4; 4 x 4 average pool; linear classifier. A "
    "block is a 3 x 3 depthwise and a 1 x 1 pointwise convolution, each with batch normalisation (folded) "
    "and ReLU (fused). There is no softmax: the output is ten logits, the class is the index of the largest."
)
ARCHITECTURE = (
    f"{NETWORK} The converter turns the stem, whose input has one channel, into a DEPTHWISE_CONV_2D with depth "
    "multiplier 32."
)
QUANTISATION = (
    "Quantised after training with PT2E and converted by litert-torch: weights int8, symmetric, per output "
    "channel; activations int8, ranges from the training split; input and output int8. Tensors are then "
    "renamed after the network's layers."
)
LIMITS = (
    "A demonstration and test model for compressing weights; not meant to read real documents.",
    "The data names no writers, so its 13 writers are spread over the splits: expect less on an unknown "
    "writer's digits.",
    "With 360 test images one image is 0.28 points; differences of one or two points mean little.",
    "Expects 8 x 8 block counts 0 to 16 divided by 16, prepared as the data set was; images from elsewhere "
    "need the same preparation.",
)
_CHOICE = (
    "The recipe's default scope and learning rate were chosen among four combinations by validation loss; "
    "their test accuracies (98.06 to 99.17 %, float, 40 epochs) were seen too, so the stated one may be "
    "slightly optimistic."
)

# Not __name__, which is "__main__" when the recipe is run as a command.
_log = logging.getLogger("wptrain.recipes.digits")


@dataclass(frozen=True)
class Settings:
    """What decides the result; each field is an option of the command."""

    seed: int = 0
    epochs: int = 60
    prune_epochs: int = 60
    learning_rate: float = 3e-3
    sparsity: float = 0.8
    scope: Scope = Scope.LAYER
    threads: int = 1

    @property
    def ramp_epochs(self) -> int:
        """Sparsity rises in the first half of the pruning run; the second half trains with fixed masks."""
        return self.prune_epochs // 2

    def loop(self, epochs: int) -> LoopSettings:
        """Of a run of so many epochs."""
        return LoopSettings(
            epochs=epochs,
            seed=self.seed,
            batch_size=32,
            optimiser=Optimiser(learning_rate=self.learning_rate, weight_decay=0.01),
            threads=self.threads,
        )


def train_dense(dataset: DataModule, settings: Settings) -> nn.Module:
    """The dense network, the same for the same settings."""
    make_deterministic(settings.seed, settings.threads)
    network = DsCnn()
    _log.info("dense: %s", fit(network, dataset, settings.loop(settings.epochs)))
    return network


def train(dataset: DataModule, settings: Settings) -> tuple[nn.Module, nn.Module]:
    """The dense network, and the sparse one that continues from it."""
    method = Magnitude(MagnitudeSettings(sparsity=settings.sparsity, scope=settings.scope))
    # What cannot be pruned so far is found before the training.
    prepare(DsCnn(), {"magnitude": method}, Training(settings.seed, settings.prune_epochs))
    dense = train_dense(dataset, settings)
    sparse = copy.deepcopy(dense)
    prepare(sparse, {"magnitude": method}, Training(settings.seed, settings.prune_epochs))
    _log.info("sparse: %s", fit(sparse, dataset, settings.loop(settings.prune_epochs), [method]))
    return dense, sparse


def build(settings: Settings) -> dict[str, bytes]:
    """Every file that the recipe writes, by name."""
    dataset = digits.load()
    dense, sparse = train(dataset, settings)
    calibration = whole(dataset, "train").samples
    content = {
        DENSE_FILE: to_int8_tflite(dense, calibration),
        SPARSE_FILE: to_int8_tflite(sparse, calibration),
    }
    facts = {name: describe(data) for name, data in content.items()}
    source = facts[SPARSE_FILE].input
    if facts[DENSE_FILE].input != source:
        raise RuntimeError(f"inputs differ, {TEST_FILE} cannot serve both: {facts[DENSE_FILE].input}, {source}")
    samples, labels = whole(dataset, "test")
    images = quantise(samples, source)
    scores = {
        "float, dense": zoo.float_score(dense, dataset),
        "int8, dense": Score(correct(content[DENSE_FILE], images, labels), len(labels)),
        "float, sparse": zoo.float_score(sparse, dataset),
        "int8, sparse": Score(correct(content[SPARSE_FILE], images, labels), len(labels)),
    }
    for label, score in scores.items():
        _log.info("test accuracy %s: %s", label, score)
    arrays: dict[str, Any] = {source.name: images, "labels": labels.astype(np.uint8)}
    archive = io.BytesIO()
    np.savez_compressed(archive, **arrays)
    cards = _cards(settings, dataset, content, facts, scores)
    texts = {f"{Path(card.file_name).stem}.md": render(card).encode() for card in cards}
    return content | texts | {TEST_FILE: archive.getvalue()}


def describe_dense(settings: Settings) -> str:
    """How the dense network came about, for a card."""
    return (
        f"Trained dense for {settings.epochs} epochs: AdamW, cosine schedule from {settings.learning_rate}, "
        "images shifted by up to one pixel. In each run the epoch with the best validation accuracy is "
        "taken."
    )


def describe_pruned(settings: Settings) -> str:
    """How the sparse network came about, for a card."""
    return (
        f"Pruned from there by magnitude ({settings.scope} scope) in {settings.prune_epochs} epochs: "
        f"sparsity rises for {settings.ramp_epochs} epochs to {100 * settings.sparsity:.0f} % of all weights, then "
        "the masks stay fixed. Pointwise convolutions and classifier are pruned, stem and depthwise "
        "convolutions stay dense."
    )


def _cards(
    settings: Settings,
    dataset: DataModule,
    content: dict[str, bytes],
    facts: dict[str, ModelFacts],
    scores: dict[str, Score],
) -> list[Card]:
    dense = describe_dense(settings)
    card = partial(
        Card,
        test_file=TEST_FILE,
        command=zoo.command("digits", settings),
        seed=settings.seed,
        dataset=dataset,
        architecture=ARCHITECTURE,
        scores=scores,
        limits=(*LIMITS, _CHOICE),
    )
    return [
        card(
            file_name=DENSE_FILE,
            summary=f"An int8 classifier of handwritten digits with dense weights; `{SPARSE_FILE}` unpruned.",
            content=content[DENSE_FILE],
            facts=facts[DENSE_FILE],
            method=(dense, QUANTISATION),
            own_score="int8, dense",
        ),
        card(
            file_name=SPARSE_FILE,
            summary="An int8 classifier of handwritten digits, pruned: most weights are zero.",
            content=content[SPARSE_FILE],
            facts=facts[SPARSE_FILE],
            method=(dense, describe_pruned(settings), QUANTISATION),
            own_score="int8, sparse",
        ),
    ]


def parse(
    arguments: Sequence[str] | None, recipe: str = "digits", description: str | None = __doc__
) -> tuple[Path, Settings]:
    """The folder and the settings that the command line of a recipe for this network gives."""
    defaults = Settings()
    parser = zoo.parser(recipe, description)
    add = parser.add_argument
    add("--seed", type=int, default=defaults.seed, help="seed of weights, shuffling and shifts")
    add("--epochs", type=int, default=defaults.epochs, help="epochs of dense training")
    add("--prune-epochs", type=int, default=defaults.prune_epochs, help="epochs of the pruning run")
    add("--learning-rate", type=float, default=defaults.learning_rate, help="at the start of each run")
    add("--sparsity", type=float, default=defaults.sparsity, help="fraction of all weights to set to zero")
    add(
        "--scope",
        type=Scope,
        choices=list(Scope),
        default=defaults.scope,
        help="magnitudes compete within each layer or across all layers",
    )
    add("--threads", type=int, default=defaults.threads, help="CPU threads; another number, other last bits")
    out, options = zoo.parse(parser, arguments, ("epochs", "prune_epochs", "threads"))
    return out, Settings(**options)


def main(arguments: Sequence[str] | None = None) -> None:
    out, settings = parse(arguments)
    zoo.show_progress()
    zoo.write(out, build(settings))


if __name__ == "__main__":
    main()
