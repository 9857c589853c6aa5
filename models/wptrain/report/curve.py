"""The course of a training as an SVG: accuracies above, losses below, over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _PANEL, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 200, 56, 150, 16, 28
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
_TICKS = 4

Values = Mapping[str, object]
_Points = list[tuple[float, float]]


def curve(title: str, epochs: Sequence[Values]) -> str:
    """The picture of `epochs`: of each, `epoch` and metrics by name; those named "… loss" share the lower panel."""
    names = list(dict.fromkeys(name for values in epochs for name in values if _kind(name)))
    series = {name: _points(name, epochs) for name in names}
    panels = [{name: series[name] for name in names if _kind(name) == kind} for kind in ("accuracy", "loss")]
    parts = [_panel(panel, index * _PANEL) for index, panel in enumerate(panel for panel in panels if panel)]
    height = max(1, len(parts)) * _PANEL
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
            f'height="{height}" font-family="sans-serif" font-size="11">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _kind(name: str) -> str:
    return next((kind for kind in ("accuracy", "loss") if f"_{name}".endswith(f"_{kind}")), "")


def _points(name: str, epochs: Sequence[Values]) -> _Points:
    found = ((values.get("epoch"), values.get(name)) for values in epochs)
    return [(float(x), float(y)) for x, y in found if isinstance(x, int) and isinstance(y, int | float)]


def _panel(series: Mapping[str, _Points], top: int) -> str:
    points = [point for line in series.values() for point in line]
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    if low == high:
        low, high = low - 0.5, high + 0.5

    def across(x: float) -> float:
        return _LEFT + (x - first) / max(last - first, 1) * (_WIDTH - _LEFT - _RIGHT)

    def down(y: float) -> float:
        return top + _TOP + (high - y) / (high - low) * (_PANEL - _TOP - _BOTTOM)

    parts = []
    for tick in range(_TICKS + 1):
        value = low + (high - low) * tick / _TICKS
        parts.append(
            f'<path d="M{_LEFT} {down(value):.1f}H{_WIDTH - _RIGHT}" stroke="#dddddd"/>'
            f'<text x="{_LEFT - 6}" y="{down(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        )
    bottom = top + _PANEL - 10
    parts.append(f'<text x="{_LEFT}" y="{bottom}">epoch {first:g}</text>')
    if last > first:
        parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{bottom}" text-anchor="end">{last:g}</text>')
    for index, (name, line) in enumerate(series.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        path = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{across(x):.1f}" cy="{down(y):.1f}" r="2" fill="{colour}"/>' for x, y in line]
        label = escape(name.replace("_", " "))
        parts.append(
            f'<text x="{_WIDTH - _RIGHT + 8}" y="{top + _TOP + 10 + 16 * index}" fill="{colour}">{label}</text>'
        )
    return "\n".join(parts)
