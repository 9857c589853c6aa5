"""Damage to .onnx files, in bytes and in fields of the message, and what every command has to do then."""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import Message
from onnx import ModelProto, TensorProto

from tests.onnx.sweep.roundtrip import promise
from wpconvert.cli.main import run
from wpconvert.formats.onnx.compressed import is_rewritten
from wpconvert.formats.onnx.data import load
from wpconvert.formats.onnx.file import OnnxModel, read
from wpconvert.formats.onnx.tensors import EXTERNAL, data_of, form_of
from wpconvert.formats.onnx_graphs import every_tensor

_NUMBERS = (0, 1, -1, 2, 7, 8, 16, 64, 127, 128, 1 << 20, 1 << 31, (1 << 31) - 1, 1 << 62, (1 << 63) - 1, -(1 << 63))
_TEXTS = (
    "",
    "w",
    "x",
    "wpconvert",
    "../w",
    "/dev/zero",
    "MatMul",
    "DecodeBitmap",
    "DecodePool",
    "9" * 30,
    "-1",
    "\0",
    ".",
)
_CODES = (0, 3, 4, 5)
"""Success, malformed, not supported, a file that cannot be read."""


def _sites(message: Message) -> Iterator[tuple[Any, Any]]:
    """All fields that are set, in a message and those in it."""
    for field, value in message.ListFields():
        yield message, field
        if field.message_type is not None:
            for item in value if field.is_repeated else [value]:
                yield from _sites(item)


