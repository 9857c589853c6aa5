"""An `.onnx` model on its way to another file."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wpconvert.errors import UnsupportedError, UsageError
from wpconvert.files import Workspace
from wpconvert.formats.onnx import metadata
from wpconvert.formats.onnx.compressed import find_compressed, is_rewritten
from wpconvert.formats.onnx.decode import DECODERS, DOMAIN
from wpconvert.formats.onnx.encode import changed_of
from wpconvert.formats.onnx.equality import lossy_weights
from wpconvert.formats.onnx.file import OnnxModel, read, with_path
from wpconvert.formats.onnx.files import DataFile, Target, write
from wpconvert.formats.onnx.restore import restore
from wpconvert.formats.onnx.rewrite import HeldReplacement, rewrite
from wpconvert.formats.onnx.trials import measure, settle, trials_of
from wpconvert.formats.onnx.validity import invalidity
from wpconvert.formats.onnx.weights import find_weights, key_of
from wpconvert.formats.protocol import Files, Source, Written
from wpconvert.model.plan import Outcome, Progress
from wpconvert.model.reasons import rewritten_before
from wpconvert.model.rules import AUTO, Choice
from wpconvert.model.settings import Settings
from wpconvert.model.weight import Stored
from wpconvert.transforms.base import DenseModel

METHODS = (AUTO, "none", *DECODERS)
"""The methods for `.onnx` files."""


@dataclass(frozen=True)
class OnnxResult:
    """A model in the files of a folder. taken: the data files of the input, which the model may not overwrite."""

    staged: Target
    taken: Sequence[Path]

    @property
    def nbytes(self) -> int:
        """Of all files."""
        return sum(file.stat().st_size for file in self.staged.files)

    @property
    def attached_nbytes(self) -> int:
        """None."""
        return 0

    def content(self) -> bytes:
        """The model file."""
        return self.staged.model.read_bytes()

    def source(self) -> Source:
        """The model, read again."""
        from wpconvert.formats.onnx.source import OnnxSource  # noqa: PLC0415 - which makes drafts

        return OnnxSource(read(self.staged.model))

    def files(self, output: Path) -> Files:
        """The model, and its external data if it has any."""
        return Target.next_to(output.resolve(), self.taken).placed(self.staged)


class OnnxDraft:
    """A model of which weights are replaced by nodes that decode them."""

    anew = False
    plain_note = ""

    def __init__(self, source: OnnxModel, settings: Settings, workspace: Workspace) -> None:
        # Before more is in memory: the checker reads the file by itself.
        problem = invalidity(source.path)
        self._source, self._settings, self._folder = source, settings, workspace.folder
        taken = () if workspace.target is None else source.files.paths
        self._target = Target.next_to(workspace.target or source.path, taken).moved_to(self._folder)
        self.nbytes = self.plain_nbytes = source.total_nbytes
        with with_path(source.path):
            self._dense, stored, self.notes = _dense(source.copy(), self._folder)
        if problem is not None:
            self.notes.append(f"input: {problem}")
        self._found = [
            replace(f, weight=replace(f.weight, stored=stored.get(f.weight.key))) for f in find_weights(self._dense)
        ]
        self.weights = [found.weight for found in self._found]

    def check(self, choices: Sequence[Choice]) -> None:
        """UsageError for methods and rules that `.onnx` files do not have."""
        unknown = next((choice for choice in choices if choice.method not in METHODS), None)
        if unknown is not None:
            raise UsageError(f"method {unknown.method} is not for .onnx files, expected one of {', '.join(METHODS)}")
        given = [name for choice in choices for name in choice.options]
        if given:
            raise UsageError(f"{given[0]} in rules is only for .tflite models")

    def dense(self) -> DenseModel | None:
        """None: what a lossy method changes it changes as it encodes."""
        return None

    def take(self, dense: DenseModel) -> None:
        """Nothing: there is no other dense model."""

    def encode(self, choices: Sequence[Choice], progress: Progress) -> list[Outcome]:
        """Encode every weight, and choose its form."""
        trials = trials_of(self._dense, self._found, choices, self._settings.options)
        processes = self._settings.processes
        trials = measure(trials, self._folder, processes, lambda trial: progress(trial.found.weight))
        return settle(self._dense, trials, self._folder)

    def paying(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes: those that do not pay are chosen already."""
        return list(outcomes)

    def write(self, outcomes: Sequence[Outcome], below: int) -> Written:  # noqa: ARG002 - what formats are given
        """The model with these outcomes. A draft is written once."""
        return self._written(self._dense, [o.form for o in outcomes if isinstance(o.form, HeldReplacement)], True)

    def plain(self) -> Written:
        """The input: without rewritten tensors nothing is smaller."""
        return self.input()

    def input(self) -> Written:
        """The model as it is, with its external data in one file."""
        if self._source.files.paths:
            return self._written(self._source.copy(), [], False)
        shutil.copyfile(self._source.path, self._target.model)
        return Written(self._result, changed=False)

    @property
    def _result(self) -> OnnxResult:
        return OnnxResult(self._target, self._source.files.paths)

    def _written(self, model: OnnxModel, replacements: Sequence[HeldReplacement], changed: bool) -> Written:
        """Write a model, in place."""
        with DataFile(self._target.data) as data:
            rewrite(model, replacements, data)
        write(model.proto, self._target.model)
        return Written(self._result, changed=changed)


def _dense(given: OnnxModel, folder: Path) -> tuple[OnnxModel, dict[str, Stored], list[str]]:
    """The dense model, how the input stores its weights by key, and what there is to say of that."""
    if not is_rewritten(given):
        _check_untaken(given)
        return given, {}, []
    provenance = metadata.read(given.proto)
    lossy = lossy_weights(given)
    stored = {}
    for c in find_compressed(given):
        form = c.form(given)
        is_lossy = (c.number, c.name) in lossy
        stored[key_of(c.number, c.name)] = Stored(c.method, form, changed_of(c.method, form), is_lossy)
    dense = Target.next_to(folder / "restored" / "dense.onnx")
    dense.model.parent.mkdir()
    losses = restore(given, dense)
    return read(dense.model), stored, [rewritten_before(provenance.tool if provenance else None), *losses]


def _check_untaken(dense: OnnxModel) -> None:
    """UnsupportedError where a dense model has what `rewrite` adds: `restore` would take it away."""
    entries = [*dense.proto.opset_import, *dense.proto.functions]
    if any(entry.domain == DOMAIN for entry in entries) or any(
        e.key == metadata.NAME for e in dense.proto.metadata_props
    ):
        raise UnsupportedError(
            f"it has no compressed weights, but operators or metadata of the name {DOMAIN!r}; remove these first"
        )
