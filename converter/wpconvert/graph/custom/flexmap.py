"""Reading the FlexBuffer map of custom_options, by the rules of the device's reader (runtime/core/flexbuffer.cc).

The reader of the flatbuffers package accepts and refuses other damaged maps than the device does, follows shared
references and can be made to run for ever; this one reads the values that are asked for, each inside the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from wpconvert.errors import ModelError

# Types of the FlexBuffers format.
_INT, _UINT, _FLOAT, _STRING, _INDIRECT_INT, _INDIRECT_UINT, _MAP, _VECTOR, _BOOL = 1, 2, 3, 5, 6, 7, 9, 10, 26
_TYPED = {11: _INT, 12: _UINT, 36: _BOOL}
"""Vectors of one type, and that of their elements."""
_FIXED = {16 + 3 * n + i: (2 + n, kind) for n in range(3) for i, kind in enumerate((_INT, _UINT, _FLOAT))}
"""Vectors that store no length: their length and the type of their elements."""
_WIDTHS = (1, 2, 4, 8)


@dataclass(frozen=True)
class _Value:
    """A value, or the offset to one, `width` bytes at `position`; what it leads to has elements of `child_width`."""

    position: int
    width: int
    kind: int
    child_width: int


class FlexMap:
    """A map of strings to values. Its methods raise ModelError for what lies outside the bytes or has another type."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        # The last byte is the width of the root value, the one before it its type; the value itself is in front.
        if len(raw) < 3 or raw[-1] not in _WIDTHS or raw[-1] > len(raw) - 2 or raw[-2] >> 2 != _MAP:
            raise _malformed("not a FlexBuffer map")
        width = 1 << (raw[-2] & 3)
        values = self._follow(_Value(len(raw) - 2 - raw[-1], raw[-1], _MAP, width))
        # In front of the values: offset of the key vector, its width, the number of entries.
        keys = self._follow(_Value(values - 3 * width, width, _MAP, width))
        key_width, size = self._load(values - 2 * width, width), self._load(values - width, width)
        # Values are followed by one type byte each.
        if (
            key_width not in _WIDTHS
            or size * (width + 1) > len(raw) - values
            or self._load(keys - key_width, key_width) != size
            or size * key_width > len(raw) - keys
        ):
            raise _malformed("not a FlexBuffer map")
        self._values, self._width, self._keys, self._key_width, self._size = values, width, keys, key_width, size

    def integer(self, key: str, default: int) -> int:
        """An integer or boolean that fits int32."""
        value = self._find(key)
        return default if value is None else self._integer(key, value)

    def string(self, key: str, default: str) -> str:
        """A zero-terminated string, not empty."""
        value = self._find(key)
        if value is None:
            return default
        if value.kind != _STRING:
            raise _malformed(f"{key} is not a string")
        at = self._follow(value)
        size = self._load(at - value.child_width, value.child_width)
        if not 1 <= size < len(self._raw) - at or self._raw[at + size] != 0:
            raise _malformed(f"{key} is not a string")
        return self._raw[at : at + size].decode(errors="replace")

    def integers(self, key: str, default: tuple[int, ...], limit: int) -> tuple[int, ...]:
        """A vector of 1 to `limit` integers."""
        value = self._find(key)
        if value is None:
            return default
        at, width = self._follow(value), value.child_width
        size, kind = _FIXED.get(value.kind) or (self._load(at - width, width), _TYPED.get(value.kind))
        if not 1 <= size <= limit or (kind is None and value.kind != _VECTOR):
            raise _malformed(f"{key} is not a vector of 1 to {limit} integers")
        result = []
        for i in range(size):
            # An untyped vector is followed by one type byte per element.
            packed = self._load(at + size * width + i, 1) if kind is None else kind << 2
            result.append(self._integer(key, _Value(at + i * width, width, packed >> 2, 1 << (packed & 3))))
        return tuple(result)

    def _load(self, position: int, width: int) -> int:
        if not 0 <= position <= len(self._raw) - width:
            raise _malformed("an offset leads out of it")
        return int.from_bytes(self._raw[position : position + width], "little")

    def _follow(self, value: _Value) -> int:
        """Offsets go backwards from where they are stored."""
        target = value.position - self._load(value.position, value.width)
        if target < 0:
            raise _malformed("an offset leads out of it")
        return target

    def _find(self, key: str) -> _Value | None:
        """The first entry of that key: keys are sorted in a sound map, in a damaged one they may not be."""
        wanted = key.encode() + b"\0"
        for i in range(self._size):
            at = self._follow(_Value(self._keys + i * self._key_width, self._key_width, _STRING, 1))
            if self._raw.startswith(wanted, at):
                packed = self._raw[self._values + self._size * self._width + i]
                return _Value(self._values + i * self._width, self._width, packed >> 2, 1 << (packed & 3))
        return None

    def _integer(self, key: str, value: _Value) -> int:
        position, width, kind = value.position, value.width, value.kind
        if kind in (_INDIRECT_INT, _INDIRECT_UINT):
            position, width, kind = self._follow(value), value.child_width, kind - _INDIRECT_INT + _INT
        if kind not in (_INT, _UINT, _BOOL):
            raise _malformed(f"{key} is not an integer")
        number = self._load(position, width)
        if kind == _INT and number >> (8 * width - 1):
            number -= 1 << 8 * width
        if not -(1 << 31) <= number < 1 << 31:
            raise _malformed(f"{key} does not fit 32 bits")
        return number


def _malformed(what: str) -> ModelError:
    return ModelError(f"custom_options: {what}")