def damage_message(data: bytes, rng: random.Random) -> bytes:
    """The model with one to three fields changed; its encoding is sound."""
    model = ModelProto.FromString(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        sites = list(_sites(model))
        # As many fields with numbers as with names, whatever there is more of.
        kind = rng.choice(sorted({field.type for _, field in sites}))
        message, field = rng.choice([site for site in sites if site[1].type == kind])
        with contextlib.suppress(ValueError):
            _change(message, field, rng)
    return bytes(model.SerializeToString())


def _change(message: Any, field: Any, rng: random.Random) -> None:
    """Delete, double, swap or alter a field. ValueError for a number that it does not take."""
    choice = rng.random()
    if choice < 0.15:
        message.ClearField(field.name)
    elif field.is_repeated and choice < 0.6:
        _rearrange(getattr(message, field.name), field, rng)
    elif field.is_repeated:
        items = getattr(message, field.name)
        if field.message_type is None and len(items):
            at = rng.randrange(len(items))
            items[at] = _other(items[at], field, rng)
    elif field.message_type is None:
        setattr(message, field.name, _other(getattr(message, field.name), field, rng))


def _rearrange(items: Any, field: Any, rng: random.Random) -> None:
    if not len(items):
        return
    at, to = rng.randrange(len(items)), rng.randrange(len(items))
    if rng.random() < 0.3:
        del items[at]
    elif field.message_type is None:
        items.insert(to, items[at])
    elif rng.random() < 0.5:
        items.add().CopyFrom(items[at])
    else:
        items[to].CopyFrom(items[at])


def _other(value: Any, field: Any, rng: random.Random) -> Any:
    if isinstance(value, bytes):
        return _other_bytes(value, rng)
    if isinstance(value, str):
        return _other_text(value, rng)
    if isinstance(value, float):
        return rng.choice((0.0, -1.0, float("nan"), float("inf"), 1e38))
    if field.enum_type is not None:
        return rng.choice([item.number for item in field.enum_type.values])
    return rng.choice((*_NUMBERS, value + 1, value - 1, 2 * value))


def _other_bytes(value: bytes, rng: random.Random) -> bytes:
    data = bytearray(value or b"\0")
    choice = rng.random()
    if choice < 0.6:
        for _ in range(rng.choice((1, 1, 4))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif choice < 0.8:
        del data[rng.randrange(len(data)) :]
    else:
        data[:8] = (rng.choice(_NUMBERS) % (1 << 64)).to_bytes(8, "little")
    return bytes(data)


def _other_text(value: str, rng: random.Random) -> str:
    if value.startswith("{") and rng.random() < 0.9:
        return _other_json(value, rng)
    return rng.choice((*_TEXTS, value[:-1], value + value[:3]))


def _other_json(value: str, rng: random.Random) -> str:
    """Metadata with one of its values replaced, mostly still JSON."""
    try:
        content = json.loads(value)
    except ValueError:
        return value
    target = content
    if rng.random() < 0.7 and isinstance(content, dict) and content.get("tensors"):
        target = rng.choice(content["tensors"])
    if isinstance(target, dict) and target:
        target[rng.choice(sorted(target))] = rng.choice((*_NUMBERS, *_TEXTS, None, [], {}, [1], True, 1.5, 10**40))
    return json.dumps(content, ensure_ascii=False)


def damage_files(folder: Path, rng: random.Random) -> None:
    """Change a data file of a model in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".onnx")
    if not files:
        return
    path = rng.choice(files)
    choice = rng.randrange(4)
    if choice == 0:
        path.unlink()
    elif choice == 1:
        data = path.read_bytes()
        path.write_bytes(data[: rng.randrange(len(data) + 1)])
    elif choice == 2:
        path.unlink()
        path.mkdir()
    else:
        path.unlink()
        path.symlink_to("/dev/zero")


def _called(*arguments: str | Path) -> int:
    """The exit code of a command, of which everything but its work is checked."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    lines = err.getvalue().splitlines()
    promise(code in _CODES, f"{arguments}: exit code {code}, {lines}")
    promise(len(lines) == (1 if code else 0), f"{arguments}: {lines}")
    promise(all(line.startswith("wpconvert: ") for line in lines), f"{arguments}: {lines}")
    return code


def _plain(model: OnnxModel) -> bytes:
    """The message with all data inside."""
    proto = ModelProto()
    proto.CopyFrom(model.proto)
    for tensor, copy in zip(every_tensor(model.proto), every_tensor(proto), strict=True):
        if form_of(tensor) == EXTERNAL:
            data = data_of(tensor, model.files)
            assert data is not None
            copy.ClearField("external_data")
            copy.data_location = TensorProto.DEFAULT
            copy.raw_data = np.asarray(load(data)).tobytes()
    return bytes(proto.SerializeToString(deterministic=True))


def exercise(bad: Path, method: str) -> str:
    """Send a damaged model through the commands; says how far it got."""
    folder = bad.parent
    before = set(folder.rglob("*"))
    out = folder.with_name("out")
    out.mkdir()
    inspected = _called("inspect", bad, "--json")
    restored = _called("restore", bad, "-o", out / "first.onnx")
    promise(bool(restored) == (not list(out.iterdir())), "an output of a failure, or none")
    if not restored:
        promise(not is_rewritten(read(out / "first.onnx")), "a restored model has nodes that decode")
    options = ["--pool-size", "5"] if method == "pool" else []
    converted = _called(bad, "-m", method, *options, "-o", out / "new.onnx", "--no-verify")
    promise(set(folder.rglob("*")) == before, "a file beside the input")
    if converted:
        promise(not any(path.name.startswith("new") for path in out.iterdir()), "an output of a failure")
        return f"refused with {converted}"
    new = read(out / "new.onnx")
    _called("inspect", out / "new.onnx")
    promise(_called("restore", out / "new.onnx", "-o", out / "second.onnx") == 0, "the result cannot be restored")
    if method != "pool":
        original = bad if restored or not is_rewritten(read(bad)) else out / "first.onnx"
        promise(_plain(read(out / "second.onnx")) == _plain(read(original)), "another model is restored")
    promise(is_rewritten(new) or not inspected or bool(restored), "what was refused is a copy")
    shutil.rmtree(out)
    return "converted"
