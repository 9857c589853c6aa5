"""Train and pool the digits DS-CNN: the model with a weight pool and its card.

The dense network is the one of the recipe `digits`, which also writes the test split.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.module import whole
from ..data.sets import digits as data
from ..exporters.int8 import to_exact_tflite
from ..exporters.litert import correct, describe, quantise
from ..loop.trainer import fit, prepare
from ..methods.method import Training
from ..methods.pool.facts import describe_pool
from ..methods.pool.method import Pool, PoolSettings
from ..methods.pool.weights import pooled_layers
from ..report.card import Card, Score, render
from . import digits, zoo

POOL_FILE = "digits_pool.tflite"
# Share of the loss that asks for the dense network's outputs.
DISTIL = 0.7

_POOLED = (
    "Quantised after training with PT2E and converted by litert-torch: activations int8, ranges from the training "
    "split; input and output int8; weights that are not pooled int8, symmetric, per output channel. Pooled weights "
    "are the int8 pool vectors themselves; what is left of a channel, its scale, is the scale of the weight tensor. "
    "Tensors are then renamed after the network's layers."
)
_POOL_LIMIT = (
    "The weights are stored one by one, as in any int8 model, so that every TFLite runtime takes the file; "
    "the pool makes a file smaller when wpconvert stores them as indices."
)

# Not __name__, which is "__main__" when the recipe is run as a command.
_log = logging.getLogger("wptrain.recipes.digits_pool")


@dataclass(frozen=True)
class Settings:
    """What decides the result; each field is an option of the command."""

    seed: int = 0
    epochs: int = 60
    pool_epochs: int = 60
    learning_rate: float = 3e-3
    pool_size: int = 32
    threads: int = 1

    @property
    def dense(self) -> digits.Settings:
        """The settings of the dense network that is pooled."""
        return digits.Settings(
            seed=self.seed, epochs=self.epochs, learning_rate=self.learning_rate, threads=self.threads
        )


def build(settings: Settings) -> dict[str, bytes]:
    """Every file that the recipe writes, by name."""
    dataset = data.load()
    dense = digits.train_dense(dataset, settings.dense)
    pooled = copy.deepcopy(dense)
    method = Pool(PoolSettings(size=settings.pool_size))
    prepare(pooled, {"pool": method}, Training(settings.seed, settings.pool_epochs))
    # Retraining goes on as the dense training did.
    loop = settings.dense.loop(settings.pool_epochs).model_copy(update={"distil": DISTIL})
    _log.info("pooled: %s", fit(pooled, dataset, loop, [method], teacher=dense))
    scores = {
        "float, dense": zoo.float_score(dense, dataset),
        "float, pooled": zoo.float_score(pooled, dataset),
    }
    layers = [name.replace(".", "/") for name in pooled_layers(pooled)]
    content = to_exact_tflite(pooled, [method], whole(dataset, "train").samples)
    facts = describe(content)
    samples, labels = whole(dataset, "test")
    scores["int8, pooled"] = Score(correct(content, quantise(samples, facts.input), labels), len(labels))
    for label, score in scores.items():
        _log.info("test accuracy %s: %s", label, score)
    card = Card(
        file_name=POOL_FILE,
        summary="An int8 classifier of handwritten digits with a weight pool: eight weights at a time are one of "
        f"{settings.pool_size} vectors.",
        content=content,
        facts=facts,
        test_file=digits.TEST_FILE,
        command=zoo.command("digits_pool", settings),
        seed=settings.seed,
        dataset=dataset,
        architecture=digits.ARCHITECTURE,
        method=(
            digits.describe_dense(settings.dense),
            f"Pooled from there: k-means over the weights of the pointwise convolutions gives {settings.pool_size} "
            f"vectors of 8 along the input channels; {settings.pool_epochs} epochs of training choose for each "
            "vector of weights the pool vector of highest cosine anew in every step, times a scale of its output "
            f"channel. The vectors are trained with the weights; {100 * DISTIL:.0f} % of the loss asks "
            "for the outputs of the dense network instead of the labels. Stem, depthwise convolutions and classifier "
            "are not pooled.",
            _POOLED,
        ),
        scores=scores,
        own_score="int8, pooled",
        limits=(*digits.LIMITS, _POOL_LIMIT),
        more={"Weight pool": describe_pool(content, layers)},
    )
    return {POOL_FILE: content, f"{Path(POOL_FILE).stem}.md": render(card).encode()}


def parse(arguments: Sequence[str] | None) -> tuple[Path, Settings]:
    defaults = Settings()
    parser = zoo.parser("digits_pool", __doc__)
    add = parser.add_argument
    add("--seed", type=int, default=defaults.seed, help="seed of weights, shuffling, shifts and clustering")
    add("--epochs", type=int, default=defaults.epochs, help="epochs of dense training")
    add("--pool-epochs", type=int, default=defaults.pool_epochs, help="epochs of training with the pool")
    add("--learning-rate", type=float, default=defaults.learning_rate, help="at the start of each run")
    add("--pool-size", type=int, default=defaults.pool_size, help="vectors in the pool")
    add("--threads", type=int, default=defaults.threads, help="CPU threads; another number, other last bits")
    out, options = zoo.parse(parser, arguments, ("epochs", "pool_epochs", "pool_size", "threads"))
    return out, Settings(**options)


def main(arguments: Sequence[str] | None = None) -> None:
    out, settings = parse(arguments)
    zoo.show_progress()
    zoo.write(out, build(settings))


if __name__ == "__main__":
    main()
