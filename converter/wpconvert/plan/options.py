"""What can be done with each weight, and what it costs: the choices of which the planner takes one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from wpconvert.codecs import CODECS, STANDALONE
from wpconvert.model.encoded import Room
from wpconvert.model.layer import PLAIN, Layer
from wpconvert.model.plan import Outcome, Progress, blobs_nbytes, encode_choice, settle_shared
from wpconvert.model.rules import AUTO, Choice, shared
from wpconvert.model.weight import Weight
from wpconvert.plan.costs import NOTHING, Cost, CostModel, sum_of


@dataclass(frozen=True)
class Option:
    """One way to store the weights of an item. nbytes: in the file, less what the file has in any case.

    cost: nothing in an item without times. code: names of what firmware links for it.
    """

    outcomes: tuple[Outcome, ...]
    nbytes: int
    cost: Cost
    code: frozenset[str]

    @property
    def methods(self) -> frozenset[str]:
        """Of its weights."""
        return frozenset(outcome.method for outcome in self.outcomes)


@dataclass(frozen=True)
class Item:
    """Weights that share their storage, mostly a single one. `before` leaves them as the input has them.

    lacking: families of its operators without cost data, so that it has no times. left_out: families that it
    lacks of methods which are no options for that.
    """

    weights: tuple[Weight, ...]
    options: tuple[Option, ...]
    before: Option
    lacking: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def layers_with(outcome: Outcome) -> tuple[Layer, ...]:
    """The operators of a weight, with the weights stored as the outcome says."""
    if outcome.storage is None:
        return outcome.weight.layers
    return tuple(replace(layer, weights=outcome.storage) for layer in outcome.weight.layers)


def dense_outcome(outcome: Outcome) -> Outcome:
    """The same weight in the dense model."""
    return Outcome(outcome.weight, PLAIN)


def cost_of(outcome: Outcome, costs: CostModel) -> Cost | None:
    """Of all operators that multiply with the weight; None where one of them has no cost data."""
    found = [costs.cost(layer) for layer in layers_with(outcome)]
    return None if None in found else sum_of(found)


def items_of(choices: Sequence[Choice], costs: CostModel, progress: Progress | None = None) -> list[Item]:
    """The options of every weight: all codecs where the choice is AUTO, else what was chosen.

    A codec without cost data is an option only where it was chosen.
    """
    items: list[Item] = []
    room = Room()
    for members in shared(choices):
        items.append(_item(members, costs))
        # Of a large model all that could be chosen would take several times its own memory.
        room.keep(outcome.blob for option in items[-1].options for outcome in option.outcomes)
        if progress is not None:
            for choice in members:
                progress(choice.weight)
    return items


def _item(members: Sequence[Choice], costs: CostModel) -> Item:
    automatic = any(choice.method == AUTO for choice in members)
    methods = (PLAIN, *_codecs_of(members)) if automatic else (PLAIN,)
    tried = [_Stored.with_costs(_outcomes(members, method), costs) for method in methods]
    lacking = [stored.lacking(costs) for stored in tried]
    timed = not lacking[0]
    options: list[Option] = []
    left_out: dict[str, None] = {}
    for stored, families in zip(tried, lacking, strict=True):
        if any(_same(stored.outcomes, other.outcomes) for other in options):
            continue
        if options and (families or not timed):
            left_out.update(dict.fromkeys(families))
        else:
            options.append(stored.option(timed))
    before = options[0]
    if all(_same(stored.outcomes, before.outcomes) for stored in tried):
        # Where nothing else can be done, a codec's answer says why.
        options = [tried[-1].option(timed)]
    return Item(tuple(choice.weight for choice in members), tuple(options), before, lacking[0], tuple(left_out))


def _codecs_of(members: Sequence[Choice]) -> Iterable[str]:
    """The codecs to try: those that read something beside blobs only on weights that have it."""
    return CODECS if all(choice.weight.side is not None for choice in members) else STANDALONE


def in_order(options: Sequence[Option], weights: Sequence[Weight]) -> list[Outcome]:
    """The outcomes of these options in the order of the model's weights."""
    by_key = {outcome.weight.key: outcome for option in options for outcome in option.outcomes}
    return [by_key[weight.key] for weight in weights]


def _outcomes(members: Sequence[Choice], method: str) -> tuple[Outcome, ...]:
    """Weights that share their storage, with one method where the choice is AUTO."""
    return tuple(settle_shared([encode_choice(replace(c, method=method) if c.method == AUTO else c) for c in members]))


def _same(one: Sequence[Outcome], other: Sequence[Outcome]) -> bool:
    return all(a.method == b.method for a, b in zip(one, other, strict=True))


@dataclass(frozen=True)
class _Stored:
    """Weights that share their storage, stored like this, and the operators that multiply with them then.

    costs: of each operator, None where it has no cost data.
    """

    outcomes: tuple[Outcome, ...]
    layers: tuple[Layer, ...]
    costs: tuple[Cost | None, ...]

    @classmethod
    def with_costs(cls, outcomes: tuple[Outcome, ...], costs: CostModel) -> _Stored:
        layers = tuple(layer for outcome in outcomes for layer in layers_with(outcome))
        return cls(outcomes, layers, tuple(costs.cost(layer) for layer in layers))

    def lacking(self, costs: CostModel) -> tuple[str, ...]:
        """Families of the operators without cost data."""
        without = [layer for layer, cost in zip(self.layers, self.costs, strict=True) if cost is None]
        return tuple(dict.fromkeys(costs.name_of(layer) for layer in without))

    def option(self, timed: bool) -> Option:
        outcomes = self.outcomes
        nbytes = blobs_nbytes(outcomes)
        if any(outcome.blob is None for outcome in outcomes):
            nbytes += outcomes[0].weight.nbytes
        nbytes += sum(outcome.weight.overhead for outcome in outcomes if outcome.blob is not None)
        cost = sum_of(self.costs) if timed else NOTHING
        return Option(outcomes, nbytes, cost, frozenset(name for layer in self.layers for name in layer.code))


def option_of(item: Item, outcomes: tuple[Outcome, ...], costs: CostModel) -> Option:
    """The weights of an item stored like this."""
    for option in item.options:
        if _same(option.outcomes, outcomes) and all(
            a.blob is b.blob for a, b in zip(option.outcomes, outcomes, strict=True)
        ):
            return replace(option, outcomes=outcomes)
    return _Stored.with_costs(outcomes, costs).option(not item.lacking)
