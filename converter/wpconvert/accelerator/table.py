"""Layer tables as published: a line a layer, with name, input size, filter size, channels, filters and stride."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from wpconvert.errors import FileError, UsageError
from wpconvert.model.convolution import Convolution

_COLUMNS = "name, input height, input width, filter height, filter width, channels, filters, stride"
_COUNT = 8
_LARGEST = 1 << 20
_DIGITS, _SHOWN = 20, 40


def read_table(path: Path, *, compatible: bool = False) -> list[Convolution]:
    """The layers of a CSV file, whose first line names the columns.

    A table does not say how an image is padded: its size changes by the stride alone. A layer with one channel and
    several filters is depthwise, but for the first one: images can be grey. compatible: as the published scheduler read
    tables, without padding and with a depthwise first layer. FileError where the file cannot be read, UsageError for a
    wrong line.
    """
    try:
        content = path.read_text("utf-8")
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a text file; expected a table with {_COLUMNS}") from error
    layers: list[Convolution] = []
    lines = csv.reader(io.StringIO(content))
    try:
        next(lines, None)
        for line in lines:
            fields = [field.strip() for field in line]
            while fields and not fields[-1]:
                fields.pop()
            if fields:
                layers.append(_layer(fields, f"{path}: line {lines.line_num}", compatible, first=not layers))
    except csv.Error as error:
        raise UsageError(f"{path}: line {lines.line_num}: {error}") from error
    if not layers:
        raise UsageError(f"{path}: no layers; expected a line with the names of the columns, then {_COLUMNS}")
    return layers


def _layer(fields: list[str], where: str, compatible: bool, first: bool) -> Convolution:
    if len(fields) != _COUNT:
        raise UsageError(f"{where}: {len(fields)} fields, expected {_COUNT}: {_COLUMNS}")
    name, *texts = fields
    for text in texts:
        # Python does not read whole numbers of more than some thousand digits.
        if not text.isdecimal() or len(text) > _DIGITS or not 0 < int(text) <= _LARGEST:
            raise UsageError(f"{where}: {text[:_SHOWN]!r}, expected a whole number from 1 to {_LARGEST}")
    height, width, kernel_h, kernel_w, channels, filters, stride = map(int, texts)
    if compatible and (kernel_h > height or kernel_w > width):
        raise UsageError(f"{where}: a filter of {kernel_h} × {kernel_w} is larger than its image of {height} × {width}")
    output = (_output(height, kernel_h, stride, compatible), _output(width, kernel_w, stride, compatible))
    groups = filters if channels == 1 and filters > 1 and (compatible or not first) else 1
    return Convolution(name, output, (kernel_h, kernel_w), (stride, stride), channels, filters, groups)


def _output(size: int, kernel: int, stride: int, compatible: bool) -> int:
    return -(-(size - kernel + stride) // stride) if compatible else -(-size // stride)
