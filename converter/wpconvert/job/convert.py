"""The main job: find, choose, transform, encode, settle, and never give back more bytes than came in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wpconvert.files import Workspace, write_all
from wpconvert.formats.protocol import Planned, Result, Source
from wpconvert.formats.registry import parse
from wpconvert.job.planned import arena_of, write_planned
from wpconvert.job.results import result_of
from wpconvert.job.settle import Settled, settle
from wpconvert.job.transform import changed_in, transform
from wpconvert.model.goal import Goal
from wpconvert.model.plan import Outcome, Progress, dump_plan
from wpconvert.model.reasons import nothing_rewritten
from wpconvert.model.rules import Choice, choose
from wpconvert.model.settings import Settings
from wpconvert.model.weight import Weight
from wpconvert.plan.costs import CostModel
from wpconvert.plan.explain import explain, forecast
from wpconvert.plan.planner import Planner
from wpconvert.report.result import Conversion, Forecast


@dataclass(frozen=True)
class Converted:
    """The new model, what was done, what became of each weight, and whether the model is another one."""

    result: Result
    report: Conversion
    outcomes: Sequence[Outcome]
    changed: bool

    @property
    def plan(self) -> str:
        """The resolved plan as a rules file."""
        return dump_plan(self.outcomes)

    @property
    def data(self) -> bytes:
        """The bytes of the model file."""
        return self.result.content()


def convert(
    source: Source,
    settings: Settings,
    workspace: Workspace,
    *,
    started: Callable[[Sequence[Weight]], None] = lambda _: None,
    progress: Progress = lambda _: None,
    costs: CostModel | None = None,
) -> Converted:
    """Rewrite a model. What is written to files stands in the workspace.

    `started` gets the weights before encoding starts, `progress` each weight when it is done. costs: what is planned
    with, the goal's core's unless given. Raises ModelError, UnsupportedError, FileError, UsageError for a rule that
    matches nothing or that the format does not have, and BudgetError when no plan keeps to the goal.
    """
    nbytes, attached_nbytes = source.nbytes, source.attached_nbytes
    draft = source.draft(settings, workspace)
    choices = choose(draft.weights, settings.rules, settings.method, settings.threshold)
    draft.check(choices)
    started(draft.weights)
    asked = any(choice.method != "none" for choice in choices)
    notes_of: dict[str, list[str]] = {}
    if (dense := draft.dense()) is not None:
        transformed = transform(dense, choices, settings.options)
        choices, notes_of = transformed.choices, transformed.notes
        draft.take(transformed.dense)
    goal = settings.planned
    prediction: Forecast | None = None
    if goal is not None and isinstance(draft, Planned):
        found, prediction, costs = _by_plan(draft, choices, goal, progress, costs)
    else:
        found, costs = settle(draft, draft.encode(choices, progress)), None
    notes, outcomes, result = list(found.notes), found.outcomes, found.written.result
    used = {changed.transform for outcome in outcomes if (changed := changed_in(outcome)) is not None}
    for name in notes_of.keys() & used:
        notes += notes_of[name]
    if not any(outcome.rewritten for outcome in outcomes):
        notes += nothing_rewritten(len(outcomes), asked)
        if found.written.changed:
            notes.append(draft.plain_note)
    report = Conversion(
        str(source.path),
        settings.method,
        nbytes,
        result.nbytes,
        tuple(result_of(outcome, costs) for outcome in outcomes),
        tuple(notes),
        forecast=prediction,
        attached_before=attached_nbytes,
        attached_after=result.attached_nbytes,
    )
    return Converted(result, report, outcomes, found.written.changed)


def convert_bytes(data: bytes, settings: Settings, name: str = "model") -> Converted:
    """Rewrite a model that is in memory; reports call it by the name. Raises what `convert` raises."""
    with Workspace(None) as workspace:
        return convert(parse(data, name), settings, workspace)


def convert_to(source: Source, settings: Settings, output: Path) -> Converted:
    """Rewrite a model and write it, not verified. Raises what `convert` raises."""
    with Workspace(output.resolve()) as workspace:
        done = convert(source, settings, workspace)
        write_all(done.result.files(output))
    return done


def _by_plan(
    draft: Planned, choices: list[Choice], goal: Goal, progress: Progress, costs: CostModel | None
) -> tuple[Settled, Forecast, CostModel]:
    """The best plan as it is written, what it is predicted to take, and what was planned with."""
    planner = Planner.from_choices(choices, list(draft.layers), goal, draft.plain_nbytes, progress, costs)
    plan = write_planned(planner, draft, [choice.weight for choice in choices])
    reasoned, notes = explain(plan.planner, plan.point, plan.settled.outcomes)
    found = replace(plan.settled, outcomes=reasoned, notes=plan.settled.notes + notes)
    arena = arena_of(draft, None, needed=False)
    return found, forecast(plan.planner, plan.point, found.nbytes, plan.arena_nbytes, arena), planner.costs
