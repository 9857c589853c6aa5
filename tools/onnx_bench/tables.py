"""The tables of docs/LOWERING.md."""

from __future__ import annotations

from collections.abc import Sequence

from tools.markdown import markdown
from tools.onnx_bench.measure import COMPARED, FLOAT, ON_BOARDS, REWRITTEN, File, Result
from tools.onnx_bench.networks import CALIBRATION_SAMPLES
from wpconvert.model.rules import AUTO
from wpconvert.target.board import boards
from wpconvert.transforms.pool_settings import POOL

_FILES = f"""\
Bytes of the `.onnx` files, dense and by each method; – where a method would make a file no smaller. Each was compared
with the dense one in ONNX Runtime: {COMPARED} samples, outputs equal bit for bit. `{POOL}` is lossy, and nobody
trained these weights for it: its outputs are those of its own dense form, and its top-1 follows.
"""
_CLASSES = f"""\
Top-1 on samples that gave no ranges; those came from {CALIBRATION_SAMPLES} others. “.tflite”: the share for which
PyTorch's network has the class of the model that it was made of. “Other class”: where the lowered model differs from
ONNX Runtime; “steps”: how far ONNX Runtime has that class below its own, at most, in steps of the output; “itself”:
where ONNX Runtime differs from itself without its optimisations.
"""
_BOARDS = f"""\
The model of `quantize_static`, lowered, dense and with `-m {AUTO}`: bytes of the `.tflite` file, and millions of
instructions per inference. Outputs of {ON_BOARDS} samples on the boards are those of the reference interpreter, bit
for bit.
"""


def report(results: Sequence[Result], left_out: Sequence[str]) -> str:
    """All tables with what they show, and what could not be measured."""
    parts = [_FILES, file_table(results), _CLASSES, accuracy_table(results), _BOARDS, board_table(results)]
    if left_out:
        parts.append("Not measured:\n\n" + "".join(f"- {reason}\n" for reason in left_out))
    return "\n".join(parts)


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _nbytes(files: Sequence[File], method: str, smaller_than: int) -> str:
    file = next(file for file in files if file.method == method)
    if file.nbytes >= smaller_than:
        return "–"
    return f"{file.nbytes:,}" + ("" if file.top1 is None else f" ({_percent(file.top1)})")


def file_table(results: Sequence[Result]) -> str:
    """Bytes of the `.onnx` files."""
    floats = [f"float, {method}" for method in FLOAT]
    titles = ["network", "zeros", "float", *floats, "int8", *REWRITTEN]
    lines = []
    for result in results:
        cells = [f"`{result.title}`", _percent(result.zeros, 0)]
        for files, methods in ((result.floats, FLOAT), (result.files, REWRITTEN)):
            dense = files[0].nbytes
            cells += [f"{dense:,}", *(_nbytes(files, method, dense) for method in methods)]
        lines.append(cells)
    return markdown(titles, lines)


def accuracy_table(results: Sequence[Result]) -> str:
    """Classes of PyTorch, ONNX Runtime and the lowered models."""
    titles = ["network", "samples", ".tflite", "PyTorch", "quantised by", "ONNX Runtime", "lowered"]
    titles += ["other class", "steps", "itself"]
    lines = []
    for result in results:
        head = [f"`{result.title}`", f"{result.samples}", _percent(result.agreement), _percent(result.top1, 2)]
        for found in result.accuracies:
            classes = [_percent(top1, 2) for top1 in found.top1]
            gap = f"{found.gap:.0f}" if found.other else "–"
            lines.append([*head, found.quantiser, *classes, str(found.other), gap, str(found.itself)])
            head = [""] * len(head)
    return markdown(titles, lines)


def board_table(results: Sequence[Result]) -> str:
    """Bytes and instructions of the lowered models."""
    names = list(dict.fromkeys(run.board for result in results for run in result.boards))
    titles = ["network", "file"]
    for name in names:
        core = boards()[name].core
        titles += [f"{core}", f"{core}, {AUTO}", f"file, {AUTO}"]
    lines = []
    for result in results:
        found = {(run.board, run.method): run for run in result.boards}
        cells = [f"`{result.title}`", f"{found[names[0], ''].nbytes:,}"]
        for name in names:
            dense, chosen = found[name, ""], found[name, AUTO]
            cells += [_millions(dense.instructions), _millions(chosen.instructions), f"{chosen.nbytes:,}"]
        lines.append(cells)
    return markdown(titles, lines)


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f}"
