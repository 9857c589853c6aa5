"""Models that are converted and verified, but that the bundled runtime has no operator for: it says which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.harness import Cli
from tests.support.models import ModelBuilder
from tests.tflite.harness import sparse
from wpconvert.engines import ENGINES
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.schema import options
from wpconvert.target.image import missing_operators


def uint8_ends() -> bytes:
    """A network of int8 whose input and output are uint8, as TFLite's converter makes them on request."""
    b = ModelBuilder()
    x = b.input((1, 64), 0.5, 128, dtype="uint8")
    inner = b.op("QUANTIZE", [x], [b.tensor((1, 64), "int8", 0.5, 0)], options("QuantizeOptions"), version=2)
    y = b.fully_connected(inner, sparse(1, (64, 64), 0.95), scale=0.7, weight_scales=0.02)
    b.output(b.op("QUANTIZE", [y], [b.tensor((1, 64), "uint8", 0.7, 128)], options("QuantizeOptions"), version=2))
    return b.to_bytes()


def dilated_by_batches() -> bytes:
    """A dilated convolution as Keras exports it."""
    b = ModelBuilder()
    x = b.input((1, 1, 8, 16), 0.5)
    block, pads = b.constant(np.array([2], np.int32)), b.constant(np.array([[2, 2]], np.int32))
    crops = b.constant(np.array([[0, 0]], np.int32))
    signal = b.op("RESHAPE", [x, b.constant(np.array([1, 8, 16], np.int32))], [b.like(x, (1, 8, 16))])
    batches = b.op("SPACE_TO_BATCH_ND", [signal, block, pads], [b.like(x, (2, 6, 16))])
    image = b.op("RESHAPE", [batches, b.constant(np.array([2, 1, 6, 16], np.int32))], [b.like(x, (2, 1, 6, 16))])
    y = b.conv2d(image, sparse(1, (32, 1, 3, 16), 0.95), np.zeros(32), scale=0.4, weight_scales=0.02, padding="VALID")
    flat = b.op("RESHAPE", [y, b.constant(np.array([2, 4, 32], np.int32))], [b.like(y, (2, 4, 32))])
    b.output(b.op("BATCH_TO_SPACE_ND", [flat, block, crops], [b.like(y, (1, 8, 32))]))
    return b.to_bytes()


@pytest.mark.parametrize("build", [uint8_ends, dilated_by_batches])
def test_they_are_converted_and_verified_in_litert(build: Callable[[], bytes], cli: Cli, tmp_path: Path) -> None:
    source = tmp_path / "model.tflite"
    source.write_bytes(build())
    done = cli.ok(source, "-m", "dcsr", "-o", tmp_path / "out.tflite")
    assert "verified: identical outputs" in done.out and "litert engine" in done.out
    assert "1 of 1 tensors rewritten" in done.out


def test_the_runtime_names_the_operator_whose_type_it_lacks() -> None:
    (line,) = ENGINES["native"].unsupported(parse(uint8_ends()))
    assert line == "operator 0 (QUANTIZE): the input is UINT8, supported are FLOAT32 and INT8"


def test_no_board_is_tried_for_an_operator_that_none_has(cli: Cli, tmp_path: Path) -> None:
    source = tmp_path / "model.tflite"
    source.write_bytes(dilated_by_batches())
    assert missing_operators(parse(source.read_bytes()).graph) == ["BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND"]
    line = cli.refused(4, "run", source, "--target", "mps2-m4")
    assert "the runtime does not support the operators BATCH_TO_SPACE_ND, SPACE_TO_BATCH_ND, so no board" in line
