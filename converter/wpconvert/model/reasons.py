"""Why a weight stays as it is, and what else there is to say of a conversion: one wording for all file formats."""

from __future__ import annotations

from collections.abc import Sequence

from wpconvert.units import share

METHOD_NONE = "method none"
"""The reason of a weight that was asked to stay as it is."""
LEFT = "the file was left as it is"
"""The reason of a weight for which there would have been another form, in a file that nothing makes smaller."""
NO_WEIGHTS = "the model has no weights that an operator multiplies with; nothing was rewritten"
NONE_REWRITTEN = "no tensor was rewritten; the reasons are in the table"
LOSSY = (
    "weights were changed before they were stored: this is the model of the changed weights; the original ones are gone"
)


def below_threshold(sparsity: float, threshold: float) -> str:
    """Of a weight with too few zeros; both as shares, 0 to 1."""
    return f"{share(sparsity)} zeros, below the threshold of {share(threshold)}"


def cannot_hold(method: str, error: Exception) -> str:
    """Of a weight that a method cannot store."""
    return f"{method} cannot hold it: {error}"


def would_not_shrink(method: str, needed: str, beside: int, parts: str) -> str:
    """Of a weight that takes `needed` bytes with a method, and so many beside them for `parts`."""
    extra = f" and {beside:,} for {parts}" if beside > 0 else ""
    return f"would not shrink: {method} needs {needed} bytes{extra}"


def shares_with(label: str) -> str:
    """Of a weight that shares its bytes with one that stays."""
    return f"shares its bytes with {label}, which stays as it is"


def file_would_not_shrink(nbytes: int, without: int) -> str:
    """Of a file that takes so many bytes with rewritten tensors, and `without` as it is."""
    return f"the file would not shrink: {nbytes:,} bytes, {without:,} without"


def rewritten_before(tool: str | None) -> str:
    """Of an input with rewritten tensors; tool: what its metadata names."""
    return f"the input was rewritten before ({'by an unknown tool' if tool is None else tool})"


def nothing_rewritten(weights: int, asked: bool) -> list[str]:
    """What to say where no tensor of so many was rewritten. asked: whether a method was."""
    if not weights:
        return [NO_WEIGHTS]
    return [NONE_REWRITTEN] if asked else []


def not_of_dense(outputs: Sequence[tuple[str, int]]) -> list[str]:
    """Of outputs, name and number of other values, that are not what the model's own dense form gives."""
    text = "values are not those of the model's own dense form"
    return [f"{name or 'output'}: {count:,} {text}" for name, count in outputs]
