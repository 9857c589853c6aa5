"""The reference interpreter and the device's code accept the same options, however they are damaged."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers

from tests.support.models import ModelBuilder
from tests.tflite.harness import converted, forced, sparse
from tools.fuzz import damaged, poolable
from wpconvert import _native
from wpconvert.errors import ModelError
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.schema import ActivationFunctionType, options
from wpconvert.graph.custom.operators import BUILTIN_NAMES
from wpconvert.reference.interpreter import Interpreter

CASES = 150
VALUES: tuple[Any, ...] = (
    0,
    1,
    -1,
    8,
    1 << 31,
    1.5,
    True,
    "SAME",
    "RELU",
    "TANH",
    "",
    b"\xff",
    [],
    [1],
    [1, 1],
    [1] * 5,
    {},
)


def _layers() -> bytes:
    """An operator of each kind with options other than the default."""
    b = ModelBuilder()
    x = b.input((1, 5, 9, 3), 0.1, 3)
    y = b.conv2d(x, sparse(1, (4, 3, 2, 3)), scale=0.3, weight_scales=0.01, stride=(2, 1), activation="RELU6")
    z = b.depthwise(y, sparse(2, (1, 3, 3, 8)), scale=0.4, weight_scales=0.01, dilation=(1, 2), padding="VALID")
    clamp = ActivationFunctionType.RELU_N1_TO_1
    for name in ("ADD", "MUL"):
        constant = b.constant(sparse(3, (8,), 0.2), 0.1, 0)
        z = b.op(
            name, [z, constant], [b.like(z)], options(f"{name.capitalize()}Options", fusedActivationFunction=clamp)
        )
    b.output(z, b.fully_connected(y, sparse(5, (7, 4)), scale=0.9, weight_scales=0.01, keep_dims=True))
    return b.to_bytes()


@cache
def _model(name: str) -> bytes:
    if name == "pool":
        return converted(poolable(), "pool", options={"pool_size": 5, "act_bits": 3, "lut_bits": 4}).data
    return forced(_layers(), "rle", strip=name == "stripped")


def _ours(model: TfliteModel) -> list[Any]:
    return [
        operator for operator in model.root.subgraphs[0].operators if model.operator_name(operator) in BUILTIN_NAMES
    ]


def _with_options(data: bytes, change: Callable[[bytes], bytes], rng: random.Random) -> bytes:
    """The model with the options of one of its operators changed."""
    model = parse(data)
    operator = rng.choice(_ours(model))
    operator.customOptions = np.frombuffer(change(bytes(operator.customOptions)), np.uint8)
    return serialise(model)


def _verdicts(data: bytes) -> tuple[str | None, str | None]:
    """What the reference interpreter and the native engine say against it."""
    found: list[str | None] = [None, None]
    try:
        Interpreter(read_graph(parse(data)))
    except ModelError as error:
        found[0] = str(error)
    try:
        _native.Interpreter(data)
    except _native.Error as error:
        found[1] = str(error)
    return found[0], found[1]


def _respelled(raw: bytes) -> Iterator[bytes]:
    """The map with other values, and in other forms of the same values, and with more of both."""
    fields = flexbuffers.Loads(raw)
    for key in (
        *fields,
        "activation",
        "padding",
        "stride",
        "dilation",
        "depth_multiplier",
        "keep_num_dims",
        "act_bits",
    ):
        for value in VALUES:
            yield bytes(flexbuffers.Dumps({**fields, key: value}))
    yield bytes(flexbuffers.Dumps({**fields, "later": "x" * 5000}))
    yield raw.replace(b"stride", b"xtride")
    yield raw.replace(b"version", b"versiox")


def _assert_agree(data: bytes, what: Any) -> bool:
    reference, native = _verdicts(data)
    assert (reference is None) == (native is None), f"{what}: reference {reference}, native {native}"
    return reference is None


@pytest.mark.parametrize("name", ["layers", "stripped", "pool"])
def test_both_readers_accept_the_same_damaged_options(name: str) -> None:
    accepted = []
    for case in range(CASES):
        rng = random.Random(f"{name}/{case}")
        accepted.append(_assert_agree(_with_options(_model(name), lambda raw: damaged(raw, rng), rng), case))  # noqa: B023
    assert CASES // 20 < sum(accepted) < CASES


def test_both_readers_accept_the_same_values() -> None:
    model = parse(_model("layers"))
    accepted = 0
    for operator in _ours(model):
        before = operator.customOptions
        for raw in _respelled(bytes(before)):
            operator.customOptions = np.frombuffer(raw, np.uint8)
            accepted += _assert_agree(serialise(model), flexbuffers.Loads(raw))
        operator.customOptions = before
    assert accepted > 20
