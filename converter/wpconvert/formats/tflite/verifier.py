"""Structural verification of `.tflite` bytes before any flatbuffers reader touches them.

Python's flatbuffers readers trust every offset: a truncated or hostile file makes them read before the
buffer, loop or fail with struct.error. After `verify` returns, every read through the schema's classes stays
inside the file and ends. The rules are those of the flatbuffers C++ verifier, plus three of our own: fields
lie inside their table, nothing of a newer schema is present (the object API would drop it silently), and what
a reader expands is bounded even where many offsets share one target.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from wpconvert.errors import ModelError, UnsupportedError, WpconvertError
from wpconvert.formats.tflite.schema import FILE_IDENTIFIER
from wpconvert.formats.tflite.schema_table import ROOT, TABLES, UNIONS

MAX_DEPTH = 64
MAX_TABLES = 1_000_000
MAX_EXPANSION = 8
FREE_NBYTES = 1 << 20
"""A file of n bytes may expand to MAX_EXPANSION · n + FREE_NBYTES bytes of tables, vectors and strings."""
TABLE_NBYTES = 48
"""What a table counts in addition to its own bytes, for the Python objects it becomes.

A table takes 8 bytes of a file at least, itself and the offset to it; 8 + 48 is below 8 · 8, so that a file
without shared targets never exceeds the limit, however many tables it has.
"""

_u32 = struct.Struct("<I").unpack_from
_i32 = struct.Struct("<i").unpack_from

_FOREIGN = (
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89HDF", "an HDF5 (Keras) file"),
    (b"\x7fELF", "an ELF program"),
    (b"\x93NUMPY", "a NumPy array"),
)


class _Fault(Exception):
    """A finding, whose path grows while the walk unwinds."""

    def __init__(self, message: str, error: type[WpconvertError] = ModelError) -> None:
        super().__init__(message)
        self.error = error
        self.path: list[str] = []


class _Field(NamedTuple):
    """One vtable slot: `form` is scalar, vector, string, strings, table, tables, union or deprecated."""

    name: str
    form: str
    nbytes: int = 0
    target: str = ""


class _Reference(NamedTuple):
    """A field to follow: its offset in the table, 0 when absent, and that of a union's type."""

    field: _Field
    offset: int
    type_offset: int


class _Layout(NamedTuple):
    """What one vtable says of a table: inline size, offsets of 8-byte scalars, fields to follow."""

    nbytes: int
    wide: tuple[int, ...]
    references: tuple[_Reference, ...]


def _field(word: str) -> _Field:
    name, form = word.split(":")
    inner = form.strip("[]<>")
    if form == "-":
        return _Field(name, "deprecated")
    if form.startswith("<"):
        return _Field(name, "union", 4, inner)
    vector = form.startswith("[")
    if inner.isdigit():
        return _Field(name, "vector" if vector else "scalar", int(inner))
    if inner == "str":
        return _Field(name, "strings" if vector else "string", 4)
    return _Field(name, "tables" if vector else "table", 4, inner)


_FIELDS = {table: tuple(_field(word) for word in text.split()) for table, text in TABLES.items()}
_MEMBERS = {union: ("", *text.split()) for union, text in UNIONS.items()}


def verify(data: bytes | memoryview) -> int:
    """Check that `data` is a `.tflite` flatbuffer that the schema's Python classes can read safely.

    Bytes after the flatbuffer (external buffers, attached files) are allowed; returns where its last part ends,
    padding aside. Raises ModelError with the path of the damaged field, what was expected and what was found;
    UnsupportedError for a field or an options type that this schema does not know, because writing the model again
    would lose it.
    """
    view = memoryview(data).cast("B")
    _check_header(view)
    walk = _Walk(view)
    try:
        walk.root()
    except _Fault as fault:
        path = ROOT + "".join(reversed(fault.path))
        raise fault.error(f"{path}: {fault}") from None
    return walk.reached


