"""`wpconvert MODEL` and each of its options on a shipped model."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.harness import DENSE, MODEL, SAMPLES, Cli, tree, untouched
from tests.tflite.harness import canonical, restored, rewritten_count
from wpconvert.formats.tflite.file import parse, read


def test_default_command_rewrites_verifies_writes_and_reports(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out.tflite"
    done = cli.ok(MODEL, "-o", out)
    assert rewritten_count(out.read_bytes()) >= 5
    assert out.stat().st_size < 0.65 * MODEL.stat().st_size
    for part in ("block4/pointwise/conv", "predicted for corstone300", "verified: identical outputs", f"wrote {out}"):
        assert part in done.out
    assert f"file {MODEL.stat().st_size:,} → {out.stat().st_size:,} bytes" in done.out
    assert tree(tmp_path).keys() == {"out.tflite"}


def test_named_command_and_default_one_are_the_same(cli: Cli, tmp_path: Path) -> None:
    cli.ok(MODEL, "-m", "rle", "-o", tmp_path / "a.tflite")
    cli.ok("convert", "-m", "rle", MODEL, "-o", tmp_path / "b.tflite")
    cli.ok("-m", "rle", MODEL, "-o", tmp_path / "c.tflite")
    assert len({(tmp_path / f"{name}.tflite").read_bytes() for name in "abc"}) == 1


@pytest.mark.parametrize("method", ["dcsr", "rle", "dense"])
def test_each_method_is_restored_to_the_original(method: str, cli: Cli, tmp_path: Path) -> None:
    cli.ok(MODEL, "-m", method, "-o", tmp_path / "out.tflite", "-q")
    cli.ok("restore", tmp_path / "out.tflite", "-o", tmp_path / "dense.tflite")
    assert (tmp_path / "dense.tflite").read_bytes() == canonical(MODEL.read_bytes())


def test_method_none_changes_no_tensor(cli: Cli, tmp_path: Path) -> None:
    cli.ok(MODEL, "-m", "none", "-o", tmp_path / "out.tflite")
    out = (tmp_path / "out.tflite").read_bytes()
    assert out == canonical(MODEL.read_bytes())
    assert len(out) < MODEL.stat().st_size


def test_in_place_replaces_the_file_and_keeps_its_permissions_and_links(cli: Cli, tmp_path: Path) -> None:
    real, link = tmp_path / "real.tflite", tmp_path / "link.tflite"
    real.write_bytes(MODEL.read_bytes())
    real.chmod(0o640)
    link.symlink_to("real.tflite")
    cli.ok(link, "--in-place", "-m", "dcsr")
    assert link.is_symlink()
    assert rewritten_count(real.read_bytes()) == 5
    assert real.stat().st_mode & 0o777 == 0o640
    assert tree(tmp_path).keys() == {"real.tflite", "link.tflite"}


def test_new_files_get_the_permissions_of_the_umask(cli: Cli, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        cli.ok(MODEL, "-o", tmp_path / "out.tflite", "-q")
    finally:
        os.umask(before)
    assert (tmp_path / "out.tflite").stat().st_mode & 0o777 == 0o640


def test_c_files_hold_what_the_model_file_holds(cli: Cli, tmp_path: Path) -> None:
    cli.ok(MODEL, "-o", tmp_path / "out.tflite", "--to-c", tmp_path / "net.c")
    assert tree(tmp_path).keys() == {"out.tflite", "net.c", "net.h"}
    text = (tmp_path / "net.c").read_text()
    body = text[text.index("= {") + 3 : text.index("};")]
    assert bytes(int(value, 16) for value in body.replace(",", " ").split()) == (tmp_path / "out.tflite").read_bytes()
    assert f"#define NET_NBYTES {(tmp_path / 'out.tflite').stat().st_size}u" in (tmp_path / "net.h").read_text()


def test_c_files_alone(cli: Cli, tmp_path: Path) -> None:
    cli.ok(MODEL, "--to-c", tmp_path / "net.c")
    assert tree(tmp_path).keys() == {"net.c", "net.h"}


def test_rules_choose_the_method_of_each_tensor(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        "rules:\n  - {operator: CONV_2D, method: rle}\n  - {name: block4, method: none}\n"
    )
    report = tmp_path / "report.json"
    cli.ok(MODEL, "-m", "dcsr", "--rules", tmp_path / "rules.yaml", "-o", tmp_path / "out.tflite", "--report", report)
    methods = {tensor["name"]: tensor["method"] for tensor in json.loads(report.read_text())["tensors"]}
    chosen = {name.split("/")[0]: method for name, method in methods.items() if "depthwise" not in name}
    assert chosen == {
        "stem": "none",
        "block1": "rle",
        "block2": "rle",
        "block3": "rle",
        "block4": "none",
        "classifier": "dcsr",
    }


@pytest.mark.parametrize(
    "options",
    [[], ["--optimize", "size"], ["-m", "rle"], ["--strip"], ["--threshold", "0.885"], ["-m", "none"]],
    ids=str,
)
def test_dumped_plan_fed_back_gives_the_identical_file(options: list[str], cli: Cli, tmp_path: Path) -> None:
    first, again, plan = tmp_path / "a.tflite", tmp_path / "b.tflite", tmp_path / "plan.yaml"
    cli.ok(MODEL, *options, "-o", first, "--dump-plan", plan)
    strip = [option for option in options if option == "--strip"]
    cli.ok(MODEL, *strip, "-m", "none", "--rules", plan, "-o", again)
    assert again.read_bytes() == first.read_bytes()


def test_threshold_keeps_denser_tensors(cli: Cli, tmp_path: Path) -> None:
    done = cli.ok(MODEL, "-m", "dcsr", "--threshold", "0.8835", "--dry-run")
    assert "below the threshold 88.3 %" in done.out or "below the threshold 88.4 %" in done.out
    assert cli.ok(MODEL, "--threshold", "1", "--dry-run").out.count("below the threshold") == 10
    assert not tree(tmp_path)


def test_strip_is_smaller_says_what_is_lost_and_verifies(cli: Cli, tmp_path: Path) -> None:
    cli.ok(MODEL, "-o", tmp_path / "full.tflite")
    done = cli.ok(MODEL, "--strip", "-o", tmp_path / "small.tflite")
    assert "stripped: `restore` cannot restore names" in done.out
    assert (tmp_path / "small.tflite").stat().st_size < (tmp_path / "full.tflite").stat().st_size - 3000
    assert "were stripped" in cli.ok("restore", tmp_path / "small.tflite", "-o", tmp_path / "d.tflite").out
    assert cli("verify", MODEL, tmp_path / "d.tflite", "--engine", "litert").code == 0


def test_dry_run_reports_and_writes_no_model(cli: Cli, tmp_path: Path) -> None:
    with untouched(tmp_path):
        done = cli.ok(MODEL, "-o", tmp_path / "o.tflite", "--to-c", tmp_path / "m.c", "--dry-run")
    assert "dry run: the model was not written" in done.out
    assert "of 10 tensors rewritten" in done.out
    assert "wrote" not in done.out


def test_dry_run_writes_the_report_and_the_plan_that_are_asked_for(cli: Cli, tmp_path: Path) -> None:
    report, plan = tmp_path / "r.json", tmp_path / "p.yaml"
    cli.ok(MODEL, "-o", tmp_path / "o.tflite", "--report", report, "--dump-plan", plan, "--dry-run")
    assert sorted(tmp_path.iterdir()) == [plan, report]
    assert json.loads(report.read_text())["written"] == [str(plan), str(report)]


def test_json_report_is_the_whole_result(cli: Cli, tmp_path: Path) -> None:
    cli.ok(MODEL, "-m", "dcsr", "-o", tmp_path / "o.tflite", "--report", tmp_path / "r.json", "--random", "3")
    report = json.loads((tmp_path / "r.json").read_text())
    assert (report["source"], report["method"]) == (str(MODEL), "dcsr")
    assert report["nbytes_before"] == MODEL.stat().st_size
    assert report["nbytes_after"] == (tmp_path / "o.tflite").stat().st_size
    assert report["written"] == [str(tmp_path / "o.tflite"), str(tmp_path / "r.json")]
    assert report["verification"]["passed"] and report["verification"]["samples"] == 3
    assert len(report["tensors"]) == 10
    assert all(tensor["reason"] for tensor in report["tensors"] if tensor["method"] == "none")


def test_csv_report_has_a_line_per_tensor(cli: Cli, tmp_path: Path) -> None:
    cli.ok(MODEL, "--dry-run", "--report", tmp_path / "none.csv")
    cli.ok(MODEL, "-m", "dcsr", "-o", tmp_path / "o.tflite", "--report", tmp_path / "r.csv")
    with (tmp_path / "r.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert rows[-1]["name"] == "classifier/weight" and rows[-1]["shape"] == "10x96" and rows[-1]["method"] == "dcsr"


def test_verbose_names_every_tensor_in_full(cli: Cli) -> None:
    done = cli.ok(MODEL, "--dry-run", "-v")
    assert "[0:" in done.out and "FULLY_CONNECTED" in done.out and "3×3" in done.out


def test_quiet_says_nothing(cli: Cli, tmp_path: Path) -> None:
    assert cli.ok(MODEL, "-q", "-o", tmp_path / "o.tflite").out == ""
    assert (tmp_path / "o.tflite").exists()


def test_no_verify_does_not_run_and_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("verified")

    monkeypatch.setattr("wpconvert.job.file.verdict", fail)
    done = cli.ok(MODEL, "--no-verify", "--dry-run")
    assert "not verified (--no-verify)" in done.out
    with pytest.raises(AssertionError, match="verified"):
        cli(MODEL, "--dry-run")


def test_inputs_of_a_file_verify_and_labels_give_accuracy(cli: Cli) -> None:
    done = cli.ok(MODEL, "--inputs", SAMPLES, "--dry-run")
    assert "accuracy 0.9917 → 0.9917" in done.out
    assert "on 360 samples" in done.out


def test_engine_runs_what_it_is_told(cli: Cli) -> None:
    assert "(litert engine)" in cli.ok(MODEL, "--engine", "litert", "--random", "1", "--dry-run").out


def test_seed_changes_the_random_inputs(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(*arguments: Any) -> None:
        seen.append(arguments[1].samples)
        raise KeyboardInterrupt

    monkeypatch.setattr("wpconvert.job.file.verdict", spy)
    for seed in ("1", "1", "2"):
        assert cli(MODEL, "--random", "2", "--seed", seed, "--dry-run").code == 130
    assert np.array_equal(seen[0], seen[1]) and not np.array_equal(seen[0], seen[2])


def test_failed_verification_writes_nothing_and_exits_with_1(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = DENSE.read_bytes()
    monkeypatch.setattr("wpconvert.formats.tflite.draft.parse", lambda _, **__: parse(other))
    with untouched(tmp_path):
        files: list[str | Path] = [
            "-o",
            tmp_path / "o.tflite",
            "--report",
            tmp_path / "r.json",
            "--to-c",
            tmp_path / "m.c",
        ]
        message = cli.refused(1, MODEL, *files)
    assert message == f"{MODEL}: the rewritten model computes different results; nothing was written"


def test_file_named_like_a_command_needs_the_commands_name(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inspect").write_bytes(MODEL.read_bytes())
    cli.ok("convert", "inspect", "--dry-run")
    cli.ok("inspect", "inspect")


def test_the_installed_program_runs(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("wpconvert")
    command: list[str | Path] = [program, MODEL, "-m", "rle", "-o", tmp_path / "o.tflite"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert restored((tmp_path / "o.tflite").read_bytes()) == canonical(MODEL.read_bytes())
    assert read(tmp_path / "o.tflite")[1].root.version == 3
    module = subprocess.run([sys.executable, "-m", "wpconvert.cli.main", "--version"], capture_output=True, check=True)
    assert module.stdout.startswith(b"wpconvert ")
