"""Sliding windows: the attributes of Conv and of the pools, and their paddings in TFLite's terms."""

from __future__ import annotations

from dataclasses import dataclass, replace

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.types import Shape
from wpconvert.graph.windows import extent_of, surplus
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.network import Node
from wpconvert.lowering.shapes import check_shape

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """All pairs are (height, width); `before` and `after` are the paddings, of which ceil_mode adds `extra`."""

    kernel: Pair
    strides: Pair
    dilations: Pair
    before: Pair
    after: Pair
    extra: Pair = (0, 0)

    @property
    def is_padded(self) -> bool:
        return (self.before, self.after) != ((0, 0), (0, 0))

    def output(self, size: Pair) -> Pair:
        """Output (height, width) for an input of that size."""
        spans = zip(size, self.before, self.after, self.kernel, self.dilations, self.strides, strict=True)
        height, width = (
            (length + low + high - extent_of(kernel, dilation)) // stride + 1
            for length, low, high, kernel, dilation, stride in spans
        )
        return height, width

    def same_on(self, size: Pair) -> Embedding | None:
        """Windows of SAME that are this window's on an image of that size, whose padding is not counted."""
        rows, columns = (self._same_along(axis, size[axis], self.output(size)[axis]) for axis in range(2))
        if rows is None or columns is None:
            return None
        return Embedding(*((row, column) for row, column in zip(rows, columns, strict=True)))

    def _same_along(self, axis: int, size: int, count: int) -> tuple[int, int, int, int, int] | None:
        """An Embedding for one axis, of `count` windows; with a stride of 1 where no larger image has them."""
        before, step = self.before[axis], self.strides[axis]
        extent = extent_of(self.kernel[axis], self.dilations[axis])
        reads_padding = (count - 1) * step + extent - before > size
        for stride in dict.fromkeys((step, 1)):
            for length in range(size, size + (1 if reads_padding else stride)):
                windows = -(-length // stride)
                outside = max((windows - 1) * stride + extent - length, 0) // 2
                first, uneven = divmod(outside - before, stride)
                if not uneven and first >= 0 and first + (count - 1) * (step // stride) < windows:
                    return length, windows, stride, first, step // stride
        return None


@dataclass(frozen=True)
class Embedding:
    """SAME on an image that has become larger at its ends; of its windows some are wanted.

    size: of the image; windows: how many SAME has with `strides`; first: the first one wanted, and `steps` how far the
    next ones are, all (height, width).
    """

    size: Pair
    windows: Pair
    strides: Pair
    first: Pair
    steps: Pair


def read_window(node: Node, attributes: Attributes, shape: Shape, kernel: Pair | None) -> Window:
    """The window of a node on an input [batch, channels, height, width]; `kernel` where the weights tell it."""
    if len(shape) != 4:
        raise UnsupportedError(f"{node}: the input has {len(shape)} dimensions; supported: 4 (images)")
    pairs = {}
    for name, default in (("kernel_shape", kernel), ("strides", (1, 1)), ("dilations", (1, 1))):
        values = attributes.integers(name, default)
        if values is None or len(values) != 2 or min(values) < 1:
            raise ModelError(f"{node}: attribute {name!r} is {values}, expected two positive numbers")
        pairs[name] = (values[0], values[1])
    if kernel is not None and pairs["kernel_shape"] != kernel:
        raise ModelError(f"{node}: attribute 'kernel_shape' differs from the weights'")
    pads = attributes.integers("pads", (0, 0, 0, 0))
    if pads is None or len(pads) != 4 or min(pads) < 0:
        raise ModelError(f"{node}: attribute 'pads' is {pads}, expected four numbers, none negative")
    window = Window(pairs["kernel_shape"], pairs["strides"], pairs["dilations"], (pads[0], pads[1]), (pads[2], pads[3]))
    size = (shape[2], shape[3])
    window = _auto_padded(window, attributes.text("auto_pad", "NOTSET"), size, node)
    if attributes.integer("ceil_mode", 0):
        window = _ceiled(window, size)
    if min(window.output(size)) < 1:
        raise ModelError(f"{node}: its window does not fit {list(size)}")
    return _within(window, size, node)


def _within(window: Window, size: Pair, node: Node) -> Window:
    """The same with strides and dilations no larger than the padded image, beyond which they change nothing."""
    height, width = (sum(sides) for sides in zip(size, window.before, window.after, strict=True))
    check_shape((height, width), f"{node}: the padded image")
    strides = (min(window.strides[0], height), min(window.strides[1], width))
    dilations = (min(window.dilations[0], height), min(window.dilations[1], width))
    return replace(window, strides=strides, dilations=dilations)


def _auto_padded(window: Window, mode: str, size: Pair, node: Node) -> Window:
    if mode in ("NOTSET", "VALID"):
        return window
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise ModelError(f"{node}: attribute 'auto_pad' is {mode!r}, expected NOTSET, VALID or SAME_…")
    first, last = [], []
    for axis in range(2):
        count = -(-size[axis] // window.strides[axis])
        total = surplus(size[axis], count, window.kernel[axis], window.strides[axis], window.dilations[axis])
        small, large = total // 2, total - total // 2
        first.append(small if mode == "SAME_UPPER" else large)
        last.append(large if mode == "SAME_UPPER" else small)
    return replace(window, before=(first[0], first[1]), after=(last[0], last[1]))


def _ceiled(window: Window, size: Pair) -> Window:
    """Padding at the end for a last window that is only partly inside, unless it would start outside."""
    after = list(window.after)
    for axis in range(2):
        stride = window.strides[axis]
        extent = extent_of(window.kernel[axis], window.dilations[axis])
        left = size[axis] + window.before[axis] + window.after[axis] - extent
        starts = -(-left // stride)
        if starts * stride >= size[axis] + window.before[axis]:
            starts -= 1
        after[axis] += max(starts * stride - left, 0)
    extra = (after[0] - window.after[0], after[1] - window.after[1])
    return replace(window, after=(after[0], after[1]), extra=extra)
