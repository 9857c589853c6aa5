"""A `.tflite` model on its way to another file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from wpconvert.codecs import CODECS, unpack_side
from wpconvert.formats.protocol import Files, Result, Source, Written
from wpconvert.formats.tflite import metadata
from wpconvert.formats.tflite.attached import Attached, with_attached, without_attached
from wpconvert.formats.tflite.dense import TfliteDense
from wpconvert.formats.tflite.file import parse, serialise, serialised_nbytes
from wpconvert.formats.tflite.graph_reader import read_graph, read_operator
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.overhead import Overheads
from wpconvert.formats.tflite.restore import is_rewritten, restore
from wpconvert.formats.tflite.rewrite import rewrite
from wpconvert.formats.tflite.weights import Site, find_sites, find_weights, key_of
from wpconvert.graph.custom.compressed import blob_of, codec_name, side_of
from wpconvert.graph.custom.operators import BUILTIN_NAMES
from wpconvert.graph.custom.rewritable import WEIGHT_INPUT
from wpconvert.graph.structure import Place
from wpconvert.memory import ArenaPrediction, predict, predict_tflm
from wpconvert.memory.lifetimes import activations
from wpconvert.memory.offline import MemoryPlan, memory_plan
from wpconvert.model.encoded import Encoded
from wpconvert.model.goal import DEFAULT_GOAL, TFLM, Goal
from wpconvert.model.layer import Layer
from wpconvert.model.plan import Outcome, Progress, encode_all
from wpconvert.model.provenance import Provenance
from wpconvert.model.reasons import rewritten_before
from wpconvert.model.rules import Choice
from wpconvert.model.settings import Settings
from wpconvert.model.weight import Fixed, Stored, Weight
from wpconvert.plan.layers import layers_at
from wpconvert.transforms.base import DenseModel
from wpconvert.transforms.registry import changed_by


@dataclass(frozen=True)
class TfliteResult:
    """The bytes of a model, and of the file with what is attached behind it."""

    path: Path
    data: bytes
    file: bytes

    @property
    def nbytes(self) -> int:
        """Of the file."""
        return len(self.file)

    @property
    def attached_nbytes(self) -> int:
        """Of these, those behind the model."""
        return len(self.file) - len(self.data)

    def content(self) -> bytes:
        """The file."""
        return self.file

    def source(self) -> Source:
        """The model, parsed again."""
        from wpconvert.formats.tflite.source import TfliteSource  # noqa: PLC0415 - which makes drafts

        return TfliteSource(self.path, self.file, parse(self.file, as_is=True))

    def files(self, output: Path) -> Files:
        """One."""
        return {output: self.file}


class TfliteDraft:
    """A model of which weights are replaced by blobs, from the bytes of its file.

    The model that is given stays as it is.
    """

    def __init__(self, path: Path, data: bytes, model: TfliteModel, settings: Settings) -> None:
        self._path, self._settings, self._attached = path, settings, model.attached
        self.anew = settings.strip
        self._goal = settings.planned
        self._data = without_attached(data, self._attached)
        self.notes = [f"irregular: {note}" for note in model.notes]
        stored: dict[str, Stored] = {}
        if is_rewritten(model):
            provenance = metadata.read(model)
            self.notes.append(rewritten_before(provenance.tool if provenance else None))
            before, model = model, model.copy()
            self.notes += restore(model, same_outputs=True)
            # Restoring has proved every blob sound.
            stored = _stored(before, provenance)
            model = parse(serialise(model))
        if self._attached is not None:
            self.notes.append(_note_of_attached(self._attached, settings.strip))
        # Transforms change a copy: without rewritten tensors, the weights are what they were.
        self._dense = self._before = model
        self.nbytes, self.plain_nbytes = len(self._data), serialised_nbytes(self._plain())
        self._sites = find_sites(model)
        found = {} if self._goal is None else _layers_for(model, self._goal)
        self.layers = list(found.values())
        weights = [
            replace(w, stored=stored.get(w.key), layers=_layers(self._sites[w.key], w, found))
            for w in find_weights(model)
        ]
        self._overheads = Overheads(weights, model.copy(), settings.strip)
        self.weights = [self._overheads.with_overhead(weight) for weight in weights]

    @property
    def plain_note(self) -> str:
        """Why a file with no tensor rewritten is smaller than the input."""
        dropped = "names and ranges were dropped and " if self._settings.strip else ""
        return f"the file is smaller because {dropped}equal vectors are stored once"

    def check(self, choices: Sequence[Choice]) -> None:
        """Nothing: all methods and rules are for `.tflite` models."""

    def dense(self) -> TfliteDense:
        """The dense model."""
        return TfliteDense(self._dense)

    def take(self, dense: DenseModel) -> None:
        """Go on with a changed form of the dense model."""
        if isinstance(dense, TfliteDense):
            self._dense = dense.model

    def encode(self, choices: Sequence[Choice], progress: Progress) -> list[Outcome]:
        """Encode every weight as chosen."""
        return encode_all(choices, progress)

    def paying(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes, without those that the file is no smaller with."""
        return self._overheads.paying(outcomes)

    def write(self, outcomes: Sequence[Outcome], below: int) -> Written:
        """The file with these outcomes; with a memory plan, unless it would be too large only for that."""
        data, plan = self._rewritten(outcomes, self._settings.memory_plan)
        if plan is not None and len(data) >= below and not any(o.weight.stored for o in outcomes):
            # No reason not to rewrite: the file can do without the plan.
            data, plan = self._rewritten(outcomes, False)
        notes = []
        if plan is not None:
            notes.append(
                f"arena: with the added memory plan, activations and scratch take {plan.tflm_nbytes:,} bytes "
                f"in TFLM, {plan.tflm_before:,} without; {plan.bundled_nbytes:,} in the bundled runtime, "
                f"{plan.bundled_before:,} without"
            )
        if self._settings.strip:
            notes.append(
                "stripped: `restore` cannot restore names, ranges and the original scales of rewritten tensors"
            )
        return Written(self._result(data), tuple(notes))

    def plain(self) -> Written:
        """The file with no tensor rewritten: aligned, with equal vectors only once, stripped where asked."""
        return Written(self._result(serialise(self._plain())))

    def input(self) -> Written:
        """The input; of a stripped one what is attached goes."""
        return Written(self._result(self._data), changed=False)

    def arena(self, result: Result | None) -> int:
        """Bytes of the arena of a result, or of the dense model."""
        if not isinstance(result, TfliteResult):
            return self._predicted(self._before).nbytes
        return self._predicted(parse(result.data, as_is=True)).nbytes

    def needs(self, outcomes: Sequence[Outcome], items: Sequence[Sequence[Weight]]) -> list[int]:
        """Bytes that each item needs while its operators run: the activations beside it, and scratch."""
        model = self._dense.copy()
        rewrite(model, outcomes, strip=True)
        scratch = self._predicted(model).scratch
        beside = self._beside
        needs = []
        for weights in items:
            sites = [self._sites[weight.key] for weight in weights]
            # The arena is that of subgraph 0.
            uses = {use.operator for site in sites if site.subgraph == 0 for use in site.uses}
            needs.append(max((beside[at] + scratch.get(at, 0) for at in uses), default=0))
        return needs

    @cached_property
    def _beside(self) -> Mapping[int, int]:
        """Bytes of activations that are alive while each operator runs."""
        live = activations(read_graph(self._dense.copy())).shared()[1]
        count = len(self._dense.root.subgraphs[0].operators or [])
        return {at: sum(buffer.nbytes for buffer in live if buffer.first <= at <= buffer.last) for at in range(count)}

    def _predicted(self, model: TfliteModel) -> ArenaPrediction:
        goal = self._goal or DEFAULT_GOAL
        one = predict_tflm if goal.runtime == TFLM else predict
        data = model.content()
        # Blobs of a large model stand in memory once, in the file.
        held = any(isinstance(buffer.data, Encoded) for buffer in model.root.buffers)
        return one(read_graph(parse(data) if held else model), data, goal.core)

    def _plain(self) -> TfliteModel:
        """The model with no tensor rewritten, stripped where asked."""
        model = self._before.copy()
        rewrite(model, [], self._settings.strip)
        return model

    def _rewritten(self, outcomes: Sequence[Outcome], planned: bool) -> tuple[bytes, MemoryPlan | None]:
        """The bytes, and the memory plan in them."""
        model, core = self._dense.copy(), self._settings.core

        def arena(new: TfliteModel) -> MemoryPlan | None:
            if not planned:
                return None
            if not any(isinstance(buffer.data, Encoded) for buffer in new.root.buffers):
                return memory_plan(read_graph(new), lambda: serialise(new), core)
            # A large model: blobs are encoded once, and stand in memory once, in the file.
            data = serialise(new)
            return memory_plan(read_graph(parse(data)), lambda: data, core)

        plan = rewrite(model, outcomes, self._settings.strip, arena)
        return serialise(model), plan

    def _result(self, data: bytes) -> TfliteResult:
        return TfliteResult(self._path, data, data if self._settings.strip else with_attached(data, self._attached))


