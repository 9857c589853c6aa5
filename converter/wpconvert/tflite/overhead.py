"""What rewriting a weight adds to the file beside its blob, measured by writing files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from wpconvert.codecs import encode
from wpconvert.errors import ModelError
from wpconvert.model.layer import PLAIN
from wpconvert.model.plan import Outcome
from wpconvert.model.rules import Choice
from wpconvert.tflite.file import serialise
from wpconvert.tflite.model import TfliteModel
from wpconvert.tflite.rewrite import rewrite

_METHOD = "dense"


def with_overheads(choices: Sequence[Choice], restored: Callable[[], TfliteModel], strip: bool) -> list[Choice]:
    """The choices, each with the overhead that its weight has beside other rewritten ones.

    `restored` gives a new dense model. A difference in the bytes of files counts all: vectors that are stored once for
    many tensors, and what is deflated for `restore`.
    """
    groups: defaultdict[int, list[Outcome]] = defaultdict(list)
    for choice in choices:
        if (outcome := _outcome(choice)) is not None:
            groups[choice.weight.storage].append(outcome)

    def file_nbytes(*members: list[Outcome]) -> int:
        model = restored()
        rewrite(model, [outcome for group in members for outcome in group], strip)
        return len(serialise(model))

    # What the first rewritten tensor adds, an operator code for one, is no tensor's own.
    others = list(groups.values())[:2]
    alone = {id(group): file_nbytes(group) for group in others}
    overheads = {}
    for group in groups.values():
        other = next((o for o in others if o is not group), [])
        added = file_nbytes(other, group) - (alone[id(other)] if other else file_nbytes())
        blobs = {outcome.blob.tobytes() for outcome in group if outcome.blob is not None}
        beside = added - sum(map(len, blobs)) + group[0].weight.nbytes
        overheads.update({outcome.weight.key: beside // len(group) for outcome in group})
    return [
        replace(c, weight=replace(c.weight, overhead=overheads.get(c.weight.key, c.weight.overhead))) for c in choices
    ]


def _outcome(choice: Choice) -> Outcome | None:
    """A weight that may be rewritten, rewritten."""
    weight = choice.weight
    if choice.method == PLAIN or weight.values is None or weight.sparsity is None or weight.sparsity < choice.threshold:
        return None
    try:
        return Outcome(weight, _METHOD, encode(_METHOD, weight.values, weight.row_dims))
    except ModelError:
        return None
