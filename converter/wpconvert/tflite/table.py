"""The requantisation table of a rewritten operator (docs/FORMAT.md, "Requantisation table")."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError

MAGIC = b"WPRQ"
VERSION = 2
MAX_CHANNELS = 1 << 26
_HEADER = struct.Struct("<4sBBBBBbbbbbHIii")
_HAS_BIAS, _PER_TENSOR = 1, 2
_TAIL_NBYTES = 4
_MIN_SHIFT, _MAX_SHIFT = -31, 30


@dataclass(frozen=True)
class RequantTable:
    """All that turns int32 accumulators of Σ w·x into int8 outputs, without float arithmetic.

    bias: int32[channels], the original bias minus input_zero_point · Σ w, modulo 2^32.
    multiplier, shift: int32 and int8, [channels] or [1]; Q31 multiplier, power of two exponent (positive: left).
    has_bias: whether the original operator had a bias tensor.
    """

    bias: NDArray[np.int32]
    multiplier: NDArray[np.int32]
    shift: NDArray[np.int8]
    input_zero_point: int
    output_zero_point: int
    activation_min: int
    activation_max: int
    has_bias: bool

    @property
    def channels(self) -> int:
        return len(self.bias)

    def pack(self) -> NDArray[np.uint8]:
        """The table's bytes: a header of 28, then biases, multipliers and shifts in as few bits as they need."""
        per_tensor = len(self.multiplier) < self.channels
        bias, bias_base, bias_width = _fields(self.bias, 1 << 31)
        multiplier, multiplier_base, multiplier_width = _fields(self.multiplier, 1 << 31)
        shift, shift_base, shift_width = _fields(self.shift, 1 << 7)
        header = _HEADER.pack(
            MAGIC,
            VERSION,
            (_HAS_BIAS if self.has_bias else 0) | (_PER_TENSOR if per_tensor else 0),
            bias_width,
            multiplier_width,
            shift_width,
            shift_base,
            self.input_zero_point,
            self.output_zero_point,
            self.activation_min,
            self.activation_max,
            0,
            self.channels,
            bias_base,
            multiplier_base,
        )
        return np.frombuffer(header + bias + multiplier + shift + bytes(_TAIL_NBYTES), np.uint8)


def _fields(values: NDArray[np.signedinteger], limit: int) -> tuple[bytes, int, int]:
    """Values as base + unsigned fields: bytes of the fields, base, bits of a field. base + 2^bits is at most limit."""
    wide = values.astype(np.int64)
    width = int(wide.max() - wide.min()).bit_length()
    base = min(int(wide.min()), limit - (1 << width))
    bits = (wide - base)[:, None] >> np.arange(width) & 1
    return np.packbits(bits.astype(np.uint8), bitorder="little").tobytes(), base, width


def _fields_nbytes(count: int, width: int) -> int:
    return (count * width + 7) // 8


def _read_fields(raw: NDArray[np.uint8], at: int, count: int, width: int, base: int) -> NDArray[np.int64]:
    """`count` fields from byte `at` on, int64[count]."""
    stream = raw[at : at + _fields_nbytes(count, width)]
    bits = np.unpackbits(stream, count=count * width, bitorder="little").reshape(count, width)
    return base + bits.astype(np.int64) @ (1 << np.arange(width, dtype=np.int64))


def unpack(raw: NDArray[np.uint8]) -> RequantTable:
    """Read a table, uint8[nbytes]; ModelError when magic, version, counts, ranges or length are wrong."""
    if raw.nbytes < _HEADER.size:
        raise ModelError(f"requantisation table: {raw.nbytes} bytes, shorter than its {_HEADER.size}-byte header")
    header = _HEADER.unpack(raw[: _HEADER.size].tobytes())
    magic, version, flags, bias_width, multiplier_width, shift_width, shift_base = header[:7]
    in_zero, out_zero, low, high, reserved, channels, bias_base, multiplier_base = header[7:]
    if magic != MAGIC:
        raise ModelError(f"requantisation table: magic {magic!r}, expected {MAGIC!r}")
    if version != VERSION:
        raise ModelError(f"requantisation table: version {version}, this tool reads {VERSION}; use a newer wpconvert")
    if flags & ~(_HAS_BIAS | _PER_TENSOR) or reserved or not 1 <= channels <= MAX_CHANNELS or low > high:
        raise ModelError(
            f"requantisation table: flags {flags:#x}, {channels} channels, activation {low} to {high} are not "
            "consistent"
        )
    if bias_width > 32 or multiplier_width > 31 or shift_width > 6:
        raise ModelError(f"requantisation table: fields of {bias_width}, {multiplier_width} and {shift_width} bits")
    if multiplier_base < 0 or multiplier_base + (1 << multiplier_width) > 1 << 31:
        raise ModelError("requantisation table: multipliers must lie in 0 to 2^31 − 1")
    multipliers = 1 if flags & _PER_TENSOR else channels
    multiplier_at = _HEADER.size + _fields_nbytes(channels, bias_width)
    shift_at = multiplier_at + _fields_nbytes(multipliers, multiplier_width)
    nbytes = shift_at + _fields_nbytes(multipliers, shift_width) + _TAIL_NBYTES
    if raw.nbytes != nbytes:
        raise ModelError(f"requantisation table: {raw.nbytes} bytes, {channels} channels need {nbytes}")
    shift = _read_fields(raw, shift_at, multipliers, shift_width, shift_base)
    if int(shift.min()) < _MIN_SHIFT or int(shift.max()) > _MAX_SHIFT:
        raise ModelError("requantisation table: shifts must lie in −31 to 30")
    return RequantTable(
        _read_fields(raw, _HEADER.size, channels, bias_width, bias_base).astype(np.int32),
        _read_fields(raw, multiplier_at, multipliers, multiplier_width, multiplier_base).astype(np.int32),
        shift.astype(np.int8),
        in_zero,
        out_zero,
        low,
        high,
        bool(flags & _HAS_BIAS),
    )
