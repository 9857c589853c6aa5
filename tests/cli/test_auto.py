"""`wpconvert MODEL -m auto` and its options."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.cli.harness import DENSE, MODEL, Cli, untouched
from tests.support.models import ModelBuilder
from tests.tflite.harness import branches_builder, sparse
from wpconvert.codecs import CODECS, STANDALONE
from wpconvert.formats.tflite.file import read
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.plan.costs import load_costs, predict
from wpconvert.plan.layers import layers_of
from wpconvert.target.board import boards


def report(cli: Cli, folder: Path, *options: str | Path) -> dict[str, Any]:
    path = folder / "report.json"
    cli.ok(MODEL, "-o", folder / "out.tflite", "--no-verify", "--report", path, *options)
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def flash(found: dict[str, Any]) -> int:
    """Bytes of model and code."""
    return int(found["nbytes_after"] + found["forecast"]["code_nbytes"])


def test_file_is_as_small_as_every_single_method(cli: Cli, tmp_path: Path) -> None:
    auto = report(cli, tmp_path, "--optimize", "file", "--max-slowdown", "inf")["nbytes_after"]
    assert auto <= min(report(cli, tmp_path, "-m", method)["nbytes_after"] for method in STANDALONE)


@pytest.mark.parametrize("target", list(boards()))
def test_size_takes_as_little_flash_as_every_single_method(target: str, cli: Cli, tmp_path: Path) -> None:
    auto = flash(report(cli, tmp_path, "--optimize", "size", "--target", target))
    assert auto <= min(
        flash(report(cli, tmp_path, "-m", method, "--target", target)) for method in ("none", *STANDALONE)
    )


@pytest.mark.parametrize("model", [MODEL, DENSE], ids=["pruned", "dense"])
@pytest.mark.parametrize("target", list(boards()))
def test_default_never_takes_more_flash_than_the_model_as_it_is(
    model: Path, target: str, cli: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    cli.ok(model, "-o", tmp_path / "out.tflite", "--no-verify", "--report", path, "--target", target)
    found = json.loads(path.read_text())
    assert flash(found) <= found["nbytes_before"] + found["forecast"]["code_nbytes_dense"]


def test_small_model_whose_codecs_would_take_more_than_they_save_stays_and_says_so(cli: Cli, tmp_path: Path) -> None:
    b = ModelBuilder()
    b.output(b.fully_connected(b.input((1, 64), 0.5), sparse(1, (32, 64), 0.9), weight_scales=0.01))
    path = tmp_path / "small.tflite"
    path.write_bytes(b.to_bytes())
    text = cli.ok(path, "--dry-run", "--no-verify").out
    assert "0 of 1 tensors rewritten" in text
    assert "needs less flash (model and code) than the unchanged weights" in text
    assert re.search(
        r"not chosen: (rle|packed|bitmap) saves [\d,]+ bytes but needs [\d,]+ bytes of code", " ".join(text.split())
    )
    text = cli.ok(path, "--dry-run", "--no-verify", "--optimize", "file", "--max-slowdown", "inf").out
    assert "1 of 1 tensors rewritten" in text


@pytest.mark.parametrize(
    ("goal", "option"), [("balanced", "--optimize size"), ("file", "--optimize file --max-slowdown inf")]
)
def test_limit_that_leaves_next_to_no_saving_offers_the_smallest_plan(
    goal: str, option: str, cli: Cli, tmp_path: Path
) -> None:
    """The option that is offered gives what is offered."""
    b = ModelBuilder()
    values = np.clip(np.rint(np.random.default_rng(1).normal(0, 12, (256, 1024))), -127, 127).astype(np.int8)
    b.output(b.fully_connected(b.input((1, 1024), 0.5), values, weight_scales=0.01))
    path, found = tmp_path / "large.tflite", tmp_path / "report.json"
    path.write_bytes(b.to_bytes())
    dry = (path, "--dry-run", "--no-verify", "--report", found)
    text = cli.ok(*dry, "--optimize", goal).out
    offered = re.search(rf"smaller with {option}: ([\d.]+) KB of (flash|file) at ([\d.]+) × the cycles", text)
    assert offered is not None, text
    assert re.search(
        r"not chosen: huffman saves .* costs \+[\d.]+ % cycles \(limit 10 % for the", " ".join(text.split())
    )
    assert "smaller with" not in cli.ok(*dry, *option.split()).out
    chosen = json.loads(found.read_text())
    size = flash(chosen) if offered[2] == "flash" else chosen["nbytes_after"]
    assert float(offered[1]) == pytest.approx(size / 1000, rel=0.01)
    slowdown = chosen["forecast"]["cycles"] / chosen["forecast"]["cycles_dense"]
    assert float(offered[3]) == pytest.approx(slowdown, abs=0.06)


@pytest.mark.parametrize("options", [(), ("--optimize", "size"), ("--ram", "1000000")])
def test_saving_plan_offers_no_smaller_one(options: tuple[str, ...], cli: Cli) -> None:
    assert "smaller with" not in cli.ok(MODEL, "--dry-run", "--no-verify", *options).out


@pytest.mark.parametrize("target", list(boards()))
def test_forecast_is_what_the_cost_model_says_of_the_written_file(target: str, cli: Cli, tmp_path: Path) -> None:
    forecast = report(cli, tmp_path, "--target", target)["forecast"]
    for path, suffix in ((tmp_path / "out.tflite", ""), (MODEL, "_dense")):
        found = predict(layers_of(read_graph(read(path)[1])), load_costs(boards()[target].core)).total
        assert forecast[f"cycles{suffix}"] == pytest.approx(found.cycles, abs=1)
        assert forecast[f"instructions{suffix}"] == pytest.approx(found.instructions, abs=1)
    assert forecast["cycles"] <= 1.1 * forecast["cycles_dense"] + 1
    assert forecast["instructions"] <= 1.1 * forecast["instructions_dense"] + 1
    chosen = [point for point in forecast["front"] if point["chosen"]]
    assert [point["nbytes"] for point in chosen] == [(tmp_path / "out.tflite").stat().st_size]


@pytest.mark.parametrize("target", list(boards()))
def test_speed_is_as_fast_as_every_single_method(target: str, cli: Cli, tmp_path: Path) -> None:
    fastest = report(cli, tmp_path, "--target", target, "--optimize", "speed")["forecast"]["cycles"]
    # With dense, all weights are rewritten, and some of them take more bytes than before: no option of a plan.
    for method in ("none", *(codec for codec in STANDALONE if codec != "dense")):
        assert fastest <= report(cli, tmp_path, "--target", target, "-m", method)["forecast"]["cycles"]


@pytest.mark.parametrize("goal", ["size", "file"])
def test_more_slowdown_gives_no_more_bytes(goal: str, cli: Cli, tmp_path: Path) -> None:
    found = [
        report(cli, tmp_path, "--optimize", goal, "--max-slowdown", limit) for limit in ("1", "1.05", "1.2", "9", "inf")
    ]
    sizes = [one["nbytes_after"] if goal == "file" else flash(one) for one in found]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]


def test_dry_run_shows_the_front_and_the_choice(cli: Cli, tmp_path: Path) -> None:
    with untouched(tmp_path):
        text = cli.ok(MODEL, "--dry-run").out
    assert "tensors by method" in text and "→" in text
    assert "predicted for corstone300 (Cortex-M55), balanced, at most 1.1 × the cycles" in text
    assert "% cycles" in text and "bytes of arena" in text


def test_plan_names_concrete_methods_and_rules_may_say_auto(cli: Cli, tmp_path: Path) -> None:
    plan, rules = tmp_path / "plan.yaml", tmp_path / "rules.yaml"
    report(cli, tmp_path, "--dump-plan", plan)
    assert {rule["method"] for rule in yaml.safe_load(plan.read_text())["rules"]} <= {"none", *CODECS}
    rules.write_text("rules:\n  - {operator: CONV_2D, method: auto}\n  - {name: block2, method: dcsr}\n")
    tensors = report(cli, tmp_path, "-m", "none", "--optimize", "size", "--rules", rules)["tensors"]
    methods = {tensor["name"]: tensor["method"] for tensor in tensors}
    assert methods["block2/pointwise/conv/weight"] == "dcsr"
    assert methods["block3/pointwise/conv/weight"] in CODECS
    assert methods["block3/depthwise/conv/weight"] == "none"


def test_rewritten_models_are_planned_again_and_grow_nowhere(cli: Cli, tmp_path: Path) -> None:
    cli.ok(MODEL, "-m", "rle", "-o", tmp_path / "rle.tflite", "-q")
    cli.ok(tmp_path / "rle.tflite", "-o", tmp_path / "again.tflite", "--optimize", "size", "-q")
    cli.ok("verify", MODEL, tmp_path / "again.tflite")
    assert (tmp_path / "again.tflite").stat().st_size <= (tmp_path / "rle.tflite").stat().st_size


@pytest.mark.parametrize("strip", [[], ["--strip"]], ids=["kept", "stripped"])
def test_flash_is_kept_to_the_byte_or_told_what_is_missing(strip: list[str], cli: Cli, tmp_path: Path) -> None:
    found = report(cli, tmp_path, "--optimize", "size", "--flash", "1000000", *strip)
    least = found["nbytes_after"] + found["forecast"]["code_nbytes"]
    dense = DENSE.stat().st_size + found["forecast"]["code_nbytes_dense"]
    for limit in (dense - 1, (least + dense) // 2, least + 64):
        found = report(cli, tmp_path, "--optimize", "speed", "--flash", str(limit), *strip)
        assert found["nbytes_after"] + found["forecast"]["code_nbytes"] <= limit
    (tmp_path / "out.tflite").write_bytes(b"precious")
    with untouched(tmp_path):
        line = cli.refused(8, MODEL, "-o", tmp_path / "out.tflite", "--flash", "30000", *strip)
    assert "more flash than --flash " in line and "allows; the smallest plan takes" in line


def test_flash_counts_the_code_of_operators_in_every_subgraph(cli: Cli, tmp_path: Path) -> None:
    path, found = tmp_path / "branches.tflite", tmp_path / "report.json"
    path.write_bytes(branches_builder(zeros=0.0).to_bytes())
    line = cli.refused(8, path, "--dry-run", "--no-verify", "--flash", "14000")
    assert "more flash than --flash " in line and "allows; the smallest plan takes" in line
    cli.ok(path, "--dry-run", "--no-verify", "--report", found, "--target", "mps2-m4")
    forecast = json.loads(found.read_text())["forecast"]
    costs = load_costs("Cortex-M4")
    assert forecast["code_nbytes_dense"] == costs.code_nbytes(["CONV_2D"])
    assert forecast["cycles_dense"] > 2 * 16 * 32 * 144


def missing(cli: Cli, model: Path, *options: str) -> int:
    """The bytes that an error says are missing."""
    line = cli.refused(8, model, "--dry-run", "--no-verify", *options)
    found = re.match(r"needs ([\d,]+) bytes? more RAM than --ram [\d,]+ allows; ", line)
    assert found, line
    return int(found[1].replace(",", ""))


def test_ram_that_is_missing_is_told_to_the_byte_and_all_that_is_more_is_kept_to(cli: Cli, tmp_path: Path) -> None:
    free = report(cli, tmp_path)["forecast"]["arena_nbytes"]
    least = 2000 + missing(cli, MODEL, "--ram", "2000")
    assert 2000 < least < free
    for limit in (least, least + 1, (least + free) // 2, free - 1, free):
        assert report(cli, tmp_path, "--ram", str(limit))["forecast"]["arena_nbytes"] <= limit
    assert missing(cli, MODEL, "--ram", str(least - 500)) == 500
    line = cli.refused(8, MODEL, "--dry-run", "--no-verify", "--ram", str(least - 1))
    assert line == (
        f"needs 1 byte more RAM than --ram {least - 1:,} allows; the smallest plan takes an arena of {least:,} bytes"
    )


def test_auto_fits_the_ram_that_a_goal_or_a_single_method_fits(cli: Cli) -> None:
    least = missing(cli, MODEL, "--ram", "1")
    assert all(least <= missing(cli, MODEL, "--ram", "1", "--optimize", goal) for goal in ("size", "speed"))
    assert all(least <= missing(cli, MODEL, "--ram", "1", "-m", method) for method in ("none", *STANDALONE))


def test_ram_of_a_single_method_is_that_of_the_model(cli: Cli) -> None:
    line = cli.refused(8, MODEL, "--dry-run", "--no-verify", "-m", "rle", "--ram", "2000")
    assert "the model takes an arena of" in line and "plan" not in line


def test_missing_ram_is_told_of_a_model_without_weights(cli: Cli, tmp_path: Path) -> None:
    b = ModelBuilder()
    x = b.input((1, 64), 0.1)
    b.output(b.op("LOGISTIC", [x], [b.tensor((1, 64), "int8", 1 / 256, -128)]))
    path = tmp_path / "logistic.tflite"
    path.write_bytes(b.to_bytes())
    least = 10 + missing(cli, path, "--ram", "10")
    cli.ok(path, "--dry-run", "--no-verify", "--ram", str(least))
    assert missing(cli, path, "--ram", str(least - 1)) == 1


def test_ram_is_refused_where_the_arena_cannot_be_predicted(cli: Cli, tmp_path: Path) -> None:
    b = ModelBuilder()
    x = b.input((1, 64), 0.1)
    b.output(b.op("FLOOR", [x], [b.tensor((1, 64), "int8", 0.1)]))
    path = tmp_path / "floor.tflite"
    path.write_bytes(b.to_bytes())
    line = cli.refused(4, path, "--dry-run", "--no-verify", "--ram", "10000")
    assert "the arena for --ram cannot be predicted: operator 0" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--optimize", "fast"], "unknown --optimize 'fast', expected one of balanced, size, speed, file"),
        (["-m", "rle", "--optimize", "size"], "--optimize needs -m auto"),
        (["--max-slowdown", "0"], "--max-slowdown 0, expected a positive factor"),
        (["--max-slowdown", "nan"], "--max-slowdown nan, expected a positive factor"),
        (["--target", "toaster"], "unknown target 'toaster', expected one of corstone300"),
        (["--flash", "0"], "Invalid value for '--flash'"),
    ],
    ids=str,
)
def test_wrong_options_are_refused(options: list[str], message: str, cli: Cli) -> None:
    assert message in cli.refused(2, MODEL, "--dry-run", *options)


def test_single_methods_are_predicted_where_a_target_is_named(cli: Cli) -> None:
    assert "predicted for mps2-m4 (Cortex-M4)" in cli.ok(MODEL, "--dry-run", "-m", "rle", "--target", "mps2-m4").out
    assert "predicted" not in cli.ok(MODEL, "--dry-run", "-m", "rle").out
