"""The main job on a `.tflite` file: find, choose, encode, rewrite, and never give back more bytes than came in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from wpconvert.codecs import pool_table
from wpconvert.codecs.codes import bits_for
from wpconvert.formats.tflite import metadata
from wpconvert.formats.tflite.attached import Attached, behind, without
from wpconvert.formats.tflite.file import parse, serialise, serialised_nbytes
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.layers import layers_at
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.overhead import Overheads
from wpconvert.formats.tflite.parts import Place
from wpconvert.formats.tflite.planned import Input, Written, arena_of, write_planned
from wpconvert.formats.tflite.pooling import pool_choices
from wpconvert.formats.tflite.restore import is_rewritten, restore
from wpconvert.formats.tflite.rewrite import rewrite
from wpconvert.formats.tflite.weights import WEIGHT_INPUT, Site, find_sites, find_weights, key_of
from wpconvert.graph.custom.compressed import blob_of, codec_name, pool_of
from wpconvert.graph.custom.operators import BUILTIN_NAMES
from wpconvert.memory.offline import MemoryPlan, memory_plan
from wpconvert.model.encoded import Encoded
from wpconvert.model.layer import Layer
from wpconvert.model.plan import Outcome, Progress, dump_plan, encode_all, kept
from wpconvert.model.pooling import POOL, PoolSettings
from wpconvert.model.provenance import Provenance
from wpconvert.model.reasons import LEFT, file_would_not_shrink, nothing_rewritten, rewritten_before
from wpconvert.model.rules import AUTO, Rules, choose
from wpconvert.model.runtimes import TFLM
from wpconvert.model.weight import Fixed, Stored, Weight
from wpconvert.plan.costs import CostModel
from wpconvert.plan.explain import explain, forecast
from wpconvert.plan.goal import DEFAULT_GOAL, Goal
from wpconvert.plan.options import cost_of, kept_plain
from wpconvert.plan.planner import Planner
from wpconvert.report.result import Conversion, TensorResult


@dataclass(frozen=True)
class Settings:
    """What to do: the method and least sparsity (0 to 1) where no rule says otherwise, and whether to strip.

    goal: what the planner is to reach, DEFAULT_GOAL where a method is AUTO; without either nothing is predicted.
    pool: how weights with method `pool` are pooled. memory_plan: whether a plan of the arena is added where it pays.
    core: the only one that the file is for, whatever the planner counts by.
    """

    method: str
    rules: Rules
    threshold: float = 0.0
    strip: bool = False
    goal: Goal | None = None
    pool: PoolSettings = field(default_factory=PoolSettings)
    memory_plan: bool = True
    core: str | None = None

    @property
    def planned(self) -> Goal | None:
        """The goal that holds."""
        automatic = AUTO in (self.method, *(rule.method for rule in self.rules.rules))
        return self.goal or (DEFAULT_GOAL if automatic else None)


@dataclass(frozen=True)
class Converted:
    """The new file's bytes, what was done, and the resolved plan as a rules file."""

    data: bytes
    report: Conversion
    plan: str


@dataclass(frozen=True)
class _Source:
    """The input, and its dense model. plain_nbytes: of the file with no tensor rewritten, stripped where asked.

    All without what is attached behind the model.
    """

    data: bytes
    dense: TfliteModel
    plain_nbytes: int
    stored: dict[str, Stored]
    notes: list[str]
    attached: Attached | None

    @classmethod
    def read(cls, data: bytes, model: TfliteModel, strip: bool) -> _Source:
        attached = model.attached
        data = without(data, attached)
        notes, stored = [f"odd: {note}" for note in model.notes], {}
        provenance = metadata.read(model)
        if is_rewritten(model):
            notes.append(rewritten_before(provenance.tool if provenance else None))
            before, model = model, model.copy()
            notes += restore(model, same_outputs=True)
            # Restoring has proved every blob sound.
            stored = _stored(before, provenance)
            model = parse(serialise(model))
        return cls(data, model, serialised_nbytes(_plain(model, strip)), stored, notes, attached)


