"""How numbers are written, the same way in every report and reason."""

from __future__ import annotations


def share(value: float | None) -> str:
    """A share of 0 to 1 in percent, `88.3 %`; a dash for None."""
    return "–" if value is None else f"{100 * value:.1f} %"


def percent(part: float, whole: float) -> str:
    """`part` of `whole` in percent; a dash where there is nothing to be part of."""
    return share(part / whole if whole else None)


def change(now: float, before: float) -> str:
    """By how much something changed, in percent of what it was, `+4.7 %`."""
    return f"{100 * (now / before - 1):+.1f} %"


def number(value: int | None) -> str:
    """With separators, `16,384`; a dash for None."""
    return "–" if value is None else f"{value:,}"


def quantity(count: int, noun: str) -> str:
    """A count with its noun: `1 byte`, `16,384 bytes`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def rounded_size(nbytes: int) -> str:
    """Three digits of a size: `31.6 MB`, `842 KB`."""
    return f"{nbytes / 1e6:.3g} MB" if nbytes >= 999_500 else f"{nbytes / 1e3:.3g} KB"


def decibels(value: float | None) -> str:
    """A signal-to-noise ratio; `exact` for None, where there is no noise."""
    return "exact" if value is None else f"{value:.1f} dB"


def shape_text(shape: tuple[int, ...]) -> str:
    """`64×3×3×16`."""
    return "×".join(map(str, shape)) or "scalar"