def _check_header(view: memoryview) -> None:
    expected = f"expected a .tflite file (a flatbuffer with identifier {FILE_IDENTIFIER.decode()!r})"
    if len(view) == 0:
        raise ModelError(f"{expected}, found an empty file")
    head = bytes(view[:64])
    if len(head) >= 8 and head[4:8] == FILE_IDENTIFIER:
        return
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise ModelError(f"{expected}, found {what}")
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        raise ModelError(f"{expected}, found text")
    if len(head) < 8:
        raise ModelError(f"{expected}, found only {len(head)} bytes")
    if head[0] == 0x08 and head[2] in b"\x12\x1a\x22\x2a\x32\x3a\x42":
        raise ModelError(
            f"{expected}, found what looks like an ONNX (protobuf) file; "
            "convert it with wpconvert MODEL.onnx -o MODEL.tflite"
        )
    if head[4:7] == FILE_IDENTIFIER[:3]:
        raise UnsupportedError(f"{expected}, found identifier {head[4:8]!r} of another schema version")
    raise ModelError(f"{expected}, found identifier {head[4:8]!r}")


class _Walk:
    """One depth-first walk over everything that a reader would expand."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.end = len(view)
        self.budget = MAX_EXPANSION * self.end + FREE_NBYTES
        self.tables = 0
        self.reached = 0
        self.layouts: dict[tuple[int, str], _Layout] = {}

    def root(self) -> None:
        self.table(self.target(0), ROOT, 1)

    def target(self, at: int) -> int:
        """Where the offset stored at `at` points: forward, 4-byte aligned, with 4 bytes to read there."""
        distance = _u32(self.view, at)[0]
        where = int(at + distance)
        if distance < 4 or where + 4 > self.end:
            raise _Fault(f"expected an offset to a place inside the file ({self.end} bytes), found {distance} at {at}")
        if where & 3:
            raise _Fault(f"expected an offset to a multiple of 4, found {where}")
        return where

    def spend(self, nbytes: int) -> None:
        self.budget -= nbytes
        if self.budget < 0:
            raise _Fault(
                f"expected at most {MAX_EXPANSION} × {self.end} + {FREE_NBYTES} bytes of contents, "
                "found more: too many offsets share one target"
            )

    def table(self, at: int, name: str, depth: int) -> None:
        """Verify the table of type `name` at `at`, a 4-byte aligned place with 4 bytes to read."""
        self.tables += 1
        if self.tables > MAX_TABLES:
            raise _Fault(f"expected at most {MAX_TABLES} tables, found more")
        if depth > MAX_DEPTH:
            raise _Fault(f"expected at most {MAX_DEPTH} nested tables, found more")
        vtable = at - _i32(self.view, at)[0]
        layout = self.layouts.get((vtable, name))
        if layout is None:
            layout = self.layouts[vtable, name] = self.layout(vtable, name)
        nbytes, wide, references = layout
        if at + nbytes > self.end:
            raise _Fault(f"expected {nbytes} bytes for the table at {at}, found {self.end - at} before the file's end")
        self.reached = max(self.reached, at + nbytes)
        self.spend(nbytes + TABLE_NBYTES)
        for offset in wide:
            if (at + offset) & 7:
                raise _Fault(f"expected 8-byte fields at multiples of 8, found one at {at + offset}")
        for reference in references:
            try:
                self.follow(at, reference, depth)
            except _Fault as fault:
                fault.path.append(f".{reference.field.name}")
                raise

    def layout(self, vtable: int, name: str) -> _Layout:
        """Read and check the vtable at `vtable` for tables of type `name`."""
        if vtable & 1 or not 0 <= vtable <= self.end - 4:
            raise _Fault(f"expected an even vtable position inside the file ({self.end} bytes), found {vtable}")
        size, nbytes = struct.unpack_from("<HH", self.view, vtable)
        if size < 4 or size & 1 or vtable + size > self.end:
            raise _Fault(f"expected an even vtable size of 4 to {self.end - vtable}, found {size}")
        if nbytes < 4:
            raise _Fault(f"expected a table of at least 4 bytes, found {nbytes}")
        self.reached = max(self.reached, vtable + size)
        self.spend(size)
        fields = _FIELDS[name]
        known = min(len(fields), (size - 4) // 2)
        offsets = struct.unpack_from(f"<{known}H", self.view, vtable + 4)
        self.refuse_unknown(vtable + 4 + 2 * known, vtable + size, nbytes, len(fields))
        wide = []
        references = []
        for slot, (field, offset) in enumerate(zip(fields, offsets, strict=False)):
            type_offset = offsets[slot - 1] if field.form == "union" else 0
            if field.form == "deprecated" or not (offset or type_offset):
                continue
            if offset:
                width = field.nbytes if field.form == "scalar" else 4
                self.check_place(field, offset, width, nbytes)
                if field.form == "scalar":
                    if width == 8:
                        wide.append(offset)
                    continue
            references.append(_Reference(field, offset, type_offset))
        if known < len(fields) and fields[known].form == "union" and offsets and offsets[-1]:
            references.append(_Reference(fields[known], 0, offsets[-1]))
        return _Layout(nbytes, tuple(wide), tuple(references))

    def check_place(self, field: _Field, offset: int, width: int, nbytes: int) -> None:
        """Check a field's place in its table; tables start at multiples of 4, which settles narrow fields."""
        if offset < 4 or offset + width > nbytes:
            fault = _Fault(f"expected the field inside its table of {nbytes} bytes, found it at {offset}")
        elif offset % min(width, 4):
            fault = _Fault(f"expected the field at a multiple of {width}, found it at {offset}")
        else:
            return
        fault.path.append(f".{field.name}")
        raise fault

    def refuse_unknown(self, begin: int, end: int, nbytes: int, known: int) -> None:
        """Refuse slots after the known ones unless they say that their field is absent."""
        extra = bytes(self.view[begin:end])
        if not extra.strip(b"\0"):
            return
        slot, offset = next((i, o) for i, (o,) in enumerate(struct.iter_unpack("<H", extra)) if o)
        if not 4 <= offset < nbytes:
            raise _Fault(f"expected field {known + slot} inside its table of {nbytes} bytes, found it at {offset}")
        raise _Fault(
            f"field {known + slot} belongs to a newer schema with more than {known} fields here; "
            "rewriting the model would lose it",
            UnsupportedError,
        )

    def follow(self, at: int, reference: _Reference, depth: int) -> None:
        """Verify what a field of the table at `at` refers to."""
        field, offset, _ = reference
        form = field.form
        if form == "union":
            self.union(at, reference, depth)
            return
        where = self.target(at + offset)
        if form == "table":
            self.table(where, field.target, depth + 1)
        elif form == "string":
            self.string(where)
        elif form == "vector":
            self.vector(where, field.nbytes)
        else:
            self.references(where, field, depth)

    def vector(self, where: int, nbytes: int) -> int:
        """Verify a vector of elements of `nbytes` bytes; returns its length."""
        length = int(_u32(self.view, where)[0])
        if where + 4 + length * nbytes > self.end:
            raise _Fault(
                f"expected a vector inside the file, found {length} elements of {nbytes} bytes, "
                f"where {self.end - where - 4} bytes are left"
            )
        self.reached = max(self.reached, where + 4 + length * nbytes)
        self.spend(4 + length * nbytes)
        return length

    def string(self, where: int) -> None:
        terminator = where + 4 + self.vector(where, 1)
        if terminator >= self.end or self.view[terminator]:
            raise _Fault(f"expected a string that ends in a zero byte, found none at {terminator}")
        self.reached = max(self.reached, terminator + 1)

    def references(self, where: int, field: _Field, depth: int) -> None:
        """Verify a vector of tables or strings."""
        length = self.vector(where, 4)
        for index in range(length):
            try:
                element = self.target(where + 4 + 4 * index)
                if field.form == "tables":
                    self.table(element, field.target, depth + 1)
                else:
                    self.string(element)
            except _Fault as fault:
                fault.path.append(f"[{index}]")
                raise

    def union(self, at: int, reference: _Reference, depth: int) -> None:
        """Verify a union; a known type without a value is allowed and means the defaults of that type."""
        field, offset, type_offset = reference
        members = _MEMBERS[field.target]
        kind = self.view[at + type_offset] if type_offset else 0
        if kind >= len(members):
            raise _Fault(
                f"{field.target} type {kind} belongs to a newer schema, this one ends at {len(members) - 1} "
                f"({members[-1]}); rewriting the model would lose it",
                UnsupportedError,
            )
        if not offset:
            return
        if kind == 0:
            raise _Fault(f"expected no value with type 0 (NONE) of {field.target}, found one")
        self.table(self.target(at + offset), members[kind], depth + 1)