def convert(
    source: str,
    data: bytes,
    settings: Settings,
    started: Callable[[Sequence[Weight]], None] = lambda _: None,
    progress: Progress | None = None,
    costs: CostModel | None = None,
    model: TfliteModel | None = None,
) -> Converted:
    """Rewrite the bytes of a `.tflite` file. `source` names it in the report.

    `started` gets the weights before encoding starts, `progress` each weight when it is done. costs: what is planned
    with, the goal's core's unless given. model: what `parse` makes of the bytes, where it is there already; it stays as
    it is. Raises ModelError, UnsupportedError, UsageError for a rule that matches nothing, and BudgetError when no plan
    keeps to the goal.
    """
    goal = settings.planned
    start = _Source.read(data, parse(data) if model is None else model, settings.strip)
    model = start.dense
    sites = find_sites(model)
    layers = {} if goal is None else _layers_for(model, goal)
    weights = [
        replace(w, stored=start.stored.get(w.key), layers=_layers(sites[w.key], w, layers)) for w in find_weights(model)
    ]
    overheads = Overheads(weights, model.copy(), settings.strip)
    weights = [overheads.given(weight) for weight in weights]
    choices = choose(weights, settings.rules, settings.method, settings.threshold)
    started(weights)
    asked = any(choice.method != "none" for choice in choices)
    pooled = pool_choices(start.dense, choices, settings.pool)
    choices, start = pooled.choices, replace(start, dense=pooled.dense)
    if goal is None:
        found = _written(start, overheads.paying(encode_all(choices, progress)), settings)
        costs, prediction = None, None
    else:
        weights = [choice.weight for choice in choices]
        planner = Planner.of(choices, list(layers.values()), goal, start.plain_nbytes, progress, costs)
        given = Input(
            start.data,
            weights,
            sites,
            start.dense.copy,
            lambda planned: _written(start, overheads.paying(planned), settings),
        )
        plan = write_planned(planner, given)
        costs = planner.costs
        reasoned, notes = explain(plan.planner, plan.point, plan.written.outcomes)
        found = replace(plan.written, outcomes=reasoned, notes=plan.written.notes + notes)
        arena = arena_of(model, goal, needed=False)
        prediction = forecast(plan.planner, plan.point, len(found.data), plan.arena_nbytes, arena)
    result, written, notes = found.data, found.outcomes, found.notes
    whole = result if settings.strip else behind(result, start.attached)
    if start.attached is not None:
        notes.append(_note_of_attached(start.attached, settings.strip))
    if any(outcome.method == POOL for outcome in written):
        notes += pooled.notes
    if not any(outcome.rewritten for outcome in written):
        notes += _notes_of_nothing(written, asked, result is not start.data, settings.strip)
    results = tuple(_result(o, costs) for o in written)
    report = Conversion(
        source,
        settings.method,
        len(data),
        len(whole),
        results,
        tuple(notes),
        forecast=prediction,
        attached_before=len(data) - len(start.data),
        attached_after=len(whole) - len(result),
    )
    return Converted(whole, report, dump_plan(written))


def _layers_for(model: TfliteModel, goal: Goal) -> dict[Place, Layer]:
    """All operators, as the runtime of the goal runs them: TFLM does not lend memory that others need."""
    layers = layers_at(model)
    return {at: replace(layer, spare=0) for at, layer in layers.items()} if goal.runtime == TFLM else layers


def _layers(site: Site, weight: Weight, layers: Mapping[Place, Layer]) -> tuple[Layer, ...]:
    """The operators that multiply with a weight that can be rewritten."""
    if not layers or isinstance(weight, Fixed):
        return ()
    return tuple(layers[site.subgraph, use.operator] for use in site.uses)


def _written(source: _Source, outcomes: list[Outcome], settings: Settings) -> Written:
    """The file with these outcomes, or the input as it was."""
    notes = list(source.notes)
    result = source.data
    # A plain model is written anew also where no tensor is rewritten: aligned, and with equal vectors only once.
    if settings.strip or not source.stored or not all(outcome.unchanged for outcome in outcomes):
        result, outcomes = _smallest(source, outcomes, settings, notes)
    changed = result is not source.data
    if not changed:
        outcomes = [kept(o, o.reason or LEFT) if o.weight.stored else o for o in outcomes]
    if changed and settings.strip and any(outcome.rewritten for outcome in outcomes):
        notes.append(
            "stripped: `restore` will not give back names, ranges and the original scales of rewritten tensors"
        )
    return Written(result, outcomes, notes)


def _stored(model: TfliteModel, provenance: Provenance | None) -> dict[str, Stored]:
    """The blobs of a model that was rewritten before, by the key of their weight."""
    found = {}
    lossy = {(r.subgraph, r.tensor) for r in provenance.tensors if r.lossy} if provenance is not None else set()
    every = provenance is not None and provenance.lossy and provenance.stripped
    for s, graph in enumerate(model.root.subgraphs):
        for index, operator in enumerate(graph.operators):
            if model.operator_name(operator) in BUILTIN_NAMES:
                tensor = int(operator.inputs[WEIGHT_INPUT])
                blob = Encoded(blob_of(model, s, index))
                pool = pool_table.unpack(raw) if (raw := pool_of(model, s, index)) is not None else None
                found[key_of(s, tensor)] = Stored(
                    codec_name(model, s, index), blob, pool, every or (s, tensor) in lossy
                )
    return found


