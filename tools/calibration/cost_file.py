"""Writes what a calibration has found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a cost file, a pair of numbers to a line."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    lines = text.replace("[\n   ", "[").replace(",\n   ", ", ").replace("\n  ]", "]")
    path.write_text(lines + "\n", encoding="utf-8")
