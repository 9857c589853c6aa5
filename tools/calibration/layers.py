"""Synthetic layers to calibrate with: every operator in many shapes, every method in many densities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tests.support.models import ModelBuilder
from wpconvert.codecs import STANDALONE, encode
from wpconvert.errors import ModelError
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.rewrite import rewrite
from wpconvert.formats.tflite.schema import options
from wpconvert.formats.tflite.weights import rewritable_weights
from wpconvert.graph.custom.elementwise import matrix_of
from wpconvert.model.layer import PLAIN
from wpconvert.model.plan import Outcome, encoded

SIZES = (
    (1, 1), (1, 1), (1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3), (4, 4), (4, 4), (5, 5), (6, 6), (7, 7), (8, 8),
    (8, 8), (9, 9), (10, 10), (12, 12), (12, 12), (14, 14), (16, 16), (16, 16), (24, 24), (32, 32), (48, 48),
    (1, 9), (1, 25), (5, 3), (13, 3), (25, 5), (25, 5), (49, 10), (10, 25),
)  # fmt: skip
"""Images of trained networks, and some between them."""
FEW = ((1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (2, 2), (2, 3), (2, 4), (3, 3), (3, 4))
CHANNELS = (3, 8, 10, 12, 16, 24, 27, 32, 40, 48, 64, 64, 72, 96, 100, 128, 144, 160, 172, 192, 200, 256, 276, 320, 384)
MANY = (480, 576, 576, 960, 960, 1280)
"""Channels at the end of MobileNets, where images are small."""
COLUMNS = (10, 32, 64, 64, 128, 128, 256, 276, 490, 640, 640, 1280, 1960, 4000, 10320)
UNITS = (1, 2, 3, 8, 10, 12, 12, 32, 64, 128, 128, 256, 640)
KERNELS = ((3, 3),) * 6 + ((5, 5), (10, 4), (10, 4), (1, 3), (3, 1), (2, 2), (7, 7))
MAX_PRODUCTS = 1_500_000
MAX_WEIGHTS = 74_000
LARGE = 6
"""One layer in six may be so many times larger."""
MODEL_INPUTS = 1_500_000
MODEL_WEIGHTS = 1_500_000
MODEL_LAYERS = 150
ZERO_POINT = -128
"""Of activations, as after a ReLU: where it is not 0, it is taken out of plain weights each time."""
SPREAD = 0.7
"""By how much layers of a model differ in size, as the logarithm's deviation: smaller ones may take spare memory."""

Add = Callable[[ModelBuilder, NDArray[np.int8] | None, int], int]


@dataclass(frozen=True)
class Sample:
    """A layer to measure. `add(builder, weights, input)` appends it; `scale` is the input's."""

    add: Add
    input_shape: tuple[int, ...]
    weights: NDArray[np.int8] | None = None
    method: str = PLAIN
    dtype: str = "int8"


def weights_of(
    generator: np.random.Generator, shape: tuple[int, ...], density: float, scale: float | None = None
) -> NDArray[np.int8]:
    """Weights as training leaves them: Laplace distributed, the smallest pruned. scale: one of several where None."""
    values = generator.laplace(0, scale or generator.choice((0.7, 2, 8, 20, 30)), shape)
    cut = np.quantile(np.abs(values), 1 - density)
    rounded = np.clip(np.where(values < 0, np.floor(values), np.ceil(values)), -127, 127)
    return np.where(np.abs(values) >= cut, rounded, 0).astype(np.int8)


