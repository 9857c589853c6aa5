"""Converting by measurement: plans are built and run on a board until one keeps to the goal as measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from wpconvert.benchmark.flash import BOARD
from wpconvert.benchmark.measure import benchmark
from wpconvert.benchmark.result import Benchmark
from wpconvert.engines.inputs import random_inputs
from wpconvert.errors import BudgetError
from wpconvert.files import Workspace
from wpconvert.formats.protocol import Source
from wpconvert.graph.executable import Executable
from wpconvert.job.convert import Converted, convert
from wpconvert.model.goal import BALANCED, SIZE, Goal
from wpconvert.model.layer import PLAIN, Layer
from wpconvert.model.plan import Progress
from wpconvert.model.settings import Settings
from wpconvert.model.weight import Weight
from wpconvert.plan.costs import NOTHING, Code, Cost, CostModel, load_costs
from wpconvert.plan.layers import layers_at
from wpconvert.report.result import Measurement
from wpconvert.target.board import board_named

_ROUNDS = 5
_SEED = 0
Key = tuple[object, ...]


@dataclass(frozen=True)
class MeasuredCosts(CostModel):
    """A cost model that knows some layers from a board, and how far off it is for others of the same method.

    layers: by what `_key` gives. factors: measured parts of predicted instructions and cycles, by method.
    """

    layers: Mapping[Key, Cost] = field(default_factory=dict)
    factors: Mapping[str, Cost] = field(default_factory=dict)

    @classmethod
    def from_model(cls, costs: CostModel) -> MeasuredCosts:
        """Nothing is measured yet."""
        return cls(**{each.name: getattr(costs, each.name) for each in fields(CostModel)})

    def cost(self, layer: Layer) -> Cost | None:
        """Of one operator, as measured where it was."""
        if (measured := self.layers.get(_key(layer))) is not None:
            return measured
        cost = super().cost(layer)
        factor = self.factors.get(_method(layer))
        if cost is None or factor is None:
            return cost
        return Cost(cost.instructions * factor.instructions, cost.cycles * factor.cycles)

    def learning(self, model: Executable, result: Benchmark, code: Code | None = None) -> MeasuredCosts:
        """With what a benchmark of a model shows. code: what it links beside what was predicted."""
        layers = [layer for (subgraph, _), layer in layers_at(model.graph).items() if subgraph == 0]
        found = dict(self.layers)
        sums: defaultdict[str, list[Cost]] = defaultdict(lambda: [NOTHING, NOTHING])
        for layer, count in zip(layers, result.layers, strict=True):
            measured = Cost(count.instructions, count.modelled_cycles)
            found[_key(layer)] = measured
            predicted = super().cost(layer)
            if predicted is not None and layer.weights is not None:
                now = sums[_method(layer)]
                now[0], now[1] = now[0] + measured, now[1] + predicted
        factors = {
            method: Cost(m.instructions / max(1.0, p.instructions), m.cycles / max(1.0, p.cycles))
            for method, (m, p) in sums.items()
        }
        added = (code,) if code is not None else ()
        return replace(self, layers=found, factors={**self.factors, **factors}, code=(*self.code, *added))


def convert_measured(
    source: Source,
    settings: Settings,
    workspace: Workspace,
    goal: Goal,
    *,
    started: Callable[[Sequence[Weight]], None] = lambda _: None,
    progress: Progress = lambda _: None,
) -> Converted:
    """Rewrite a model by a plan that is measured on the goal's board and keeps to the goal there.

    Raises what converting and running on a board raise, ToolError where a compiler or simulator is missing, and
    BudgetError when no plan that was measured keeps to the goal.
    """
    board, settings = board_named(goal.target), replace(settings, goal=goal)
    name, model = str(source.path), source.executable().dense()
    dense = model.content() if source.rewritten else source.content()
    sample = random_inputs(model, 1, _SEED).samples[0]
    before = benchmark(name, dense, model, board, sample)
    costs, lines = MeasuredCosts.from_model(load_costs(goal.core)).learning(model, before), []
    for number in range(1, _ROUNDS + 1):
        advance = progress if number == 1 else (lambda _: None)
        converted = convert(source, settings, workspace, started=started, progress=advance, costs=costs)
        written = converted.result.source().executable()
        after = benchmark(name, converted.data, written, board, sample)
        found = _measurement(before, after, number)
        if _keeps(found, goal):
            return replace(converted, report=replace(converted.report, measured=found))
        slowdown = max(found.cycles / found.cycles_dense, found.instructions / found.instructions_dense)
        lines.append(f"{slowdown:.3f} × the time and {found.flash_nbytes:,} bytes of flash")
        costs = costs.learning(written, after, _code(converted, written, after, before))
    raise BudgetError(
        f"no plan measured on {board.name} meets the limits; compared with the dense model, which takes "
        f"{_flash(before):,} bytes of flash, they took {'; '.join(dict.fromkeys(lines))}"
    )


def _measurement(before: Benchmark, after: Benchmark, plans: int) -> Measurement:
    return Measurement(
        after.target,
        after.simulator,
        after.instructions,
        after.modelled_cycles,
        _flash(after),
        after.arena_nbytes,
        before.instructions,
        before.modelled_cycles,
        _flash(before),
        before.arena_nbytes,
        plans,
    )


def _flash(result: Benchmark) -> int:
    """Bytes of model and code, without the board's own program."""
    return sum(nbytes for part, nbytes in result.flash_nbytes.items() if part != BOARD)


def _keeps(found: Measurement, goal: Goal) -> bool:
    """Whether what was measured is what the goal asks for."""
    if found.cycles > goal.slowdown * found.cycles_dense:
        return False
    if found.instructions > goal.slowdown * found.instructions_dense:
        return False
    if goal.flash_nbytes is not None and found.flash_nbytes > goal.flash_nbytes:
        return False
    return goal.optimize not in (BALANCED, SIZE) or found.flash_nbytes <= found.flash_nbytes_dense


def _code(converted: Converted, model: Executable, after: Benchmark, before: Benchmark) -> Code | None:
    """What the rewritten operators link in addition to what was predicted."""
    forecast = converted.report.forecast
    names = frozenset(
        name for layer in layers_at(model.graph).values() if _method(layer) != PLAIN for name in layer.code
    )
    if forecast is None or not names:
        return None
    linked = [_flash(result) - result.flash_nbytes["model"] for result in (after, before)]
    more = linked[0] - linked[1] - (forecast.code_nbytes - forecast.code_nbytes_dense)
    return Code(more, names) if more > 0 else None


def _method(layer: Layer) -> str:
    return PLAIN if layer.weights is None else layer.weights.method


def _key(layer: Layer) -> Key:
    """What makes two layers the same work: all but the memory around them."""
    weights = layer.weights
    shape = (
        layer.batch,
        layer.input_size,
        layer.output_size,
        layer.kernel,
        layer.stride,
        layer.dilation,
        layer.padding,
    )
    stored: Key = ()
    if weights is not None:
        stored = (weights.method, weights.rows, weights.cols, weights.nonzeros, *sorted(weights.work.items()))
    return (layer.operator, layer.variant, *shape, *stored)
