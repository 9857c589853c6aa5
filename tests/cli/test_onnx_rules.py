"""Rules, plans, reports, dry runs and replacing in place: the same for .onnx files as for others."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from onnx import helper

from tests.cli.harness import Cli, tree, untouched
from tests.onnx.harness import conv_model, if_model, model_of, save, sparse, value
from tests.onnx.test_convert import ODD_NAMES


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A model, one with weights in subgraphs, one with external data, one whose names are odd."""
    save(conv_model(), tmp_path / "model.onnx")
    save(if_model(), tmp_path / "branches.onnx")
    (tmp_path / "outside").mkdir()
    save(conv_model(), tmp_path / "outside" / "model.onnx", external=True)
    nodes, last = [], "x"
    for i, name in enumerate(ODD_NAMES):
        nodes.append(helper.make_node("MatMul", [last, name], [last := f"y/{i}"]))
    weights = {name: sparse((32, 32), "float32", seed=i) for i, name in enumerate(ODD_NAMES)}
    save(model_of(nodes, weights, [value("x", [1, 32])], [value(last, [1, 32])]), tmp_path / "odd.onnx")
    return tmp_path


def _methods(cli: Cli, source: Path, rules: str, *options: str) -> dict[str, str]:
    """The method of each weight, by key."""
    folder = source.parent
    (folder / "rules.yaml").write_text(rules)
    cli.ok(
        source, "--dry-run", "--no-verify", "--rules", folder / "rules.yaml", "--report", folder / "r.json", *options
    )
    tensors = json.loads((folder / "r.json").read_text())["tensors"]
    return {tensor["key"]: tensor["method"] for tensor in tensors}


BRANCHES = {"0:w1": "rle", "0:w2": "rle", "0:shared": "rle", "1:w": "rle", "2:w": "rle"}
RULES = {
    "rules: [{operator: MatMul, method: bitmap}]": dict.fromkeys(BRANCHES, "bitmap"),
    "rules: [{name: '^w$', method: bitmap}]": BRANCHES | {"1:w": "bitmap", "2:w": "bitmap"},
    "rules: [{name: '^w', method: none}, {name: w2, method: dcsr}]": {
        **dict.fromkeys(BRANCHES, "none"),
        **{"0:shared": "rle", "0:w2": "dcsr"},
    },
    "rules: [{tensor: '2:w', method: none}]": BRANCHES | {"2:w": "none"},
    "rules: [{name: shared, operator: MatMul, tensor: '0:shared', method: none}]": BRANCHES | {"0:shared": "none"},
    "rules: [{tensor: '0:w1', method: bitmap, threshold: 0.99}]": BRANCHES | {"0:w1": "none"},
}


@pytest.mark.parametrize(("rules", "expected"), RULES.items(), ids=RULES)
def test_the_last_rule_that_matches_wins_in_every_graph(
    rules: str, expected: dict[str, str], cli: Cli, files: Path
) -> None:
    assert _methods(cli, files / "branches.onnx", rules, "-m", "rle") == expected


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            "{operator: CONV_2D, method: rle}",
            "rule 1 (operator: CONV_2D) matches no weight; the model's weights are w1 ",
        ),
        ("{tensor: '3:w', method: rle}", "rule 1 (tensor: 3:w) matches no weight"),
        ("{name: '(', method: rle}", "is not a regular expression"),
        ("{name: w, method: dense}", "method dense is not for .onnx files, expected one of auto, none, bitmap"),
        ("{name: w, method: pool, act_bits: 4}", "act_bits in rules is only for .tflite models"),
    ],
)
def test_rules_that_do_nothing_here_are_refused(rule: str, message: str, cli: Cli, files: Path) -> None:
    (files / "rules.yaml").write_text(f"rules: [{rule}]")
    with untouched(files):
        options: list[str | Path] = ["--rules", files / "rules.yaml", "-o", files / "out.onnx", "--no-verify"]
        assert message in cli.refused(2, files / "branches.onnx", *options)


