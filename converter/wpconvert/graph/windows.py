"""Where windows lie on an image, along one axis."""

from __future__ import annotations


def extent_of(window: int, dilation: int) -> int:
    """Elements from the first tap of a window to its last."""
    return (window - 1) * dilation + 1


def surplus(size: int, output: int, window: int, stride: int, dilation: int = 1) -> int:
    """Elements that `output` windows need beside the `size` that there are: SAME padding.

    The first half of them, rounded down, lies in front of the image.
    """
    return max((output - 1) * stride + extent_of(window, dilation) - size, 0)


def is_same(size: int, sides: tuple[int, int], output: int, window: int, stride: int, dilation: int) -> bool:
    """Whether `output` windows on `size` elements that are padded at both sides read what SAME gives them.

    Padding after the last window is never read.
    """
    total = surplus(size, output, window, stride, dilation)
    return output == -(-size // stride) and sides[0] == total // 2 and sides[1] >= total - total // 2
