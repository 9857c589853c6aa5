"""The requantisation table of a rewritten operator (docs/FORMAT.md, "Requantisation table")."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError

MAGIC = b"WPRQ"
VERSION = 1
_HEADER = struct.Struct("<4sBBHIIbbbb")
_HAS_BIAS = 1


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
        """The table's bytes, uint8[20 + 4 · channels + 5 · multipliers]."""
        header = _HEADER.pack(
            MAGIC,
            VERSION,
            _HAS_BIAS if self.has_bias else 0,
            0,
            self.channels,
            len(self.multiplier),
            self.input_zero_point,
            self.output_zero_point,
            self.activation_min,
            self.activation_max,
        )
        parts = (header, self.bias.astype("<i4"), self.multiplier.astype("<i4"), self.shift.astype("i1"))
        return np.frombuffer(b"".join(bytes(part) for part in parts), np.uint8)


def nbytes_of(channels: int, multipliers: int) -> int:
    """Size of a table in bytes."""
    return _HEADER.size + 4 * channels + 5 * multipliers


def unpack(raw: NDArray[np.uint8]) -> RequantTable:
    """Read a table, uint8[nbytes]; ModelError when magic, version, counts, ranges or length are wrong."""
    if raw.nbytes < _HEADER.size:
        raise ModelError(f"requantisation table: {raw.nbytes} bytes, shorter than its {_HEADER.size}-byte header")
    header = _HEADER.unpack(raw[: _HEADER.size].tobytes())
    magic, version, flags, reserved, channels, multipliers, in_zero, out_zero, low, high = header
    if magic != MAGIC:
        raise ModelError(f"requantisation table: magic {magic!r}, expected {MAGIC!r}")
    if version != VERSION:
        raise ModelError(f"requantisation table: version {version}, this tool reads {VERSION}; use a newer wpconvert")
    if flags & ~_HAS_BIAS or reserved or channels < 1 or multipliers not in (1, channels) or low > high:
        raise ModelError(
            f"requantisation table: flags {flags:#x}, {channels} channels, {multipliers} multipliers, "
            f"activation {low} to {high} are not consistent"
        )
    if raw.nbytes != nbytes_of(channels, multipliers):
        raise ModelError(
            f"requantisation table: {raw.nbytes} bytes, {channels} channels need {nbytes_of(channels, multipliers)}"
        )
    data = raw.tobytes()
    bias = np.frombuffer(data, "<i4", channels, _HEADER.size)
    multiplier = np.frombuffer(data, "<i4", multipliers, _HEADER.size + 4 * channels)
    shift = np.frombuffer(data, "i1", multipliers, _HEADER.size + 4 * channels + 4 * multipliers)
    if int(multiplier.min()) < 0 or int(shift.min()) < -31 or int(shift.max()) > 30:
        raise ModelError("requantisation table: multipliers must not be negative, shifts lie in −31 to 30")
    return RequantTable(bias, multiplier, shift, in_zero, out_zero, low, high, bool(flags & _HAS_BIAS))
