"""A layer with weights as an accelerator sees it: its loops."""

from __future__ import annotations

from dataclasses import dataclass, field

from wpconvert.errors import ModelError


@dataclass(frozen=True)
class Convolution:
    """A convolution over images; a fully connected layer has kernels and outputs of 1 × 1, its batch as the width.

    output, kernel, stride: (height, width). channels: of a filter. filters: of all groups. groups: equal to the filters
    of a depthwise layer, where each sees one channel. weight: the key of its weight in the model; neither it nor the
    name makes two layers different.
    """

    name: str = field(compare=False)
    output: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    channels: int
    filters: int
    groups: int = 1
    weight: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        """ModelError for sizes that no layer has."""
        sizes = (*self.output, *self.kernel, *self.stride, self.channels, self.filters, self.groups)
        if min(sizes) < 1 or self.filters % self.groups:
            raise ModelError(
                f"layer {self.name}: its shapes do not belong together: outputs {list(self.output)}, kernel "
                f"{list(self.kernel)}, stride {list(self.stride)}, {self.channels} channels, {self.filters} filters, "
                f"{self.groups} groups"
            )

    @property
    def depthwise(self) -> bool:
        """Whether a filter sees one channel of several."""
        return self.channels == 1 and self.groups > 1

    @property
    def macs(self) -> int:
        """Multiplications of one inference."""
        return self.output[0] * self.output[1] * self.kernel[0] * self.kernel[1] * self.channels * self.filters
