"""Whether a model is valid by ONNX's own checker. One that is not is rewritten all the same, but that is reported."""

from __future__ import annotations

from pathlib import Path

import onnx

_SHOWN = 300
"""Characters of the checker's own words."""


def invalidity(path: Path) -> str | None:
    """What is wrong with the model in a file; None for a valid one, and for one that the checker cannot take."""
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        reason = " ".join(str(error).split())
        return f"it is not a valid ONNX model: {reason if len(reason) <= _SHOWN else f'{reason[:_SHOWN]} …'}"
    except Exception:  # Others are limits of the checker, as for names of files.
        return None
    return None
