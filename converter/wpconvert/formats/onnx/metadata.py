"""The entry "wpconvert" among the metadata of a rewritten model: where it comes from, and what `restore` needs."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from wpconvert import __version__
from wpconvert.errors import ModelError
from wpconvert.formats.onnx.tensors import RAW, without_data
from wpconvert.formats.onnx.text import check_text
from wpconvert.formats.onnx_graphs import DEFAULT_DOMAINS

NAME = "wpconvert"
VERSION = 1
_MAX_DIGITS = 40


@dataclass(frozen=True)
class Record:
    """One rewritten weight: its graph, name, and place among the initializers. sha256 is of the dense bytes.

    form: the field that held them. rest: a TensorProto with what else the initializer had, serialised; mostly nothing.
    lossy: the dense bytes are not those of the original model. node: of the value of a Constant node, that node
    without output and tensor, serialised; the index is then its place among the nodes.
    """

    graph: int
    name: str
    index: int
    sha256: str
    form: str = RAW
    rest: bytes = b""
    lossy: bool = False
    node: bytes = b""

    def fields(self) -> dict[str, Any]:
        """What is stored of a record: what is not as usual, and the rest."""
        fields: dict[str, Any] = {"name": self.name, "index": self.index, "sha256": self.sha256}
        if self.graph:
            fields["graph"] = self.graph
        if self.form != RAW:
            fields["form"] = self.form
        if self.rest:
            fields["rest"] = base64.b64encode(self.rest).decode()
        if self.lossy:
            fields["lossy"] = True
        if self.node:
            fields["node"] = base64.b64encode(self.node).decode()
        return fields

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Record:
        """The inverse of `fields`; TypeError, ValueError, KeyError or DecodeError where it is none."""
        rest = base64.b64decode(fields.get("rest", ""), validate=True)
        node = base64.b64decode(fields.get("node", ""), validate=True)
        _check_rest(TensorProto.FromString(rest), named=bool(node))
        if node:
            _check_node(NodeProto.FromString(node))
        record = cls(
            fields.get("graph", 0),
            fields["name"],
            fields["index"],
            fields["sha256"],
            fields.get("form", RAW),
            rest,
            bool(fields.get("lossy", False)),
            node,
        )
        integers, texts = (record.graph, record.index), (record.name, record.sha256, record.form)
        numbered = all(type(value) is int and value >= 0 for value in integers)
        if not numbered or not all(isinstance(text, str) for text in texts):
            raise ValueError("a tensor has fields of wrong types")
        return record


def _check_rest(rest: TensorProto, named: bool) -> None:
    """ValueError for one with what `restore` puts into it, or that no tensor has. named: it may have a name."""
    if (
        without_data(rest) != rest
        or (rest.name and not named)
        or rest.dims
        or rest.data_type
        or rest.HasField("segment")
    ):
        raise ValueError("the remaining fields of a tensor include its data")
    _check_text(rest)


def _check_node(node: NodeProto) -> None:
    """ValueError for one that is no Constant without its output and tensor."""
    attributes = [(attribute.name, attribute.HasField("t")) for attribute in node.attribute]
    is_constant = node.op_type == "Constant" and node.domain in DEFAULT_DOMAINS
    if not is_constant or node.input or node.output or attributes != [("value", False)]:
        raise ValueError("the node of a tensor is not a Constant without value")
    _check_text(node)


def _check_text(message: NodeProto | TensorProto) -> None:
    try:
        check_text(message)
    except ModelError as error:
        raise ValueError(str(error)) from error


@dataclass(frozen=True)
class Provenance:
    """The whole entry. ir_version: of the original.

    inputs: initializers that were inputs of the graph as well, by their place among these; in IR versions before 4 all
    have to be, in later ones that would let callers replace them.
    """

    tool: str
    ir_version: int
    tensors: tuple[Record, ...]
    inputs: tuple[tuple[int, bytes], ...] = ()

    @property
    def lossy(self) -> bool:
        """Whether weights were changed before they were stored."""
        return any(record.lossy for record in self.tensors)


def entry_nbytes(records: Sequence[Record]) -> int:
    """Bytes that records add to the entry."""
    return sum(len(_json(record.fields())) + 1 for record in records)


def write(model: ModelProto, ir_version: int, records: Sequence[Record], inputs: Sequence[tuple[int, bytes]]) -> None:
    """Add the entry, in place. ir_version and inputs: of the original."""
    content: dict[str, Any] = {"version": VERSION, "tool": f"wpconvert {__version__}", "ir_version": ir_version}
    if inputs:
        removed = GraphProto()
        for _, value in inputs:
            removed.input.add().ParseFromString(value)
        content["inputs"] = [place for place, _ in inputs]
        content["values"] = base64.b64encode(removed.SerializeToString()).decode()
    content["tensors"] = [record.fields() for record in records]
    model.metadata_props.add(key=NAME, value=_json(content))


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def read(model: ModelProto) -> Provenance | None:
    """The provenance of a rewritten model, None when there is none; ModelError when the entry is malformed."""
    raw = next((entry.value for entry in model.metadata_props if entry.key == NAME), None)
    if raw is None:
        return None
    try:
        content = json.loads(raw, parse_int=_integer)
        if content["version"] != VERSION:
            raise ModelError(
                f"metadata entry {NAME!r}: version {str(content['version'])[:40]}, this tool reads {VERSION}"
            )
        records = tuple(Record.from_fields(fields) for fields in content["tensors"])
        places = content.get("inputs", [])
        removed = GraphProto.FromString(base64.b64decode(content.get("values", ""), validate=True))
        values = [value.SerializeToString() for value in removed.input]
        ir_version = content["ir_version"]
        if not all(type(number) is int and number >= 0 for number in (ir_version, *places)):
            raise ValueError("an IR version or input position is not a number")
        if ir_version > model.ir_version:
            raise ValueError(f"IR version {ir_version}, but the file has {model.ir_version}")
        return Provenance(str(content["tool"]), ir_version, records, tuple(zip(places, values, strict=True)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, DecodeError, binascii.Error) as error:
        raise ModelError(f"metadata entry {NAME!r} is malformed: {_reason(error)}") from error


def _integer(digits: str) -> int:
    """Python's own error for a very long one speaks of Python."""
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number with {len(digits):,} digits")
    return int(digits)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"missing {error}"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, (TypeError, AttributeError)):
        return "a field has the wrong type"
    return str(error)


def check_place(place: int, items: Sequence[object], what: str) -> None:
    """ModelError for a place in a list that lets others between it and the end."""
    if place > len(items):
        raise ModelError(f"metadata entry {NAME!r} is malformed: {what} index {place}, expected less than {len(items)}")


def remove(model: ModelProto) -> None:
    """Drop the entry, in place."""
    for index in reversed(range(len(model.metadata_props))):
        if model.metadata_props[index].key == NAME:
            del model.metadata_props[index]