def test_a_threshold_holds_where_no_rule_has_its_own(cli: Cli, files: Path) -> None:
    rule = "rules: [{tensor: '0:w1', method: auto, threshold: 0}]"
    methods = _methods(cli, files / "branches.onnx", rule, "--threshold", "0.9")
    assert {key for key, method in methods.items() if method != "none"} == {"0:w1"}
    tensors = json.loads((files / "r.json").read_text())["tensors"]
    assert "below the threshold 90.0 %" in next(t["reason"] for t in tensors if t["key"] == "1:w")


@pytest.mark.parametrize("name", ["branches.onnx", "odd.onnx", "outside/model.onnx"])
def test_a_plan_makes_the_same_model_again_whatever_names_are_in_it(name: str, cli: Cli, files: Path) -> None:
    source = files / name
    for folder in ("a", "b"):
        (files / folder).mkdir()
    cli.ok(source, "-o", files / "a" / "x.onnx", "--no-verify", "--dump-plan", files / "plan.yaml")
    cli.ok(source, "-m", "none", "--rules", files / "plan.yaml", "-o", files / "b" / "x.onnx", "--no-verify")
    assert tree(files / "a") == tree(files / "b")


@pytest.mark.parametrize("method", ["auto", "none", "huffman"])
@pytest.mark.parametrize("name", ["branches.onnx", "outside/model.onnx"])
def test_a_dry_run_reports_what_then_happens(method: str, name: str, cli: Cli, files: Path) -> None:
    source = files / name
    before = tree(files)
    cli.ok(source, "-m", method, "--dry-run", "--no-verify", "--report", files / "dry.json")
    assert tree(files).keys() - before.keys() == {"dry.json"}
    cli.ok(source, "-m", method, "-o", source.with_name("out.onnx"), "--no-verify", "--report", files / "wet.json")
    dry, wet = (json.loads((files / f"{kind}.json").read_text()) for kind in ("dry", "wet"))
    written = [source.with_name(name) for name in ("out.onnx", "out.onnx.data")]
    assert wet["nbytes_after"] == sum(path.stat().st_size for path in written if path.exists())
    assert (dry["tensors"], dry["nbytes_before"]) == (wet["tensors"], wet["nbytes_before"])


@pytest.mark.parametrize("name", ["branches.onnx", "outside/model.onnx"])
def test_in_place_gives_the_files_that_an_output_of_that_name_gets(name: str, cli: Cli, files: Path) -> None:
    source = files / name
    (files / "new").mkdir()
    cli.ok(source, "-m", "bitmap", "-o", files / "new" / source.name, "--no-verify")
    cli.ok(source, "-m", "bitmap", "--in-place", "--no-verify")
    for path in (files / "new").iterdir():
        assert source.with_name(path.name).read_bytes() == path.read_bytes()


def test_reports_in_both_formats_say_the_same(cli: Cli, files: Path) -> None:
    for suffix in ("json", "csv"):
        cli.ok(files / "odd.onnx", "--dry-run", "--no-verify", "--report", files / f"r.{suffix}")
    tensors = json.loads((files / "r.json").read_text())["tensors"]
    with (files / "r.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [tensor["name"] for tensor in tensors] == ODD_NAMES
    for row, tensor in zip(rows, tensors, strict=True):
        assert row["shape"] == "32x32" and row["operators"] == "MatMul"
        assert (row["method"], int(row["nbytes_after"])) == (tensor["method"], tensor["nbytes_after"])


def test_a_file_whose_outputs_are_not_finite_is_verified_and_reported(cli: Cli, files: Path) -> None:
    model = conv_model()
    node = helper.make_node("Div", ["y", "zero"], ["z"])
    model.graph.node.append(node)
    model.graph.initializer.append(helper.make_tensor("zero", 1, [], [0.0]))
    model.graph.output[0].name = "z"
    save(model, files / "infinite.onnx")
    done = cli.ok(files / "infinite.onnx", "-o", files / "out.onnx", "--report", files / "r.json")
    assert "z: 512 values equal" in done.out
    (output,) = json.loads((files / "r.json").read_text(), parse_constant=pytest.fail)["verification"]["outputs"]
    assert (output["equal"], output["max_error"]) == (True, 0.0)
