"""Why a weight is unchanged, and what to note about a conversion: one wording for all file formats."""

from __future__ import annotations

from collections.abc import Sequence

from wpconvert.units import quantity, share

METHOD_NONE = "method none"
"""The reason of a weight that was asked to stay as it is."""
LEFT = "the file is unchanged"
"""The reason of a weight for which there would have been another form, in a file that nothing makes smaller."""
SHARED_LARGER = "shares its data with other tensors; their compressed forms together would be larger"
"""The reason of weights that share their data."""
NO_WEIGHTS = "the model has no weights that an operator multiplies by; nothing was rewritten"
NONE_REWRITTEN = "no tensor was rewritten; see the table for the reasons"
LOSSY = (
    "weights were changed before they were stored: this is the model with the changed weights; "
    "the original weights are lost"
)


def below_threshold(sparsity: float, threshold: float) -> str:
    """Of a weight with too few zeros; both as shares, 0 to 1."""
    return f"{share(sparsity)} zeros, below the threshold {share(threshold)}"


def cannot_hold(method: str, error: Exception) -> str:
    """Of a weight that a method cannot store."""
    return f"{method} cannot store it: {error}"


def would_not_shrink(method: str, needed: str, extra: int, parts: str) -> str:
    """Of a weight that needs `needed` bytes with a method, and `extra` bytes for `parts`."""
    added = f" plus {extra:,} for {parts}" if extra > 0 else ""
    return f"would not shrink: {method} needs {needed} bytes{added}"


def decoder_too_large(method: str) -> str:
    """Of a weight that gets smaller, in a file that does not."""
    return f"the decoder for {method} would need more bytes than it saves"


def shares_with(label: str) -> str:
    """Of a weight that shares its data with an unchanged one."""
    return f"shares its data with {label}, which is unchanged"


def file_would_not_shrink(nbytes: int, without: int) -> str:
    """Of a file that needs `nbytes` bytes with rewritten tensors, and `without` bytes without them."""
    return f"the file would not shrink: {nbytes:,} bytes rewritten, {without:,} bytes without"


def rewritten_before(tool: str | None) -> str:
    """Of an input with rewritten tensors; tool: the name in its metadata."""
    return f"the input was already rewritten by {'an unknown tool' if tool is None else tool}"


def nothing_rewritten(weights: int, requested: bool) -> list[str]:
    """The notes where none of the model's weights was rewritten. requested: whether a method was."""
    if not weights:
        return [NO_WEIGHTS]
    return [NONE_REWRITTEN] if requested else []


def not_of_dense(outputs: Sequence[tuple[str, int]]) -> list[str]:
    """Of outputs, by name and number of differing values, that differ from those of the model's own dense form."""
    text = "differ from the model's own dense form"
    return [f"{name or 'output'}: {quantity(count, 'value')} {text}" for name, count in outputs]
