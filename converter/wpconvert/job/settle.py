"""What is written in the end: the file with the outcomes, or what is smaller. Nothing grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wpconvert.formats.protocol import Draft, Written
from wpconvert.model.plan import Outcome, left_unchanged
from wpconvert.model.reasons import LEFT, file_would_not_shrink


@dataclass(frozen=True)
class Settled:
    """A file, what became of each weight in it, and what to say about it."""

    written: Written
    outcomes: list[Outcome]
    notes: list[str]

    @property
    def nbytes(self) -> int:
        """Of the model, without what is attached behind it."""
        result = self.written.result
        return result.nbytes - result.attached_nbytes


def settle(draft: Draft, planned: Sequence[Outcome]) -> Settled:
    """The file with these outcomes where that is smaller than without them, else the smallest without."""
    outcomes, notes = draft.paying(planned), list(draft.notes)
    before = any(outcome.weight.stored for outcome in outcomes)
    # A plain model is written anew also where no tensor is rewritten.
    if draft.anew or not before or not all(outcome.unchanged for outcome in outcomes):
        written, outcomes = _smallest(draft, outcomes, notes, before)
    else:
        written = draft.input()
    if not written.changed:
        outcomes = [left_unchanged(o, o.reason or LEFT) if o.weight.stored else o for o in outcomes]
    return Settled(written, outcomes, [*notes, *written.notes])


def _smallest(draft: Draft, outcomes: list[Outcome], notes: list[str], before: bool) -> tuple[Written, list[Outcome]]:
    keeps = draft.plain_nbytes >= draft.nbytes
    if not any(outcome.rewritten for outcome in outcomes):
        return draft.input() if keeps else draft.plain(), outcomes
    # Of an input that was rewritten before, the tensors would be left as they are.
    keeps = keeps or before
    left_nbytes = draft.nbytes if keeps else draft.plain_nbytes
    written = draft.write(outcomes, left_nbytes)
    nbytes = written.result.nbytes - written.result.attached_nbytes
    if nbytes < left_nbytes:
        return written, outcomes
    reason = file_would_not_shrink(nbytes, left_nbytes)
    if keeps:
        notes.append(f"{reason}; it is unchanged")
    return draft.input() if keeps else draft.plain(), [
        left_unchanged(o, reason) if o.rewritten else o for o in outcomes
    ]