def encodable(values: NDArray[np.int8], method: str, row_dims: int = 1) -> NDArray[np.int8]:
    """The same weights, halved until the method holds them; zeros stay where they are."""
    while method != PLAIN:
        try:
            encode(method, values, row_dims)
        except ModelError:
            values = (np.sign(values) * np.maximum(np.abs(values) // 2, np.abs(values) > 0)).astype(np.int8)
            continue
        break
    return values


def methods() -> tuple[str, ...]:
    """What weights can be stored as."""
    return (PLAIN, *STANDALONE)


def weighted(seed: int, count: int) -> Iterator[Sample]:
    """For every method, `count` layers of each kind of convolution, fewer of the other operators that have weights.

    Of plain weights twice as many.
    """
    for number, method in enumerate(methods()):
        generator = np.random.default_rng((seed, number))
        for index in range(count * 2 if method == PLAIN else count):
            yield _conv(generator, method, pointwise=True)
            yield _conv(generator, method, pointwise=False)
            if index % 3 == 0:
                yield _conv(generator, method, pointwise=index % 2 == 0, few=True)
            yield _depthwise(generator, method)
            if index % 2 == 0:
                yield _fully_connected(generator, method)
            if index % 5 == 0 and method != PLAIN:
                yield _elementwise(generator, method, "ADD")
                yield _elementwise(generator, method, "MUL")


def _density(generator: np.random.Generator) -> float:
    return float(generator.choice((generator.uniform(0.02, 0.3), generator.uniform(0.02, 1.0), 1.0), p=(0.4, 0.4, 0.2)))


def _scales(channels: int) -> NDArray[np.float32]:
    return np.linspace(0.002, 0.004, channels, dtype=np.float32)


def _size(generator: np.random.Generator) -> tuple[int, int]:
    height, width = SIZES[int(generator.integers(len(SIZES)))]
    return height, width


def _kernel(generator: np.random.Generator, kernels: Sequence[tuple[int, int]]) -> tuple[int, int]:
    height, width = kernels[int(generator.integers(len(kernels)))]
    return height, width


def grouped(seed: int, count: int) -> Iterator[Sample]:
    """Very sparse rows of many columns times few pixels, which Helium multiplies in groups of stored elements."""
    for number, method in enumerate(("rle", "dcsr")):
        generator = np.random.default_rng((seed, number))
        for _ in range(count):
            yield _conv(generator, method, pointwise=True, few=True, sparse=True)


def without_channels(seed: int, count: int) -> Iterator[Sample]:
    """Layers that leave some input channels out, whose columns Huffman does not store."""
    generator = np.random.default_rng((seed, 2))
    for _ in range(count):
        for made in (
            _conv(generator, "huffman", pointwise=True),
            _conv(generator, "huffman", pointwise=False),
            _fully_connected(generator, "huffman"),
        ):
            if made.weights is None:
                continue
            values = made.weights.copy()
            channels = values.shape[-1]
            # Fully connected layers may follow an image: its channels come again for every pixel.
            pixels = int(generator.choice((1, 2, 5))) if values.ndim == 2 and channels % 10 == 0 else 1
            left_out = generator.random(channels // pixels) < generator.uniform(0.05, 0.6)
            values[..., np.tile(left_out, pixels)] = 0
            yield replace(made, weights=values)


def _conv(
    generator: np.random.Generator, method: str, pointwise: bool, few: bool = False, sparse: bool = False
) -> Sample:
    """few: pixels, for which cores have ways of their own."""
    most = LARGE if generator.random() < 1 / LARGE else 1
    while True:
        height, width = FEW[int(generator.integers(len(FEW)))] if few else _size(generator)
        if sparse and generator.random() < 0.5:
            height, width = 4, 4
        kernel = (1, 1) if pointwise else _kernel(generator, KERNELS)
        narrow = not pointwise and not few and generator.random() < 0.8
        choices = (
            MANY
            if sparse
            else (1, 1, 1, 3, 3, *CHANNELS[:12])
            if narrow
            else (*CHANNELS, *MANY)
            if few and pointwise
            else CHANNELS
        )
        depth = int(generator.choice(choices))
        channels = int(generator.choice(CHANNELS))
        step = 2 if generator.random() < (0.1 if pointwise else 0.3) else 1
        groups = 1
        dilation = 1
        if not pointwise and generator.random() < 0.12:
            dilation = 2
        elif not pointwise and depth % 2 == 0 and channels % 2 == 0 and generator.random() < 0.15:
            groups = 2
        cols = kernel[0] * kernel[1] * depth // groups
        pixels = -(-height // step) * -(-width // step)
        products = pixels * cols * channels
        if cols * channels > 2 * MAX_WEIGHTS or cols < 8:
            continue
        if products <= MAX_PRODUCTS if most == 1 else MAX_PRODUCTS < products <= LARGE * MAX_PRODUCTS:
            break
    bias = generator.integers(-2000, 2000, channels)
    density = float(generator.uniform(0.02, 0.15)) if sparse else _density(generator)
    weights = weights_of(generator, (channels, *kernel, depth // groups), density)

    def add(builder: ModelBuilder, values: NDArray[np.int8] | None, x: int) -> int:
        assert values is not None
        return builder.conv2d(
            x, values, bias, stride=(step, step), dilation=(dilation, dilation), scale=0.1, zero_point=ZERO_POINT,
            weight_scales=_scales(channels), activation="RELU",
        )  # fmt: skip

    return Sample(add, (1, height, width, depth), encodable(weights, method), method)


def _depthwise(generator: np.random.Generator, method: str) -> Sample:
    kind = generator.choice(("one", "two", "other", "multiplied"))
    while True:
        height, width = _size(generator)
        kernel = (3, 3)
        if kind == "other" or generator.random() < 0.1:
            kernel = _kernel(generator, KERNELS[6:])
        step = 2 if kind == "two" or (kind in ("other", "multiplied") and generator.random() < 0.3) else 1
        channels = int(generator.choice(CHANNELS))
        depth = channels
        if kind == "multiplied":
            depth = int(generator.choice((1, 1, 3, 8, 16, 32)))
            channels = depth * int(generator.choice((2, 3, 4, 8, 8, 16, 64)))
            if channels > max(CHANNELS):
                continue
        if height * width * channels * kernel[0] * kernel[1] // (step * step) <= MAX_PRODUCTS // 3:
            break
    bias = generator.integers(-2000, 2000, channels)
    weights = weights_of(generator, (1, *kernel, channels), _density(generator))

    def add(builder: ModelBuilder, values: NDArray[np.int8] | None, x: int) -> int:
        assert values is not None
        return builder.depthwise(
            x, values, bias, stride=(step, step), scale=0.1, zero_point=ZERO_POINT, weight_scales=_scales(channels),
            activation="RELU",
        )  # fmt: skip

    return Sample(add, (1, height, width, depth), encodable(weights, method, row_dims=3), method)


def _fully_connected(generator: np.random.Generator, method: str) -> Sample:
    while True:
        depth, units = int(generator.choice(COLUMNS)), int(generator.choice(UNITS))
        if depth * units <= 2 * MAX_WEIGHTS:
            break
    batch = int(generator.choice((1, 1, 1, 2, 5)))
    bias = generator.integers(-2000, 2000, units)
    weights = weights_of(generator, (units, depth), _density(generator))

    def add(builder: ModelBuilder, values: NDArray[np.int8] | None, x: int) -> int:
        assert values is not None
        return builder.fully_connected(x, values, bias, scale=0.1, weight_scales=0.003)

    return Sample(add, (batch, depth), encodable(weights, method), method)


def _elementwise(generator: np.random.Generator, method: str, name: str) -> Sample:
    """ADD or MUL of a constant that the last dimensions of the activation repeat."""
    height, width = _size(generator)
    channels = int(generator.choice(CHANNELS))
    shape = (height, width, channels)[int(generator.integers(3)) :]
    values = encodable(matrix_of(weights_of(generator, shape, _density(generator))), method).reshape(shape)

    def add(builder: ModelBuilder, constant: NDArray[np.int8] | None, x: int) -> int:
        assert constant is not None
        inputs = [x, builder.constant(constant, 0.1, 3)]
        output = builder.tensor(builder.shape(x), "int8", 0.15, 1)
        return builder.op(name, inputs, [output], options(f"{name.capitalize()}Options"))

    return Sample(add, (1, height, width, channels), values, method)


def models(samples: Iterator[Sample], seed: int) -> Iterator[bytes]:
    """`.tflite` files that hold the samples, those of about the same size together."""
    generator = np.random.default_rng(seed)
    order = list(samples)
    keys = [np.log(np.prod(sample.input_shape)) + SPREAD * generator.normal() for sample in order]
    part: list[Sample] = []
    sizes = [0, 0]
    for index in np.argsort(keys, kind="stable"):
        sample = order[index]
        floats = int(np.prod(sample.input_shape)) if sample.dtype != "int8" else 0
        more = [floats, 0 if sample.weights is None else sample.weights.size]
        if part and (
            sizes[0] + more[0] > MODEL_INPUTS or sizes[1] + more[1] > MODEL_WEIGHTS or len(part) == MODEL_LAYERS
        ):
            yield build(part)
            part, sizes = [], [0, 0]
        part.append(sample)
        sizes = [a + b for a, b in zip(sizes, more, strict=True)]
    if part:
        yield build(part)


def build(samples: Sequence[Sample]) -> bytes:
    """A model with the operator of each sample, weights stored as the samples say.

    Activations of several are a piece of an input, cut out before each operator: they live as long as those of a
    network do.
    """
    builder = ModelBuilder("calibration")
    stored: dict[str, str] = {}
    sources: dict[int, int] = {}
    for index, sample in enumerate(samples):
        if sample.dtype == "int8":
            zero_point = 0 if sample.weights is None else ZERO_POINT
            if len(samples) > 1 and zero_point not in sources:
                sizes = [int(np.prod(s.input_shape)) for s in samples if (s.weights is None) == (zero_point == 0)]
                sources[zero_point] = builder.input((1, max(sizes)), 0.05, zero_point)
            if len(samples) > 1:
                x = _piece(builder, sources[zero_point], sample.input_shape)
            else:
                x = builder.input(sample.input_shape, 0.05, zero_point)
        else:
            x = builder.input(sample.input_shape, None, dtype=sample.dtype)
        y = sample.add(builder, sample.weights, x)
        if sample.method != PLAIN:
            operator = builder.graph.operators[-1]
            stored[f"0:{int(operator.inputs[1])}"] = sample.method
        if index == len(samples) - 1:
            builder.output(y)
    model = parse(builder.to_bytes())
    outcomes = []
    for weight in rewritable_weights(model):
        method = stored.get(weight.key, PLAIN)
        if method != PLAIN:
            outcomes.append(Outcome(weight, method, encoded(weight, method)))
    rewrite(model, outcomes, strip=True)
    return serialise(model)


def _piece(builder: ModelBuilder, source: int, shape: tuple[int, ...]) -> int:
    """The first elements of the input, in this shape."""
    count = int(np.prod(shape))
    ends = [builder.constant(np.asarray(values, np.int32)) for values in ([0, 0], [1, count], [1, 1])]
    cut = builder.op(
        "STRIDED_SLICE", [source, *ends], [builder.like(source, (1, count))], options("StridedSliceOptions")
    )
    return builder.reshape(cut, shape)
