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
_HEADER = struct.Struct("<4sBBBBBbbbbbHIiI")
_HAS_BIAS, _PER_TENSOR, _SCALED = 1, 2, 4
_MANTISSA_WIDTH = 23
_LEAST_MANTISSA = 1 << _MANTISSA_WIDTH
_FACTOR_WIDTH = 48
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

    def pack(self, scales: NDArray[np.float32] | None = None) -> NDArray[np.uint8]:
        """The table's bytes: a header of 28, then biases, multipliers and shifts in as few bits as they need.

        scales: of the weights, float32[multipliers]. Where the multipliers are theirs times one factor, exactly, the
        scales' mantissas are stored in their place.
        """
        flags = (_HAS_BIAS if self.has_bias else 0) | (_PER_TENSOR if len(self.multiplier) < self.channels else 0)
        bias, bias_base, bias_width = _fields(self.bias, 1 << 31)
        multiplier, multiplier_base, multiplier_width = _fields(self.multiplier, 1 << 31)
        shift, shift_base, shift_width = _fields(self.shift, 1 << 7)
        factor_low = 0
        if scales is not None and multiplier_width > _MANTISSA_WIDTH:
            mantissas = np.ascontiguousarray(scales, np.float32).view(np.uint32) & (_LEAST_MANTISSA - 1)
            factor = common_factor(mantissas.astype(np.int64) + _LEAST_MANTISSA, self.multiplier)
            if factor is not None:
                flags |= _SCALED
                multiplier, multiplier_width = _packed(mantissas.astype(np.int64), _MANTISSA_WIDTH), _MANTISSA_WIDTH
                multiplier_base, factor_low = factor >> 16, factor & 0xFFFF
        header = _HEADER.pack(
            MAGIC,
            VERSION,
            flags,
            bias_width,
            multiplier_width,
            shift_width,
            shift_base,
            self.input_zero_point,
            self.output_zero_point,
            self.activation_min,
            self.activation_max,
            factor_low,
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
    return _packed(wide - base, width), base, width


def _packed(fields: NDArray[np.int64], width: int) -> bytes:
    bits = fields[:, None] >> np.arange(width) & 1
    return np.packbits(bits.astype(np.uint8), bitorder="little").tobytes()


def scaled(mantissas: NDArray[np.int64], factor: int) -> NDArray[np.int64]:
    """Products of 24-bit mantissas and a 48-bit factor, rounded to 31 significant bits, halves up: int64[n]."""
    # Without the 16 lowest bits, which do not reach the rounding, a product has 55 or 56.
    products = mantissas * (factor >> 16) + (mantissas * (factor & 0xFFFF) >> 16)
    excess = 24 + (products >> 55)
    return np.asarray((products + (1 << (excess - 1))) >> excess)


def common_factor(mantissas: NDArray[np.int64], multipliers: NDArray[np.int32]) -> int | None:
    """A 48-bit factor for which `scaled` gives these multipliers, None where there is none."""
    if int(multipliers.min()) < 1 << 30:
        return None
    # Each multiplier leaves an interval of factors; a factor is in all of them or none is. Whether a product has 71 or
    # 72 bits follows from the first factor to within rounding, and the result is checked.
    m, q = [int(v) for v in mantissas], [int(v) for v in multipliers]
    guess = (q[0] << 40) // m[0]
    guess <<= _FACTOR_WIDTH - guess.bit_length()
    low, high = 1 << (_FACTOR_WIDTH - 1), (1 << _FACTOR_WIDTH) - 1
    for mantissa, multiplier in zip(m, q, strict=True):
        excess = (mantissa * guess).bit_length() - 31
        low = max(low, -((1 - 2 * multiplier << (excess - 1)) // mantissa))
        high = min(high, ((2 * multiplier + 1 << (excess - 1)) - 1) // mantissa)
    factor = (low + high) // 2
    return factor if low <= high and np.array_equal(scaled(mantissas, factor), multipliers) else None


def _fields_nbytes(count: int, width: int) -> int:
    return (count * width + 7) // 8


def _read_fields(raw: NDArray[np.uint8], at: int, count: int, width: int, base: int) -> NDArray[np.int64]:
    """`count` fields from byte `at` on, int64[count]."""
    stream = raw[at : at + _fields_nbytes(count, width)]
    bits = np.unpackbits(stream, count=count * width, bitorder="little").reshape(count, width)
    return base + bits.astype(np.int64) @ (1 << np.arange(width, dtype=np.int64))


def unpack(raw: NDArray[np.uint8], expected: int | None = None) -> RequantTable:
    """Read a table, uint8[nbytes], of `expected` channels, or of as many as it says.

    ModelError when magic, version, counts, ranges or length are wrong. Fields of no bits take no bytes: who reads a
    model that is not trusted says how many channels there can be.
    """
    if raw.nbytes < _HEADER.size:
        raise ModelError(f"requantisation table: {raw.nbytes} bytes, shorter than its {_HEADER.size}-byte header")
    header = _HEADER.unpack(raw[: _HEADER.size].tobytes())
    magic, version, flags, bias_width, multiplier_width, shift_width, shift_base = header[:7]
    in_zero, out_zero, low, high, factor_low, channels, bias_base, multiplier_base = header[7:]
    if magic != MAGIC:
        raise ModelError(f"requantisation table: magic {magic!r}, expected {MAGIC!r}")
    if version != VERSION:
        raise ModelError(f"requantisation table: version {version}, this tool reads {VERSION}; use a newer wpconvert")
    is_scaled = bool(flags & _SCALED)
    if (
        flags & ~(_HAS_BIAS | _PER_TENSOR | _SCALED)
        or (factor_low and not is_scaled)
        or not 1 <= channels <= MAX_CHANNELS
        or low > high
    ):
        raise ModelError(
            f"requantisation table: flags {flags:#x}, {channels} channels, activation {low} to {high} are not "
            "consistent"
        )
    if expected is not None and channels != expected:
        raise ModelError(f"requantisation table: {channels} channels, the weights have {expected}")
    if bias_width > 32 or multiplier_width > 31 or shift_width > 6:
        raise ModelError(f"requantisation table: fields of {bias_width}, {multiplier_width} and {shift_width} bits")
    if is_scaled and (multiplier_width != _MANTISSA_WIDTH or multiplier_base < 1 << 31):
        raise ModelError("requantisation table: mantissas must have 23 bits and their factor 48")
    if not is_scaled and multiplier_base + (1 << multiplier_width) > 1 << 31:
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
    multiplier = _read_fields(raw, multiplier_at, multipliers, multiplier_width, 0 if is_scaled else multiplier_base)
    if is_scaled:
        multiplier = scaled(multiplier + _LEAST_MANTISSA, multiplier_base << 16 | factor_low)
        if int(multiplier.max()) >= 1 << 31:
            raise ModelError("requantisation table: a scaled multiplier is 2^31")
    return RequantTable(
        _read_fields(raw, _HEADER.size, channels, bias_width, bias_base).astype(np.int32),
        multiplier.astype(np.int32),
        shift.astype(np.int8),
        in_zero,
        out_zero,
        low,
        high,
        bool(flags & _HAS_BIAS),
    )
