"""The model card: everything somebody needs to judge, reproduce and re-measure a file of the zoo."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from ..data.module import SPLITS, DataModule
from ..exporters.litert import Endpoint, ModelFacts

_PACKAGES = (
    "torch",
    "torchao",
    "litert-torch",
    "litert-converter",
    "ai-edge-litert",
    "numpy",
    "scikit-learn",
)
_MEASURED = (
    "int8 is measured on the `.tflite` file with LiteRT's reference kernels (BUILTIN_REF), float with PyTorch before "
    "quantisation."
)


@dataclass(frozen=True)
class Score:
    """Correctly classified images of a split."""

    correct: int
    images: int

    def __str__(self) -> str:
        return f"{100 * self.correct / self.images:.2f} % ({self.correct} of {self.images})"


@dataclass(frozen=True)
class Card:
    """What a card states about one file.

    `scores` maps a label ("float, dense") to its score on the test split; `own_score` is the label of this
    very file, `more` are further facts by label. `method` says in sentences how the weights came about;
    `limits` what the file must not be trusted with. `measured` says with what scores are measured, `test_data` how
    the images lie in the test file, `packages` whose versions matter.
    """

    file_name: str
    summary: str
    content: bytes
    facts: ModelFacts
    test_file: str
    command: str
    seed: int
    dataset: DataModule
    architecture: str
    method: Sequence[str]
    scores: Mapping[str, Score]
    own_score: str
    limits: Sequence[str]
    more: Mapping[str, str] = field(default_factory=dict)
    measured: str = _MEASURED
    test_data: str = "quantised with the input's scale and zero point"
    packages: Sequence[str] = _PACKAGES


def render(card: Card) -> str:
    """The card as Markdown. The same card gives the same text: no date, no machine name, no path."""
    facts = card.facts
    source = card.dataset.provenance
    train, validation, test = (len(card.dataset.labels(split)) for split in SPLITS)
    table = {
        "File": f"`{card.file_name}`",
        "Bytes": str(len(card.content)),
        "SHA-256": f"`{hashlib.sha256(card.content).hexdigest()}`",
        "Test accuracy": str(card.scores[card.own_score]),
        "Test data": f"`{card.test_file}`",
        "Parameters": f"{facts.weights + facts.biases} ({facts.weights} weights, {facts.biases} biases)",
        "Zero weights": _share(facts.zeros, facts.weights),
    }
    table |= card.more
    table |= {
        "Operators": ", ".join(f"{name} x {count}" for name, count in facts.operators.items()),
        "Input": _endpoint(facts.input),
        "Output": _endpoint(facts.output),
    }
    versions = {"python": platform.python_version()} | {name: version(name) for name in card.packages}
    return "\n".join(
        [
            f"# {card.file_name}",
            "",
            card.summary,
            "",
            "## Facts",
            "",
            "| | |",
            "|---|---|",
            *(f"| {label} | {value} |" for label, value in table.items()),
            "",
            "## Accuracy",
            "",
            f"Top-1 on the test split. {card.measured}",
            "",
            "| | |",
            "|---|---|",
            *(
                f"| {label}{' (this file)' if label == card.own_score else ''} | {score} |"
                for label, score in card.scores.items()
            ),
            "",
            "## Layers",
            "",
            "| Weight tensor | Operator | Shape in the file | Weights | Zero |",
            "|---|---|---|---|---|",
            *(
                f"| {layer.name} | {layer.operator} | {' x '.join(map(str, layer.shape))} | {layer.weights} "
                f"| {_share(layer.zeros, layer.weights)} |"
                for layer in facts.layers
            ),
            "",
            card.architecture,
            "",
            "## How it was made",
            "",
            *(f"- {sentence}" for sentence in card.method),
            f"- Seed {card.seed}. Command, in the root of the repository:",
            "",
            f"      {card.command}",
            "",
            f"- Versions: {', '.join(f'{name} {number}' for name, number in versions.items())}; "
            "all others as in `models/constraints-train.txt`.",
            "",
            "## Data",
            "",
            f"- {source.name}: {source.origin}.",
            f"- Licence: {source.licence}.",
            f"- Split: {train} training, {validation} validation, {test} test images; {source.split_rule}.",
            f"- `{card.test_file}` holds the test split: `{facts.input.name}`, {card.test_data}, and `labels`.",
            "",
            "## Use and limits",
            "",
            *(f"- {sentence}" for sentence in card.limits),
            "",
        ]
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} % ({part} of {whole})"


def _endpoint(endpoint: Endpoint) -> str:
    shape = " x ".join(map(str, endpoint.shape))
    # repr of the double that equals the stored float32: reading it back gives the same float32.
    quantisation = f"scale {endpoint.scale!r}, zero point {endpoint.zero_point}"
    return f"`{endpoint.name}`, {endpoint.dtype} {shape}, {quantisation}"
