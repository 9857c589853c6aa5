"""What stands behind the flatbuffer stays there, whatever the new size of the model in front of it."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from tests.cli.harness import Cli
from tests.tflite.harness import canonical, conv_model, converted
from wpconvert.backends.c import emit
from wpconvert.formats.tflite.attached import with_attached
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.inspect import inspect_model

FILES = {"labels.txt": b"cat\ndog\n" * 20, "größe.txt": b"12", "empty": b""}


def packed(model: bytes = b"", compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A model with FILES behind it, as TFLite's metadata tools pack them."""
    stream = io.BytesIO(model)
    with zipfile.ZipFile(stream, "a", compression) as archive:
        archive.comment = b"made by a test"
        for name, content in FILES.items():
            archive.writestr(name, content)
    return stream.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    """The files behind a model; the archive must not need to be searched for."""
    end = data.rfind(b"PK\x05\x06")
    offset, nbytes = (int.from_bytes(data[at : at + 4], "little") for at in (end + 16, end + 12))
    assert offset + nbytes == end, "the central directory is not where the archive says"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("method", ["none", "dcsr", "auto"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_survive_conversion(method: str, compression: int) -> None:
    data = packed(conv_model(), compression)
    result = converted(data, method)
    assert unpacked(result.data) == FILES
    attached = len(data) - len(conv_model())
    report = result.report
    assert (report.attached_before, report.attached_after) == (attached, attached)
    assert (report.nbytes_before, report.nbytes_after) == (len(data), len(result.data))
    assert any("labels.txt (160 bytes)" in note for note in report.notes)


def test_model_in_front_is_what_it_is_without_files() -> None:
    for method in ("none", "dcsr", "auto"):
        alone = converted(conv_model(), method)
        result = converted(packed(conv_model()), method)
        assert result.data[: len(alone.data)] == alone.data
        assert result.plan == alone.plan


def test_files_survive_converting_again() -> None:
    once = converted(packed(conv_model()), "dcsr").data
    assert unpacked(converted(once, "rle").data) == FILES
    assert converted(once, "dcsr").data == once


def test_restoring_gives_the_files_back(cli: Cli, tmp_path: Path) -> None:
    source, small, dense = (tmp_path / name for name in ("a.tflite", "b.tflite", "c.tflite"))
    source.write_bytes(packed(canonical(conv_model())))
    cli.ok(source, "-m", "dcsr", "-o", small)
    cli.ok("restore", small, "-o", dense)
    assert dense.read_bytes() == source.read_bytes()


def test_files_survive_in_place(cli: Cli, tmp_path: Path) -> None:
    source = tmp_path / "a.tflite"
    source.write_bytes(packed(conv_model()))
    cli.ok(source, "-m", "dcsr", "--in-place")
    assert unpacked(source.read_bytes()) == FILES


def test_stripping_drops_the_files_and_says_so() -> None:
    for method in ("none", "dcsr"):
        result = converted(packed(conv_model()), method, strip=True)
        assert parse(result.data).attached is None and result.report.attached_after == 0
        assert any("dropped" in note and "labels.txt" in note for note in result.report.notes)


def test_a_c_array_has_no_files(cli: Cli, tmp_path: Path) -> None:
    source = tmp_path / "a.tflite"
    source.write_bytes(packed(conv_model()))
    alone, with_files = (emit(Path("model.c"), parse(data), data, "m") for data in (conv_model(), packed(conv_model())))
    assert alone == with_files
    done = cli.ok(source, "-m", "dcsr", "--to-c", tmp_path / "model.c")
    assert "model.c does not contain the" in done.out


def test_inspect_lists_the_files(cli: Cli, tmp_path: Path) -> None:
    source = tmp_path / "a.tflite"
    source.write_bytes(packed(conv_model()))
    printed = cli.ok("inspect", source).out
    assert "labels.txt (160 bytes), größe.txt (2 bytes), empty (0 bytes)" in " ".join(printed.split())
    listed = json.loads(cli.ok("inspect", source, "--json").out)
    assert [file["name"] for file in listed["attached"]] == list(FILES)
    assert listed["attached_nbytes"] == len(packed(conv_model())) - len(conv_model())


@pytest.mark.parametrize(
    "content",
    [b"\x01 unknown", b"\0" * 40 + b"x", b"PK\x05\x06", b"PK\x03\x04" + b"\0" * 18 + b"PK\x05\x06" + b"\xff" * 18],
    ids=["bytes", "zeros first", "an end alone", "no archive"],
)
def test_other_bytes_are_kept_as_they_are(content: bytes) -> None:
    result = converted(conv_model() + content, "dcsr")
    assert result.data.endswith(content)
    assert any("byte for byte" in note for note in result.report.notes)
    assert inspect_model("m", result.data, parse(result.data)).attached == ()


@pytest.mark.parametrize("nbytes", [1, 15, 64, 4096])
def test_zeros_behind_a_model_are_padding(nbytes: int) -> None:
    assert parse(conv_model() + bytes(nbytes)).attached is None


def test_offsets_into_the_archive_itself_stay() -> None:
    """An archive that was appended as it was: its offsets count from its own start."""
    model = conv_model()
    attached = parse(model + packed()).attached
    assert attached is not None and attached.files is not None and attached.offsets == ()
    assert with_attached(model * 2, attached).endswith(packed())


def test_every_truncated_archive_is_read_without_a_fault() -> None:
    data, size = packed(conv_model()), len(conv_model())
    for end in range(size + 1, len(data)):
        attached = parse(data[:end]).attached
        assert attached is None or (attached.files is None and attached.data == data[size:end])
