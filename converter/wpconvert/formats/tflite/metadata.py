"""The metadata entries of a rewritten model (docs/FORMAT.md, "Metadata")."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from wpconvert import __version__
from wpconvert.errors import ModelError
from wpconvert.formats.tflite.model import TfliteModel, text
from wpconvert.formats.tflite.schema import FILE_IDENTIFIER, BufferT, MetadataT, ModelT, SubGraphT
from wpconvert.formats.tflite.verifier import verify
from wpconvert.memory import offline
from wpconvert.model.provenance import Provenance, TensorRecord

NAME = "wpconvert"
RESTORE_NAME = "wpconvert.restore"
VERSION = 1
_MAX_ORIGINALS = 1 << 26
_LEVEL = 9


@dataclass
class Originals:
    """The entry "wpconvert.restore": operators and tensors as they were, keyed by (subgraph, index).

    `codes` are the operator codes that the operators' opcodeIndex refers to.
    """

    codes: list[Any]
    tensors: dict[tuple[int, int], Any]
    operators: dict[tuple[int, int], Any]


def write(
    model: TfliteModel, stripped: bool, planned: bool, records: Sequence[TensorRecord], originals: Originals
) -> None:
    """Add the metadata entries, in place. A stripped file gets neither tensor records nor originals."""
    content: dict[str, Any] = {"version": VERSION, "tool": f"wpconvert {__version__}"}
    if planned:
        content["planned"] = True
    if any(record.lossy for record in records):
        content["lossy"] = True
    if stripped:
        content["stripped"] = True
    else:
        content["tensors"] = [_fields(record) for record in records]
    _append(model, NAME, json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode())
    if not stripped:
        _append(model, RESTORE_NAME, zlib.compress(_pack_originals(originals), _LEVEL))


def _fields(record: TensorRecord) -> dict[str, Any]:
    """What is stored of a record: `lossy` only where it is."""
    return {key: value for key, value in asdict(record).items() if key != "lossy" or value}


def record_nbytes(record: TensorRecord) -> int:
    """What a record adds to the entry of a file that has others."""
    return len(json.dumps(_fields(record), separators=(",", ":"), ensure_ascii=False).encode()) + 1


def originals_nbytes(originals: Originals) -> int:
    """The entry with these originals."""
    return len(zlib.compress(_pack_originals(originals), _LEVEL))


def read(model: TfliteModel) -> Provenance | None:
    """The provenance of a rewritten model, None when there is none; ModelError when the entry is malformed."""
    raw = _find(model, NAME)
    if raw is None:
        return None
    try:
        content = json.loads(raw.tobytes().decode())
        if content["version"] != VERSION:
            raise ModelError(f"metadata entry {NAME!r}: version {content['version']}, this tool reads {VERSION}")
        tensors = tuple(TensorRecord(**record) for record in content.get("tensors", []))
        # JSON can escape what no text may hold: half of a surrogate pair.
        json.dumps(content, ensure_ascii=False).encode()
        flags = (bool(content.get(key, False)) for key in ("stripped", "planned", "lossy"))
        return Provenance(str(content["tool"]), next(flags), tensors, *flags)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"metadata entry {NAME!r} is malformed: {error}") from error


def read_originals(model: TfliteModel) -> Originals | None:
    """The originals kept for `restore`, None when there are none; ModelError when the entry is malformed."""
    raw = _find(model, RESTORE_NAME)
    if raw is None:
        return None
    inflate = zlib.decompressobj()
    try:
        packed = inflate.decompress(raw.tobytes(), _MAX_ORIGINALS)
    except zlib.error as error:
        raise ModelError(f"metadata entry {RESTORE_NAME!r} is malformed: {error}") from error
    if not inflate.eof:
        raise ModelError(f"metadata entry {RESTORE_NAME!r} is truncated or larger than {_MAX_ORIGINALS} bytes")
    verify(packed)
    root = ModelT.InitFromPackedBuf(packed, 0)
    originals = Originals(list(root.operatorCodes or []), {}, {})
    for s, graph in enumerate(root.subgraphs or []):
        tensors, operators = list(graph.tensors or []), list(graph.operators or [])
        places = [[] if v is None else [int(i) for i in v] for v in (graph.inputs, graph.outputs)]
        if len(places[0]) != len(tensors) or len(places[1]) != len(operators):
            raise ModelError(f"metadata entry {RESTORE_NAME!r}: subgraph {s} has too many entries")
        originals.tensors |= {(s, place): tensor for place, tensor in zip(places[0], tensors, strict=True)}
        originals.operators |= {(s, place): operator for place, operator in zip(places[1], operators, strict=True)}
    if any(not 0 <= operator.opcodeIndex < len(originals.codes) for operator in originals.operators.values()):
        raise ModelError(f"metadata entry {RESTORE_NAME!r}: an operator code is out of range")
    return originals


def remove(model: TfliteModel) -> None:
    """Drop the entries, and a memory plan that is the tool's, and empty their buffers, in place."""
    provenance = read(model)
    planned = provenance is not None and provenance.planned
    ours = (NAME, RESTORE_NAME, *((offline.NAME,) if planned else ()))
    kept = []
    for entry in model.root.metadata or []:
        if text(entry.name) in ours:
            model.root.buffers[entry.buffer] = BufferT()
        else:
            kept.append(entry)
    model.root.metadata = kept or None


def _append(model: TfliteModel, name: str, content: bytes) -> None:
    entry = MetadataT()
    entry.name = name
    entry.buffer = len(model.root.buffers)
    model.root.buffers.append(BufferT(data=np.frombuffer(content, np.uint8)))
    model.root.metadata = [*(model.root.metadata or []), entry]


def _find(model: TfliteModel, name: str) -> NDArray[np.uint8] | None:
    for entry in model.root.metadata or []:
        if text(entry.name) == name:
            data = model.root.buffers[entry.buffer].data
            return None if data is None else np.asarray(data, np.uint8)
    return None


def _pack_originals(originals: Originals) -> bytes:
    """A TFLite flatbuffer with nothing but the originals.

    Each subgraph's `inputs` lists the places of its tensors and `outputs` the places of its operators.
    """
    root = ModelT()
    root.version = 3
    root.operatorCodes = originals.codes
    root.buffers = [BufferT()]
    last = max((s for s, _ in originals.operators), default=-1)
    root.subgraphs = []
    for s in range(last + 1):
        graph = SubGraphT()
        tensors = sorted((place, tensor) for (owner, place), tensor in originals.tensors.items() if owner == s)
        operators = sorted((place, op) for (owner, place), op in originals.operators.items() if owner == s)
        graph.tensors = [tensor for _, tensor in tensors]
        graph.operators = [operator for _, operator in operators]
        graph.inputs = [place for place, _ in tensors]
        graph.outputs = [place for place, _ in operators]
        root.subgraphs.append(graph)
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(root.Pack(builder), file_identifier=FILE_IDENTIFIER)
    return bytes(builder.Output())
