"""What a small random ONNX model is like: the place, type and storage of its weight, and how it is converted."""

from __future__ import annotations

import random
from dataclasses import dataclass

from wpconvert.formats.onnx.draft import METHODS as ONNX_METHODS
from wpconvert.model.rules import AUTO

TYPES = ("int8", "uint8", "int4", "uint4", "float32", "float16", "bfloat16", "float64", "float8_e4m3fn", "int2")
FORMS = ("plain", "transpose", "reshape", "identity", "dequantize", "per_channel", "blocked")
PLACES = (
    *("main", "shared", "across", "output", "input", "function", "annotated", "trained"),
    *("if", "loop", "scan", "nested", "shadowed", "constant", "constants"),
)
STORAGES = (
    *("raw", "typed", "one file", "two files", "gaps", "overlapping", "identical", "no length"),
    *("twins", "folder"),
)
NAMES = ("w", "a b", "layer/0/w", "Ünï", "quote\"'", "x" * 300, "new\nline", "{}", "0", "[bold]")
METHODS = (AUTO, *ONNX_METHODS)
DOMAINS = (*("",) * 9, "ai.onnx")
LEAST_OPSET = {
    "int4": 21,
    "uint4": 21,
    "bfloat16": 13,
    "float8_e4m3fn": 19,
    "int2": 25,
    "blocked": 21,
    "per_channel": 13,
}
"""That has the type, or the form."""
LEAST_IR = {"int4": 10, "uint4": 10, "float8_e4m3fn": 9, "int2": 13, "function": 8, "trained": 7}


@dataclass(frozen=True)
class Case:
    """One model and one conversion. rows, cols: of the weight. zeros: share of them. bits: any, NaNs too."""

    dtype: str
    form: str
    place: str
    storage: str
    name: str
    method: str
    opset: int
    ir_version: int
    rows: int
    cols: int
    zeros: float
    domain: str = ""
    bits: bool = False
    seed: int = 0

    @property
    def is_real(self) -> bool:
        """Whether such a model is one that the format allows."""
        if self.form in ("dequantize", "per_channel", "blocked") and self.dtype not in QUANTISED:
            return False
        if self.ir_version < 4 and self.place in ("if", "loop", "scan", "nested", "shadowed"):
            # There, initializers have to be inputs, and bodies have no others than those of their operator.
            return False
        return all(
            self.opset >= LEAST_OPSET.get(kind, 0) and self.ir_version >= LEAST_IR.get(kind, 0)
            for kind in (self.dtype, self.form, self.place)
        )


QUANTISED = ("int8", "uint8", "int4", "uint4")


def random_case(rng: random.Random) -> Case:
    """A case that is real."""
    while True:
        large = rng.random() < 0.6
        case = Case(
            rng.choice(TYPES[:6] if rng.random() < 0.9 else TYPES[6:]),
            rng.choice(FORMS),
            rng.choice(PLACES),
            rng.choice(STORAGES),
            rng.choice(NAMES),
            rng.choice(METHODS),
            rng.randrange(11, 27),
            rng.choice((3, 4, 7, 8, 9, 10, 11, 12, 13)),
            rng.choice((128, 168)) if large else rng.randrange(1, 40),
            rng.choice((120, 200)) if large else rng.randrange(1, 40),
            rng.choice((0.0, 0.5, 0.8, 0.95, 1.0)),
            rng.choice(DOMAINS),
            rng.random() < 0.2,
            rng.randrange(1 << 16),
        )
        if case.is_real:
            return case
