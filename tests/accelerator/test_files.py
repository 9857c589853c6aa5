"""Tables, INI files and models: what they say, and one line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

import wpconvert
from wpconvert.accelerator.architecture import BUILT_IN, architecture_named
from wpconvert.accelerator.rows import csv_of
from wpconvert.accelerator.search import schedule_layers
from wpconvert.accelerator.table import read_table
from wpconvert.cli.app import execute
from wpconvert.errors import FileError, UsageError
from wpconvert.formats.registry import read
from wpconvert.model.convolution import Convolution

ZOO = Path(__file__).parents[2] / "models" / "zoo"
TITLES = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,\n"
INI = """[architecture]
bandwidth = 16
mhz = 214
lut_rows = 48
lut_columns = 48
dsp_rows = 16
dsp_columns = 16
bram18 = 4
"""


def table(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(TITLES + "".join(f"{line}\n" for line in lines))
    return path


def test_images_keep_their_size_but_for_the_stride_unless_published_schedules_are_made(tmp_path: Path) -> None:
    path = table(tmp_path, "Conv1,224,224,7,7,3,64,2,", "Conv2,56,28,3,3,64,64,1,")
    assert [layer.output for layer in read_table(path)] == [(112, 112), (56, 28)]
    assert [layer.output for layer in read_table(path, compatible=True)] == [(110, 110), (54, 26)]


def test_layer_with_one_channel_is_depthwise_but_for_a_grey_image(tmp_path: Path) -> None:
    path = table(tmp_path, "stem,28,28,3,3,1,32,1", "depthwise,28,28,3,3,1,32,1", "one,28,28,3,3,1,1,1")
    assert [layer.depthwise for layer in read_table(path)] == [False, True, False]
    assert [layer.depthwise for layer in read_table(path, compatible=True)] == [True, True, False]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,1,1,1,1,1,1", r"line 2: 7 fields, expected 8: name, input height, .*"),
        ("a,1,1,1,1,1,1,0", r"line 2: '0', expected a whole number from 1 to 1048576"),
        ("a,1,1,1,1,1,x,1", r"line 2: 'x', expected a whole number from 1 to 1048576"),
        ("a,1,1,1,1,1,²,1", r"line 2: '²', expected a whole number from 1 to 1048576"),
        ("a,1,1,1,1,1,99999999999999999999,1", r"line 2: '9+', expected a whole number from 1 to 1048576"),
        (f"a,1,1,1,1,1,{'9' * 5000},1", r"line 2: '9{40}', expected a whole number from 1 to 1048576"),
        ('\n"a\n\nb",1,1,1,1,1,1', r"line 5: 7 fields, expected 8"),
        (f"{'a' * 200_000},1,1,1,1,1,1,1", r"line 2: field larger than field limit"),
    ],
)
def test_wrong_line_of_a_table_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_table(table(tmp_path, line))


def test_table_without_layers_or_with_other_bytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no layers; expected a line with the names of the columns, then"):
        read_table(table(tmp_path))
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not a text file; expected a table with name, "):
        read_table(binary)
    with pytest.raises(FileError, match="cannot be read: No such file"):
        read_table(tmp_path / "absent.csv")
    larger = table(tmp_path, "a,3,3,5,5,1,1,1")
    with pytest.raises(UsageError, match=r"line 2: a filter of 5 × 5 is larger than its image of 3 × 3"):
        read_table(larger, compatible=True)


def test_ini_file_describes_an_accelerator(tmp_path: Path) -> None:
    path = tmp_path / "mine.ini"
    path.write_text(INI)
    found = architecture_named(str(path))
    assert found.name == "mine"
    assert (found.lut, found.dsp) == (BUILT_IN["ultra96"].lut, BUILT_IN["ultra96"].dsp)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"no section \[architecture\]"),
        ("bandwidth = 3", "not an INI file"),
        (INI.replace("bram18 = 4\n", ""), "entry bram18 is missing"),
        (INI + "colour = 1\n", "unknown entry colour"),
        (INI.replace("lut_rows = 48", "lut_rows = 4.5"), "lut_rows: '4.5', expected a whole number above 0"),
        (INI.replace("mhz = 214", "mhz = nan"), "mhz: 'nan', expected a number above 0"),
        (INI.replace("bram18 = 4", "bram18 = 0"), "bram18: '0', expected a whole number above 0"),
        (INI + "bram18 = 4\n", "not an INI file"),
    ],
)
def test_wrong_ini_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.ini"
    path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        architecture_named(str(path))
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match=r"--arch zynq: expected one of ultra96, zcu102, xc7z020, or a file FILE.ini"):
        architecture_named("zynq")


def test_layers_of_a_model_are_those_of_its_rewritten_and_its_onnx_form(tmp_path: Path) -> None:
    small = tmp_path / "small.tflite"
    wpconvert.convert(ZOO / "digits_ds_cnn.tflite", output=small, method="huffman")
    dense = read(ZOO / "digits_ds_cnn.tflite").convolutions()
    assert read(small).convolutions() == dense
    assert [layer.depthwise for layer in dense[:3]] == [False, True, False]
    assert sum(layer.macs for layer in dense) == 598_976

    def shapes(name: str) -> list[object]:
        return [(x.output, x.kernel, x.stride, x.channels, x.filters) for x in read(ZOO / name).convolutions()]

    assert shapes("digits_onnx.onnx") == shapes("digits_ds_cnn.tflite")
    packed = tmp_path / "packed.onnx"
    wpconvert.convert(ZOO / "digits_onnx.onnx", output=packed, method="huffman")
    assert shapes(str(packed)) == shapes("digits_onnx.onnx")


def test_schedule_of_a_model_is_written_and_says_what_it_takes(tmp_path: Path) -> None:
    place = tmp_path / "schedule.csv"
    result = wpconvert.schedule(ZOO / "digits_ds_cnn.tflite", arch="ultra96", layers=[1] * 9 + [4], output=place)
    lines = place.read_text().splitlines()
    assert [int(line.split(",")[1]) for line in lines] == [layer.cycles for layer in result.layers]
    assert [layer.digits for layer in result.layers] == [1] * 9 + [4]
    assert result.cycles == sum(layer.cycles for layer in result.layers)
    assert result.milliseconds == pytest.approx(result.cycles / 214_000)
    assert result.speedup is not None and result.speedup >= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arch", "ultra96", "--layers", "1,2"], "--layers: 2 numbers, the model has 10 layers with weights"),
        (["--arch", "ultra96", "--layers", "1,x"], "--layers 1,x: expected whole numbers with commas between them"),
        (["--arch", "ultra96", "--layers", "5,1,1,1,1,1,1,1,1,1"], "5 effective bits: expected one of 1, 2, 3, 4"),
        (["--arch", "ultra96", "--layers", "9" * 5000], "expected whole numbers with commas between them"),
        (["--arch", "ultra96", "--layers", "1", "--effective-bits", "1"], "exclude each other"),
        (["--arch", "ultra96", "--speedup", "0"], "--speedup 0, expected a number above 0"),
        (["--arch", "ultra96", "--speedup", "nan"], "--speedup nan, expected a number above 0"),
        (["--arch", "ultra96", "--speedup", "2", "--layers", "1"], "--layers and --speedup exclude each other"),
        (["--arch", "ultra96", "--rules", "r.yaml"], "--inputs and --rules need --speedup"),
        (["--arch", "ultra96", "--compatible"], "--compatible is only for tables"),
        (["--arch", "ultra96", "-o", "x.txt"], "-o x.txt: the suffix must be .csv"),
        ([], "Missing option '--arch'"),
    ],
)
def test_wrong_options_are_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["schedule", str(ZOO / "digits_ds_cnn.tflite"), *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and message in printed.err and printed.err.count("\n") == 1


def test_digits_of_a_speed_up_are_rules_that_convert_takes(tmp_path: Path) -> None:
    model, rules = ZOO / "digits_ds_cnn_dense.tflite", tmp_path / "digits.yaml"
    most = wpconvert.schedule(model, arch="ultra96", effective_bits=1).speedup
    assert most is not None
    for inputs in (None, ZOO / "digits_test.npz"):
        result = wpconvert.schedule(model, arch="ultra96", speedup=most * 0.97, inputs=inputs, rules=rules)
        assert result.speedup is not None and result.speedup >= most * 0.97
        digits = {layer.digits for layer in result.layers}
        assert 1 in digits and 4 in digits
        found = wpconvert.convert(model, method="none", rules=rules, output=tmp_path / "out.tflite")
        changed = [tensor.snr_db is not None for tensor in found.report.tensors]
        # What would not shrink is unchanged.
        assert any(changed)
        assert not any(now and layer.digits == 4 for now, layer in zip(changed, result.layers, strict=True))


def test_speed_up_that_cannot_be_reached_says_the_most_that_can(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["schedule", str(ZOO / "digits_ds_cnn_dense.tflite"), "--arch", "ultra96", "--speedup", "99"]
    assert execute(arguments) == 8
    assert "--speedup 99: the most for this model is 1." in capsys.readouterr().err


def test_rules_do_not_overwrite_the_accelerator(tmp_path: Path) -> None:
    path = tmp_path / "mine.ini"
    path.write_text(INI)
    with pytest.raises(UsageError, match=r"mine.ini is given twice"):
        wpconvert.schedule(ZOO / "digits_ds_cnn_dense.tflite", arch=str(path), speedup=1, rules=path)
    assert path.read_text() == INI


def test_speed_up_near_zero_leaves_all_digits() -> None:
    found = wpconvert.schedule(ZOO / "digits_ds_cnn_dense.tflite", arch="ultra96", speedup=1e-320)
    assert {layer.digits for layer in found.layers} == {4}


def test_names_do_not_break_the_lines_of_a_schedule() -> None:
    layer = Convolution('"a,\n\r\t\x1b[31mb"', (4, 4), (1, 1), (1, 1), 4, 4)
    content = csv_of(schedule_layers([layer], BUILT_IN["ultra96"], [2]), compatible=False).decode()
    assert content.count("\n") == 1 and content.count(",") == 14
    assert all(each.isprintable() for each in content[:-1]) and '"' not in content


def test_table_gets_digits_in_the_published_order_and_has_no_weights_for_rules(tmp_path: Path) -> None:
    path = table(tmp_path, "a,28,28,3,3,64,128,1", "b,14,14,3,3,128,128,1")
    both = wpconvert.schedule(path, arch="ultra96", layers=[3, 3]).speedup
    assert both is not None
    result = wpconvert.schedule(path, arch="ultra96", speedup=both * 1.01)
    assert sorted(layer.digits for layer in result.layers) == [2, 3]
    with pytest.raises(UsageError, match="a table has no weights; --rules and --inputs need a model"):
        wpconvert.schedule(path, arch="ultra96", speedup=1, rules=tmp_path / "r.yaml")
