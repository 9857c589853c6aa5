"""Cases for gemm_cases.c: random layers, or the layers of the speed table, with the reference interpreter's outputs.

python kernels/tests/gemm_cases.py FILE [--count N] [--seed S] [--layers]
"""

from __future__ import annotations

import argparse
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from case_parts import few_values

from wpconvert.codecs import STANDALONE, encode
from wpconvert.graph.arithmetic import requantise
from wpconvert.graph.attributes import SAME, VALID
from wpconvert.graph.custom.table import RequantTable
from wpconvert.reference.kernels.convolution import add_bias, conv2d_accumulate, prepare_conv_weights
from wpconvert.reference.window import window_geometry

Pair = tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """One layer; `method` is "rows" (plain dense rows) or the name of a codec."""

    name: str
    x: tuple[int, int, int, int]
    kernel: Pair
    out_channels: int
    groups: int = 1
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: str = VALID
    sparsity: float = 0.0
    method: str = "rows"
    fully_connected: bool = False
    extreme: bool = False
    lowest: float = 0.0
    """The part of weights and inputs that is -128, whose products are the largest."""
    plain: bool = False
    """As most layers are: per-channel multipliers, a bias, no clamp but that of int8."""
    block_log2: int = 4


def record(layer: Layer, rng: np.random.Generator) -> bytes:
    """The layer as gemm_cases.c reads it, with random weights, input and requantisation."""
    depth = layer.x[3] // layer.groups
    shape = (layer.out_channels, *layer.kernel, depth)
    weights = rng.integers(-128, 128, shape, dtype=np.int8)
    x = rng.integers(-128, 128, layer.x, dtype=np.int8)
    if layer.lowest > 0:
        weights[rng.random(shape) < layer.lowest] = -128
        x[rng.random(layer.x) < layer.lowest] = -128
    weights[rng.random(shape) < layer.sparsity] = 0
    if layer.method == "packed":
        weights = few_values(rng, shape, 0) if not layer.plain else rng.integers(-8, 8, shape, dtype=np.int8)
    zero_point = int(rng.choice([-128, 127, 0, int(rng.integers(-128, 128))]))
    (height, width), pads = window_geometry(layer.x[1:3], layer.kernel, layer.stride, layer.padding, layer.dilation)
    filters = prepare_conv_weights(weights, x.shape[3])
    sums = conv2d_accumulate(x, filters, zero_point, layer.stride, layer.padding, layer.dilation)
    bias = rng.integers(-20000, 20000, layer.out_channels).astype(np.int32)
    if rng.random() < 0.2 and not layer.plain:
        bias[:] = 0
    multipliers = layer.out_channels if rng.random() < 0.7 or layer.plain else 1
    spread = max(1.0, float(np.abs(sums.astype(np.float64)).mean()))
    if layer.extreme:
        multiplier = rng.integers(0, 1 << 31, multipliers).astype(np.int32)
        shift = rng.integers(-31, 31, multipliers).astype(np.int8)
        bias = rng.integers(-(1 << 31), 1 << 31, layer.out_channels).astype(np.int32)
    else:
        real = rng.uniform(20, 120, multipliers) / spread
        exponent = np.floor(np.log2(real)).astype(int) + 1
        multiplier = np.clip(np.round(real / 2.0**exponent * 2**31), 1 << 30, (1 << 31) - 1).astype(np.int32)
        shift = exponent.astype(np.int8)
    output_zero_point = int(rng.integers(-128, 128))
    low, high = (-128, 127) if rng.random() < 0.6 or layer.plain else sorted(int(v) for v in rng.integers(-128, 128, 2))
    channel_sums = weights.reshape(layer.out_channels, -1).astype(np.int64).sum(axis=1)
    folded_bias = (bias - zero_point * channel_sums).astype(np.int32)
    table = RequantTable(folded_bias, multiplier, shift, zero_point, output_zero_point, low, high, True)
    y = requantise(add_bias(sums, bias), multiplier, shift.astype(np.int32), output_zero_point, low, high)
    if layer.method == "rows":
        stored = weights.reshape(-1).view(np.uint8)
    else:
        stored = encode(layer.method, weights, 1, layer.block_log2)
    batch, in_h, in_w, in_c = layer.x
    fields = [
        int(layer.fully_connected), int(layer.method != "rows"), int(layer.method != "rows" or rng.random() < 0.3),
        batch, in_h, in_w, in_c, height, width, layer.out_channels, *layer.kernel, depth,
        *layer.stride, *layer.dilation, pads.top, pads.left,
        0 if layer.plain else int(rng.choice([0, 0, 1000, 20000])), 8,
    ]  # fmt: skip
    plain = b"" if not bias.any() else bias.tobytes()
    parts = [stored.tobytes(), table.pack().tobytes(), plain, x.tobytes(), y.astype(np.int8).tobytes(), b""]
    head = struct.pack("<21i64s6I", *fields, layer.name.encode()[:63], *map(len, parts))
    return head + b"".join(parts)