def _smallest(
    source: _Source, outcomes: list[Outcome], settings: Settings, notes: list[str]
) -> tuple[bytes, list[Outcome]]:
    """The rewritten file where that is smaller than without these outcomes, else the smallest without."""
    keeps = source.plain_nbytes >= len(source.data)
    if not any(outcome.rewritten for outcome in outcomes):
        return source.data if keeps else serialise(_plain(source.dense, settings.strip)), outcomes
    # Of an input that was rewritten before, the tensors would be left as they are.
    keeps = keeps or bool(source.stored)
    left_nbytes = len(source.data) if keeps else source.plain_nbytes
    result, plan = _rewritten(source, outcomes, settings, settings.memory_plan)
    if plan is not None and not source.stored and len(result) >= left_nbytes:
        # No reason not to rewrite: the file can do without the plan.
        result, plan = _rewritten(source, outcomes, settings, False)
    if len(result) < left_nbytes:
        if plan is not None:
            notes.append(
                f"arena: with the memory plan that was added, activations and scratch take {plan.tflm_nbytes:,} bytes "
                f"in TFLM, {plan.tflm_before:,} without; {plan.bundled_nbytes:,} in the bundled runtime, "
                f"{plan.bundled_before:,} without"
            )
        return result, outcomes
    reason = file_would_not_shrink(len(result), left_nbytes)
    if keeps:
        notes.append(f"{reason}; it was left as it is")
    left = source.data if keeps else serialise(_plain(source.dense, settings.strip))
    return left, [kept(o, reason) if o.rewritten else o for o in outcomes]


def _plain(dense: TfliteModel, strip: bool) -> TfliteModel:
    """The model with no tensor rewritten, stripped where asked."""
    model = dense.copy()
    rewrite(model, [], strip)
    return model


def _rewritten(
    source: _Source, outcomes: list[Outcome], settings: Settings, planned: bool
) -> tuple[bytes, MemoryPlan | None]:
    """The file, and the memory plan in it."""
    model = source.dense.copy()

    def arena(new: TfliteModel) -> MemoryPlan | None:
        if not planned:
            return None
        if not any(isinstance(buffer.data, Encoded) for buffer in new.root.buffers):
            return memory_plan(read_graph(new), lambda: serialise(new), settings.core)
        # A large model: blobs are encoded once, and stand in memory once, in the file.
        data = serialise(new)
        return memory_plan(read_graph(parse(data)), lambda: data, settings.core)

    plan = rewrite(model, outcomes, settings.strip, arena)
    return serialise(model), plan


def _note_of_attached(attached: Attached, strip: bool) -> str:
    if strip:
        return f"stripped: behind the model stood {attached.label}; this was dropped"
    fixed = "" if attached.files is not None else ", byte for byte; offsets into the file, if any, are the old ones"
    return f"kept behind the model: {attached.label}{fixed}"


def _notes_of_nothing(outcomes: Sequence[Outcome], asked: bool, shrunk: bool, strip: bool) -> list[str]:
    """What to say when no tensor was rewritten."""
    notes = nothing_rewritten(len(outcomes), asked)
    if shrunk:
        dropped = "names and ranges were dropped and " if strip else ""
        notes.append(f"the file is smaller because {dropped}equal vectors are stored once")
    return notes


def _result(outcome: Outcome, costs: CostModel | None) -> TensorResult:
    weight = outcome.weight
    cost, dense = (None if costs is None else cost_of(o, costs) for o in (outcome, kept_plain(outcome)))
    return TensorResult(
        weight.key,
        weight.name,
        weight.operators,
        weight.shape,
        weight.dtype,
        weight.sparsity,
        outcome.method,
        weight.stored_nbytes,
        outcome.nbytes,
        outcome.reason,
        None if cost is None else round(cost.cycles),
        None if dense is None else round(dense.cycles),
        *_pooling(outcome),
    )


def _pooling(outcome: Outcome) -> tuple[float | None, int | None, int | None, int | None]:
    """Of a pooled weight: signal-to-noise ratio, vectors of its pool, bits of an index and of an activation."""
    weight = outcome.weight
    if outcome.method != POOL or weight.pool is None:
        return None, None, None, None
    return weight.snr_db, weight.pool.size, bits_for(weight.pool.size), weight.act_bits
