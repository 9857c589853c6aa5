"""The metadata entry: what it tells of a rewritten model, and that a malformed one is refused in one line."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest

from tests.tflite.harness import conv_builder, conv_model, converted
from tests.tflite.test_restore import entry_data
from wpconvert import __version__
from wpconvert.errors import ModelError
from wpconvert.formats.tflite import metadata
from wpconvert.formats.tflite.file import parse, serialise


def content_of(data: bytes) -> Any:
    return json.loads(bytes(entry_data(parse(data), metadata.NAME).data))


def with_content(content: bytes) -> Any:
    model = parse(converted(conv_model()).data)
    entry_data(model, metadata.NAME).data = np.frombuffer(content, np.uint8)
    return parse(serialise(model))


def test_entry_records_what_every_tensor_was() -> None:
    model = parse(conv_model())
    weights = model.buffer(model.root.subgraphs[0].tensors[1])
    assert weights is not None
    assert content_of(converted(conv_model()).data) == {
        "version": 1,
        "tool": f"wpconvert {__version__}",
        "tensors": [
            {
                "subgraph": 0,
                "tensor": 1,
                "name": "conv/weights",
                "operator": "CONV_2D",
                "shape": [32, 3, 3, 16],
                "type": "INT8",
                "method": "dcsr",
                "sha256": hashlib.sha256(weights.tobytes()).hexdigest(),
            }
        ],
    }


def test_stripped_entry_names_no_tensor() -> None:
    content = content_of(converted(conv_model(), strip=True).data)
    assert content == {"version": 1, "tool": f"wpconvert {__version__}", "stripped": True}


def test_reading_gives_back_what_was_written() -> None:
    provenance = metadata.read(parse(converted(conv_model(), "rle").data))
    assert provenance is not None
    assert (provenance.tool, provenance.stripped) == (f"wpconvert {__version__}", False)
    assert [(record.name, record.method) for record in provenance.tensors] == [("conv/weights", "rle")]
    assert metadata.read(parse(conv_model())) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"\xff",
        b"{}",
        b'{"version": 1}',
        b'{"version": 2, "tool": "x"}',
        b'{"version": 1, "tool": "x", "tensors": [{}]}',
        b'{"version": 1, "tool": "x", "tensors": 3}',
        b'{"version": 1, "tool": "\\ud800"}',
        b"[" * 100_000,
        b'{"version": ' + b"1" * 5000 + b"}",
    ],
    ids=range(13),
)
def test_malformed_entry_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(ModelError, match="metadata entry 'wpconvert'") as caught:
        if metadata.read(with_content(content)) is None:
            # An empty buffer is an absent entry for the reader of flatbuffers.
            raise ModelError("metadata entry 'wpconvert' is empty")
    assert "\n" not in str(caught.value)


def test_foreign_entries_stay_when_ours_leave() -> None:
    b, y = conv_builder()
    b.output(y)
    b.metadata("foreign", b"123")
    model = parse(converted(b.to_bytes()).data)
    metadata.remove(model)
    assert [bytes(entry.name) for entry in model.root.metadata] == [b"foreign"]
