"""Results as JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wpconvert import __version__
from wpconvert.errors import UsageError
from wpconvert.report.result import Conversion
from wpconvert.report.view import View

FORMATS = (".json", ".csv")


def to_json(result: View) -> str:
    """A result object as JSON."""
    return _json(result.to_dict())


def many_to_json(name: str, results: Sequence[Any]) -> str:
    """Result objects as a list of that name in JSON."""
    return _json({name: [asdict(result) for result in results]})


def _json(fields: dict[str, Any]) -> str:
    content = {"tool": f"wpconvert {__version__}", **fields}
    lines = json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False).split("\n")
    return "".join(f"{_shown(line)}\n" for line in lines)


def _shown(line: str) -> str:
    """JSON with escapes for what a terminal would obey, like marks of direction."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def _finite(value: Any) -> Any:
    """The value with null for what JSON has no number for: infinities and NaNs."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def conversion_csv(report: Conversion) -> str:
    """One line per weight tensor."""
    rows = [tensor.to_dict() for tensor in report.tensors]
    fields = list(rows[0]) if rows else ["key"]
    out = io.StringIO()
    writer = csv.DictWriter(out, fields, lineterminator="\n")
    writer.writeheader()
    for tensor, row in zip(report.tensors, rows, strict=True):
        row["operators"] = "+".join(tensor.operators)
        row["shape"] = "x".join(map(str, tensor.shape))
        writer.writerow(row)
    return out.getvalue()


def check_format(path: Path) -> None:
    """UsageError unless the report file's suffix is one we write."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"--report {path}: the suffix must be {' or '.join(FORMATS)}")


def conversion_report(path: Path, report: Conversion) -> str:
    """The content of a report file, by its suffix."""
    return conversion_csv(report) if path.suffix.lower() == ".csv" else to_json(report)