def _layers_for(model: TfliteModel, goal: Goal) -> dict[Place, Layer]:
    """All operators, as the runtime of the goal runs them: TFLM does not lend memory that others need."""
    layers = layers_at(read_graph(model))
    return {at: replace(layer, spare=0) for at, layer in layers.items()} if goal.runtime == TFLM else layers


def _layers(site: Site, weight: Weight, layers: Mapping[Place, Layer]) -> tuple[Layer, ...]:
    """The operators that multiply with a weight that can be rewritten."""
    if not layers or isinstance(weight, Fixed):
        return ()
    return tuple(layers[site.subgraph, use.operator] for use in site.uses)


def _stored(model: TfliteModel, provenance: Provenance | None) -> dict[str, Stored]:
    """The blobs of a model that was rewritten before, by the key of their weight."""
    found = {}
    lossy = set() if provenance is None else provenance.lossy_places
    every = provenance is not None and provenance.lossy and provenance.stripped
    for s, graph in enumerate(model.root.subgraphs):
        for index, operator in enumerate(graph.operators):
            if model.operator_name(operator) in BUILTIN_NAMES:
                tensor = int(operator.inputs[WEIGHT_INPUT])
                custom = read_operator(model, s, index)
                codec, raw = CODECS[codec_name(custom)], side_of(custom)
                changed = None if raw is None else changed_by(codec.name, unpack_side(codec, raw))
                kept_lossy = every or (s, tensor) in lossy
                found[key_of(s, tensor)] = Stored(codec.name, Encoded(blob_of(custom)), changed, kept_lossy)
    return found


def _note_of_attached(attached: Attached, strip: bool) -> str:
    if strip:
        return f"stripped: dropped the data after the model ({attached.label})"
    fixed = "" if attached.files is not None else ", byte for byte; offsets in it, if any, were not adjusted"
    return f"kept the data after the model: {attached.label}{fixed}"