def sparse_layer(rng: np.random.Generator, index: int) -> Layer:
    """A sparse convolution of many elements or many pixels, for kernels that multiply with stored elements alone."""
    depth = int(rng.choice([1, 3, 16, 17, 48, int(rng.integers(1, 500))]))
    kernel = (1, 1) if depth > 48 or rng.random() < 0.5 else (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    size = (int(rng.integers(3, 12)), int(rng.integers(3, 20)))
    method = str(rng.choice(["rle", "dcsr", "bitmap"]))
    return Layer(f"{index} sparse {kernel} {depth} {method}", (1, *size, depth), kernel, int(rng.integers(1, 40)),
                 stride=(1, 1) if rng.random() < 0.8 else (2, 2), padding=SAME, method=method,
                 sparsity=float(rng.choice([0.8, 0.9, 0.95, 0.99, 1.0])), extreme=bool(rng.random() < 0.15),
                 lowest=float(rng.choice([0.0, 0.0, 0.5, 1.0])), block_log2=int(rng.integers(0, 6)))  # fmt: skip


def random_layer(rng: np.random.Generator, index: int) -> Layer:
    """A small layer of any kind."""
    if rng.random() < 0.35:
        return sparse_layer(rng, index)
    method = str(rng.choice(["rows", "rows", *STANDALONE]))
    sparsity = float(rng.choice([0.0, 0.5, 0.8, 0.95, 0.99, 1.0]))
    extreme = bool(rng.random() < 0.15)
    block_log2 = int(rng.integers(0, 6))
    name = f"{index}"
    if rng.random() < 0.25:
        depth = int(rng.integers(1, 200 if rng.random() < 0.8 else 3000))
        batch = int(rng.choice([1, 1, 2, 5]))
        return Layer(f"{name} fc {depth} {method}", (batch, 1, 1, depth), (1, 1), int(rng.integers(1, 20)),
                     sparsity=sparsity, method=method, fully_connected=True, extreme=extreme,
                     block_log2=block_log2)  # fmt: skip
    if rng.random() < 0.4:
        depth = int(rng.integers(1, 150 if rng.random() < 0.8 else 900))
        size = (int(rng.integers(1, 7)), int(rng.integers(1, 7)))
        kernel, dilation, groups = (1, 1), (1, 1), 1
        stride = (1, 1) if rng.random() < 0.7 else (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    else:
        groups = int(rng.choice([1, 1, 1, 2, 3]))
        depth = groups * int(rng.integers(1, 40 if rng.random() < 0.3 else 20))
        kernel = (int(rng.integers(1, 6)), int(rng.integers(1, 6)))
        stride = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
        dilation = (1, 1) if rng.random() < 0.7 else (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
        height, width = (int((k - 1) * d + 1 + rng.integers(0, 8)) for k, d in zip(kernel, dilation, strict=True))
        size = (height, width)
    same = rng.random() < 0.6
    if same and rng.random() < 0.3:
        size = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    padding = SAME if same else VALID
    if not same:
        height, width = (max(s, (k - 1) * d + 1) for s, k, d in zip(size, kernel, dilation, strict=True))
        size = (height, width)
    outputs = groups * int(rng.integers(1, 24))
    batch = int(rng.choice([1, 1, 1, 2]))
    return Layer(f"{name} conv {kernel} {method}", (batch, *size, depth), kernel, outputs, groups, stride, dilation,
                 padding, sparsity, method, extreme=extreme, block_log2=block_log2)  # fmt: skip


def speed_layers() -> list[Layer]:
    """The layers that the documentation compares."""
    same = SAME
    shapes = [
        Layer("DS-CNN-L 1x1 276-276 250 px", (1, 25, 10, 276), (1, 1), 276),
        Layer("DS-CNN-L conv1 10x4x1-276", (1, 49, 10, 1), (10, 4), 276, stride=(2, 1), padding=same),
        Layer("DS-CNN-S 1x1 64-64 125 px", (1, 25, 5, 64), (1, 1), 64),
        Layer("KWS conv1 10x4x1-64", (1, 49, 10, 1), (10, 4), 64, stride=(2, 2), padding=same),
        Layer("MobileNetV2 1x1 96-576 36 px", (1, 6, 6, 96), (1, 1), 576),
        Layer("MobileNetV2 1x1 960-160 9 px", (1, 3, 3, 960), (1, 1), 160),
        Layer("MobileNetV2 1x1 320-1280 9 px", (1, 3, 3, 320), (1, 1), 1280),
        Layer("ResNet 3x3 3-16 32x32", (1, 32, 32, 3), (3, 3), 16, padding=same),
        Layer("ResNet 3x3 16-16 32x32", (1, 32, 32, 16), (3, 3), 16, padding=same),
        Layer("ResNet 3x3 64-64 8x8", (1, 8, 8, 64), (3, 3), 64, padding=same),
        Layer("VWW conv1 3x3x3-8 96x96 s2", (1, 96, 96, 3), (3, 3), 8, stride=(2, 2), padding=same),
        Layer("VWW 1x1 8-16 48x48", (1, 48, 48, 8), (1, 1), 16),
        Layer("FC 640-128", (1, 1, 1, 640), (1, 1), 128, fully_connected=True),
        Layer("FC 16560-12", (1, 1, 1, 16560), (1, 1), 12, fully_connected=True),
    ]
    layers = list(shapes)
    for shape in shapes:
        for sparsity in (0.7, 0.8, 0.9, 0.95):
            for method in ("rle", "dcsr", "bitmap"):
                name = f"{shape.name} {method}{round(sparsity * 100)}"
                layers.append(replace(shape, name=name, method=method, sparsity=sparsity))
        layers.append(replace(shape, name=f"{shape.name} packed4", method="packed"))
    return [replace(layer, plain=True) for layer in layers]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--layers", action="store_true", help="the speed table's layers instead of random ones")
    parser.add_argument("--only", default="", help="of the layers, those whose name holds this")
    arguments = parser.parse_args()
    if arguments.layers:
        # The same weights whichever layers are chosen.
        records = [
            record(layer, np.random.default_rng([arguments.seed, index]))
            for index, layer in enumerate(speed_layers())
            if arguments.only in layer.name
        ]
    else:
        rng = np.random.default_rng(arguments.seed)
        layers = [random_layer(rng, index) for index in range(arguments.count)]
        records = [record(layer, rng) for layer in layers]
    arguments.file.write_bytes(struct.pack("<2I", len(records), int(arguments.layers)) + b"".join(records))


if __name__ == "__main__":
    main()
