"""FILE.c and FILE.h: compiled by real compilers, they hold the file's bytes, aligned, and register its operators."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.support.models import ModelBuilder
from tests.tflite.harness import conv_builder, converted
from wpconvert.backends.c import emit
from wpconvert.backends.c.c_array import check_path, header_path
from wpconvert.errors import UnsupportedError, UsageError
from wpconvert.files import write_all
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.schema import options

needs_compiler = pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("g++")), reason="no gcc and g++ here")

MAIN_C = """
#include "{header}"
#include <stdio.h>
int main(void) {{
    if ((uintptr_t){symbol}_data % 16 != 0) return 1;
    return fwrite({symbol}_data, 1, sizeof {symbol}_data, stdout) == {upper}_NBYTES ? 0 : 2;
}}
"""

# A resolver that writes down its calls. Codecs are only named, so that they need no definition.
MAIN_CPP = """
#include <cstdio>
#include <string>
enum Status {{ kTfLiteOk = 0, kTfLiteError = 1 }};
struct wpk_codec;
struct Registration {{ const char *name; }};
namespace wpconvert {{
Registration *Register_WP_CONV_2D() {{ static Registration r{{"WP_CONV_2D"}}; return &r; }}
bool AddCodec(const ::wpk_codec *) {{ return true; }}
}}
Registration *Register_MY_OP() {{ static Registration r{{"MY_OP"}}; return &r; }}
#include "{header}"
struct Resolver {{
    std::string calls;
    Status fail = kTfLiteOk;
    Status AddConv2D() {{ calls += "Conv2D "; return kTfLiteOk; }}
    Status AddReshape() {{ calls += "Reshape "; return fail; }}
    Status AddFullyConnected() {{ calls += "FullyConnected "; return kTfLiteOk; }}
    Status AddCustom(const char *name, Registration *r) {{
        calls += std::string("Custom:") + name + (std::string(name) == r->name ? " " : "!");
        return kTfLiteOk;
    }}
}};
int main() {{
    Resolver good, bad;
    bad.fail = kTfLiteError;
    const bool first = {upper}_REGISTER(good), second = {upper}_REGISTER(bad);
    std::printf("%d %d %d %s\\n", {upper}_OPERATORS, int(first), int(second), good.calls.c_str());
    return 0;
}}
"""


def model() -> bytes:
    b, y = conv_builder()
    y = b.op("MY_OP", [y], [b.like(y)], custom_options=b"x")
    y = b.reshape(y, (1, 512))
    b.output(b.fully_connected(y, np.ones((2, 512), np.int8), scale=0.5))
    return converted(b.to_bytes()).data


def compiled(command: list[str], folder: Path) -> bytes:
    subprocess.run([*command, "-Wall", "-Wextra", "-Werror", "-o", "program"], cwd=folder, check=True)
    return subprocess.run([folder / "program"], capture_output=True, check=True).stdout


def emitted(path: Path, data: bytes, source: str = "model.tflite") -> None:
    write_all(emit(path, parse(data), data, source))


NAMES = {
    "model.c": "model",
    "9 lives.c": "model_9_lives",
    "tiny-net.v2.c": "tiny_net_v2",
    "größe.c": "gr__e",
    "int.c": "int",
    "%s$x?.c": "_s_x_",
}


@needs_compiler
@pytest.mark.parametrize("name", NAMES)
def test_source_compiles_as_c_and_holds_the_aligned_bytes(name: str, tmp_path: Path) -> None:
    emitted(tmp_path / name, model())
    header = header_path(Path(name)).name
    symbol = NAMES[name]
    (tmp_path / "main.c").write_text(MAIN_C.format(header=header, symbol=symbol, upper=symbol.upper()))
    assert compiled(["gcc", "-std=c11", "main.c", f"./{name}"], tmp_path) == model()


@needs_compiler
def test_alignment_is_declared_not_left_to_the_compiler(tmp_path: Path) -> None:
    emitted(tmp_path / "model.c", model())
    (tmp_path / "main.c").write_text(
        '#include "model.c"\n_Static_assert(__alignof__(model_data) == 16, "");\nint main(void) { return 0; }\n'
    )
    compiled(["gcc", "-std=c11", "main.c"], tmp_path)


@needs_compiler
@pytest.mark.parametrize("suffix", [".cc", ".cpp"])
def test_source_compiles_as_cpp_too(suffix: str, tmp_path: Path) -> None:
    emitted(tmp_path / f"model{suffix}", model())
    (tmp_path / "main.cpp").write_text(MAIN_C.format(header="model.h", symbol="model", upper="MODEL"))
    assert compiled(["g++", "-std=c++17", "main.cpp", f"model{suffix}"], tmp_path) == model()


@needs_compiler
def test_header_registers_every_operator_once_and_reports_failure(tmp_path: Path) -> None:
    emitted(tmp_path / "model.c", model())
    (tmp_path / "main.cpp").write_text(MAIN_CPP.format(header="model.h", upper="MODEL"))
    command = ["g++", "-std=c++17", "-no-pie", "-Wl,--unresolved-symbols=ignore-all", "main.cpp"]
    out = compiled(command, tmp_path).decode()
    assert out.split()[:3] == ["4", "1", "0"]
    assert sorted(out.split()[3:]) == ["Custom:MY_OP", "Custom:WP_CONV_2D", "FullyConnected", "Reshape"]


@needs_compiler
@pytest.mark.parametrize("source", ["*/ int x; /*", "line\nbreak", "end\\", "µ🙂.tflite", "??/", "\udcff.tflite"])
def test_name_of_the_source_cannot_break_out_of_the_comment(source: str, tmp_path: Path) -> None:
    emitted(tmp_path / "model.c", model(), source)
    (tmp_path / "main.c").write_text(MAIN_C.format(header="model.h", symbol="model", upper="MODEL"))
    assert compiled(["gcc", "-std=c11", "-trigraphs", "main.c", "model.c"], tmp_path) == model()


@pytest.mark.parametrize("name", ["model.h", "model", "model.C", "model.tflite"])
def test_other_suffixes_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"the suffix must be \.c, \.cc or \.cpp"):
        check_path(Path(name))


@pytest.mark.parametrize("name", ['a"b.c', "a\\b.c", "a\nb.c", "\udcff.c"], ids=ascii)
def test_names_that_no_include_can_hold_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="include"):
        check_path(Path(name))


def test_operator_that_tflm_lacks_is_named() -> None:
    b = ModelBuilder()
    x = b.input((1, 4), 0.5)
    b.output(b.op("RANK", [x], [b.like(x)], options("RankOptions")))
    with pytest.raises(UnsupportedError, match="operator RANK: TensorFlow Lite Micro does not support it"):
        emit(Path("model.c"), parse(b.to_bytes()), b.to_bytes(), "model.tflite")
