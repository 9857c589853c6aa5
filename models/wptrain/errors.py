"""Errors of training that a user can meet; the others are wpconvert's."""

from __future__ import annotations

from wpconvert.errors import WpconvertError


class DivergedError(WpconvertError):
    """The loss of a training is no longer a finite number."""

    exit_code = 1


class DataError(WpconvertError):
    """A dataset, a checkpoint or a trained network is malformed, or holds something else than expected."""

    exit_code = 3
