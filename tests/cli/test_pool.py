"""`-m pool` and its options on a shipped model."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.cli.harness import DENSE, SAMPLES, Cli, untouched
from wpconvert.formats.tflite.file import read, serialise
from wpconvert.graph.custom.operators import BUILTIN_NAMES


def test_pooling_reports_the_loss_and_the_accuracy_and_verifies_the_rest(cli: Cli, tmp_path: Path) -> None:
    out, report = tmp_path / "out.tflite", tmp_path / "out.json"
    done = cli.ok(DENSE, "-m", "pool", "--eval", SAMPLES, "-o", out, "--report", report)
    for part in ("weight SNR", "a pool of 64 vectors", "top-1 agreement", "accuracy 0.9", "lossy", "verified"):
        assert part in done.out
    found = json.loads(report.read_text())
    pooled = [tensor for tensor in found["tensors"] if tensor["method"] == "pool"]
    assert len(pooled) >= 3
    assert all(tensor["snr_db"] > 0 and tensor["pool_size"] == 64 for tensor in pooled)
    assert found["verification"]["lossy"] and found["verification"]["passed"]
    output = found["verification"]["outputs"][0]
    assert output["accuracy"][1] < output["accuracy"][0] and output["max_error"] > 0 and output["snr_db"] is not None
    verified = cli.ok("verify", DENSE, out, "--eval", SAMPLES)
    assert "lossy" in verified.out and "dense model with the same weights" in verified.out


def test_csv_has_what_is_known_of_pooled_weights(cli: Cli, tmp_path: Path) -> None:
    cli.ok(DENSE, "-m", "pool", "--pool-size", "16", "--dry-run", "--report", tmp_path / "out.csv", "-q")
    with (tmp_path / "out.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "pool"]
    assert {(row["pool_size"], row["index_bits"], row["act_bits"]) for row in rows} == {("16", "4", "8")}


def test_what_was_pooled_is_exact_from_then_on(cli: Cli, tmp_path: Path) -> None:
    pooled, dense, again = (tmp_path / f"{name}.tflite" for name in ("pooled", "dense", "again"))
    cli.ok(DENSE, "-m", "pool", "--no-verify", "-q", "-o", pooled)
    assert "the original weights are lost" in cli.ok("restore", pooled, "-o", dense).out
    done = cli.ok(dense, "-m", "pool", "-o", again)
    assert re.search(r"an exact pool of \d+ vectors; no weight changes", done.out)
    assert "verified: identical outputs" in done.out
    assert "verified: identical outputs" in cli.ok("verify", pooled, again).out


def test_a_forecast_says_that_it_does_not_know_pooled_weights(cli: Cli) -> None:
    done = cli.ok(DENSE, "-m", "pool", "--target", "mps2-m4", "--dry-run", "--no-verify")
    assert "cycles excluding CONV_2D with pool (" in done.out
    assert "bytes of flash (model and code) excluding pool (" in done.out


def test_few_bits_are_verified_by_weights_and_need_an_engine_that_has_them(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out.tflite"
    done = cli.ok(DENSE, "-m", "pool", "--act-bits", "4", "-o", out)
    assert "consistent weights and tables" in done.out
    assert "fewer than 8 bits" in cli.refused(4, "verify", DENSE, out, "--engine", "litert")


def test_inspect_shows_the_pool(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out.tflite"
    cli.ok(DENSE, "-m", "pool", "--pool-size", "32", "--lut", "flash", "--no-verify", "-q", "-o", out)
    assert re.search("pool: .* 32 vectors, look-up table in flash", cli.ok("inspect", out).out)
    (shared,) = json.loads(cli.ok("inspect", out, "--json").out)["shared"]
    assert shared["kind"] == "pool"
    assert shared["details"] == {"size": 32, "lut": "flash", "lut_bits": 8, "lut_shift": 0}


def test_another_model_beside_a_pooled_one_does_not_pass(cli: Cli, tmp_path: Path) -> None:
    out, other = tmp_path / "out.tflite", tmp_path / "other.tflite"
    cli.ok(DENSE, "-m", "pool", "--no-verify", "-q", "-o", out)
    _, model = read(DENSE)
    graph = model.root.subgraphs[0]
    last = next(op for op in graph.operators if model.operator_name(op) == "FULLY_CONNECTED")
    data = model.root.buffers[graph.tensors[last.inputs[1]].buffer].data
    model.root.buffers[graph.tensors[last.inputs[1]].buffer].data = np.asarray(data) ^ 1
    other.write_bytes(serialise(model))
    done = cli("verify", other, out)
    assert done.code == 1
    assert "FAILED: weights differ" in done.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-m", "dcsr", "--pool-size", "8"), "--pool-size needs -m pool"),
        (("-m", "auto", "--act-bits", "4"), "--act-bits needs -m pool"),
        (("-m", "pool", "--lut-bits", "5"), "unknown --lut-bits 5, expected one of 4, 8, 16"),
        (("-m", "pool", "--lut", "rom"), "unknown --lut rom, expected one of none, ram, flash"),
        (("-m", "pool", "--pool-scope", "file"), "unknown --pool-scope file, expected one of network, layer"),
        (("-m", "pool", "--lut", "none", "--lut-bits", "4"), "--lut none contradicts --lut-bits 4"),
        (("-m", "pool", "--eval", SAMPLES, "--no-verify"), "--eval and --no-verify exclude each other"),
        (("-m", "pool", "--eval", SAMPLES, "--random", "3"), "--eval and --random exclude each other"),
        (("-m", "pool", "--eval", SAMPLES, "--inputs", "other.npz"), "--inputs and --eval exclude each other"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    options: tuple[str | Path, ...], message: str, cli: Cli, tmp_path: Path
) -> None:
    with untouched(tmp_path):
        assert message in cli.refused(2, DENSE, *options, "-o", tmp_path / "out.tflite")


def test_eval_needs_labels(cli: Cli, tmp_path: Path) -> None:
    data = tmp_path / "data.npz"
    with np.load(SAMPLES) as samples:
        np.savez(data, image=samples["image"])
    line = cli.refused(2, DENSE, "-m", "pool", "--eval", data, "-o", tmp_path / "out.tflite")
    assert "no array `labels`" in line


def test_a_rule_for_activations_without_a_pool_is_refused(cli: Cli, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{operator: CONV_2D, method: rle, act_bits: 4}]")
    line = cli.refused(2, DENSE, "--rules", rules, "-o", tmp_path / "out.tflite")
    assert "act_bits needs method pool, not rle" in line


def test_pool_options_serve_a_rule(cli: Cli, tmp_path: Path) -> None:
    rules, out = tmp_path / "rules.yaml", tmp_path / "out.tflite"
    rules.write_text("rules: [{operator: CONV_2D, method: pool}]")
    cli.ok(DENSE, "-m", "none", "--rules", rules, "--pool-size", "16", "--no-verify", "-o", out)
    _, model = read(out)
    operators = [model.operator_name(operator) for operator in model.root.subgraphs[0].operators]
    assert set(operators) & set(BUILTIN_NAMES) == {"WP_CONV_2D"}


def test_plan_of_a_model_that_was_pooled_before_gives_the_same_file(cli: Cli, tmp_path: Path) -> None:
    pooled, plan = tmp_path / "pooled.tflite", tmp_path / "plan.yaml"
    files = [tmp_path / name for name in ("first.tflite", "second.tflite")]
    cli.ok(DENSE, "-m", "pool", "--no-verify", "-q", "-o", pooled)
    cli.ok(pooled, "--no-verify", "-q", "-o", files[0], "--dump-plan", plan)
    cli.ok(pooled, "--no-verify", "-q", "-o", files[1], "--rules", plan)
    assert files[0].read_bytes() == files[1].read_bytes()
