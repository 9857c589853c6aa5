"""Bytes after the flatbuffer of a `.tflite` file, most often files that TFLite's metadata tools pack there as a ZIP.

Offsets in such an archive count from the start of the whole file, so that they change when the model in front of it
gets another size (PKWARE APPNOTE, "End of central directory record" and "Central directory structure").
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from wpconvert.report.inspection import AttachedFile

_ALIGNMENT = 16
_END = struct.Struct("<4s4H2IH")
_END_MAGIC = b"PK\x05\x06"
_ENTRY = struct.Struct("<4s6H3I5H2I")
_ENTRY_MAGIC = b"PK\x01\x02"
_LOCAL_MAGIC = b"PK\x03\x04"
_MAX_COMMENT = 0xFFFF
_UTF8 = 1 << 11


@dataclass(frozen=True)
class Attached:
    """The data after the flatbuffer, from byte `at` of the file to its end.

    files: of the archive, None where the bytes are none. offsets: places in `data` of the 32-bit offsets that count
    from the start of the file.
    """

    at: int
    data: bytes
    files: tuple[AttachedFile, ...] | None
    offsets: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """What messages call it: names and sizes."""
        if self.files is None:
            return f"{len(self.data):,} bytes of unknown kind"
        return ", ".join(f"{file.name} ({file.nbytes:,} bytes)" for file in self.files) or "an empty ZIP archive"

    def moved(self, at: int) -> bytes:
        """The bytes for a file in which they start at byte `at`."""
        moved = bytearray(self.data)
        for place in self.offsets:
            (offset,) = struct.unpack_from("<I", moved, place)
            struct.pack_into("<I", moved, place, offset - self.at + at)
        return bytes(moved)


def find(data: bytes, end: int) -> Attached | None:
    """The data after a flatbuffer whose last table, vector or external data ends at `end`; None for padding."""
    behind = memoryview(data)[end:]
    padding = min(-end % _ALIGNMENT, len(behind))
    start = next((at for at in range(padding) if behind[at]), padding)
    content = bytes(behind[start:])
    if not content.strip(b"\0"):
        return None
    at = end + start
    archive = _archive(content, at)
    return Attached(at, content, None) if archive is None else Attached(at, content, *archive)


def without_attached(data: bytes, attached: Attached | None) -> bytes:
    """The bytes of a file that a runtime reads: those of the model alone."""
    return data if attached is None else data[: attached.at]


def with_attached(model: bytes, attached: Attached | None) -> bytes:
    """A file of these bytes of a model and the data after it."""
    return model if attached is None else model + attached.moved(len(model))


def _archive(content: bytes, at: int) -> tuple[tuple[AttachedFile, ...], tuple[int, ...]] | None:
    """The files of an archive that starts at byte `at` of the file, and where the offsets that move are.

    None for other bytes, also for an archive that is damaged or larger than 32-bit offsets reach.
    """
    end = content.rfind(_END_MAGIC, max(0, len(content) - _END.size - _MAX_COMMENT))
    if end < 0 or end + _END.size > len(content):
        return None
    _, disk, first_disk, here, count, nbytes, offset, comment = _END.unpack_from(content, end)
    begin = end - nbytes
    if disk or first_disk or here != count or end + _END.size + comment != len(content) or begin < 0:
        return None
    # Where the archive's own offsets count from.
    base = at + begin - offset
    files, places, place = [], [end + 16], begin
    for _ in range(count):
        if place + _ENTRY.size > end:
            return None
        magic, _, _, flags, *_, unpacked, name, extra, note, _, _, _, local = _ENTRY.unpack_from(content, place)
        header = base + local - at
        if magic != _ENTRY_MAGIC or header < 0 or content[header : header + 4] != _LOCAL_MAGIC:
            return None
        encoded = content[place + _ENTRY.size : place + _ENTRY.size + name]
        files.append(AttachedFile(encoded.decode("utf-8" if flags & _UTF8 else "cp437", "replace"), unpacked))
        places.append(place + 42)
        place += _ENTRY.size + name + extra + note
    if place != end:
        return None
    # Offsets that count from a place inside the archive stay what they are.
    return tuple(files), tuple(places) if base < at else ()
