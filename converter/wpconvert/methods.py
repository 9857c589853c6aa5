"""The methods: how weights are stored."""

from __future__ import annotations

from wpconvert.codecs import CODECS
from wpconvert.model.layer import PLAIN
from wpconvert.model.rules import AUTO
from wpconvert.transforms.registry import TRANSFORMS

METHODS: tuple[str, ...] = tuple(dict.fromkeys((AUTO, PLAIN, *CODECS, *TRANSFORMS)))
"""Everything `-m` and a rule's `method` accept; PLAIN leaves a tensor as it is, AUTO the choice to the planner."""
