"""The header of `--to-c` against the runtime's headers: what it registers and that it compiles."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from wpconvert.backends.c import emit
from wpconvert.codecs import CODECS
from wpconvert.errors import ModelError
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.job.convert import convert_bytes
from wpconvert.model.rules import Rule, Rules
from wpconvert.model.settings import Settings

from .conftest import ROOT

DIGITS = ROOT / "models" / "zoo" / "digits_ds_cnn.tflite"
USER = """
#include "model.h"
#include "wpconvert/codecs.h"
#include "wpconvert/micro_interpreter.h"
#include "model.h"
bool add() {
    wpconvert::MicroMutableOpResolver<MODEL_OPERATORS> resolver;
    return MODEL_REGISTER(resolver);
}
"""


def rewritten(method: str, *rules: Rule) -> bytes:
    settings = Settings(method, Rules(rules=list(rules)), 0.0, False)
    return convert_bytes(DIGITS.read_bytes(), settings).data


@pytest.mark.parametrize(
    ("data", "codecs"),
    [
        (DIGITS.read_bytes, []),
        (lambda: rewritten("dcsr"), ["dcsr"]),
        (lambda: rewritten("dcsr", Rule(operator="FULLY_CONNECTED", method="rle")), ["dcsr", "rle"]),
    ],
    ids=["none", "one", "two"],
)
def test_exactly_the_codecs_of_the_model(data: Callable[[], bytes], codecs: list[str], tmp_path: Path) -> None:
    files = emit(tmp_path / "model.c", parse(data()), data(), "digits")
    header = files[tmp_path / "model.h"].decode()
    assert [name for name in sorted(CODECS) if f"AddCodec(&wpk_codec_{name})" in header] == codecs
    for path, content in files.items():
        path.write_bytes(content)
    (tmp_path / "user.cc").write_text(USER)
    includes = [f"-I{ROOT / 'kernels' / 'include'}", f"-I{ROOT / 'runtime' / 'include'}"]
    for command in (["gcc", "-std=c11", "model.c"], ["g++", "-std=c++17", *includes, "user.cc"]):
        if shutil.which(command[0]) is None:
            pytest.skip(f"no {command[0]} on PATH")
        done = subprocess.run(
            [*command, "-Wall", "-Wextra", "-Werror", "-fsyntax-only"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_an_unknown_codec_is_refused(tmp_path: Path) -> None:
    model = parse(rewritten("dcsr"))
    graph = model.root.subgraphs[0]
    operator = next(op for op in graph.operators if model.is_custom(op))
    buffer = model.root.buffers[graph.tensors[operator.inputs[1]].buffer]
    buffer.data = buffer.data.copy()
    buffer.data[5] = 99
    with pytest.raises(ModelError, match=r"operator \d+ \(WP_\w+, subgraph 0\): .*unknown codec 99"):
        emit(tmp_path / "model.c", model, serialise(model), "digits")
