"""A training continues from a checkpoint only with the network and the data that the checkpoint was made with."""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
from pathlib import Path

import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "litert_torch", "onnxscript")):
    pytest.skip("torch not installed: training needs `make setup-train`", allow_module_level=True)

from wptrain import data
from wptrain.cli.main import run
from wptrain.data.augmentation import Augmentation
from wptrain.data.sets import digits
from wptrain.trained import Trained

from .trainees import error, images, network

FEW = ("--set", "epochs=1")
POOL = ("--set", "methods.pool.size=8", *FEW)


def test_another_network_of_the_same_shape_does_not_get_the_first_ones_pool(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = network(tmp_path / "a.pt", 1), network(tmp_path / "b.pt", 2)
    out = tmp_path / "out"
    assert run(["train", "digits-pool", "--set", f"start={first}", "--out", str(out), *POOL]) == 0
    pooled = (out / "digits-pool.pt").read_bytes()
    capsys.readouterr()
    assert run(["train", "digits-pool", "--set", f"start={second}", "--out", str(out), *POOL]) == 2
    line = error(capsys)
    assert "digits-pool.checkpoint: the checkpoint belongs to another training: network_content '" in line
    assert "train into another folder, or delete the checkpoint to start over" in line
    assert (out / "digits-pool.pt").read_bytes() == pooled


def test_the_same_network_under_another_name_continues(tmp_path: Path) -> None:
    first, out = network(tmp_path / "a.pt", 1), tmp_path / "out"
    assert run(["train", "digits-pool", "--set", f"start={first}", "--out", str(out), *POOL]) == 0
    pooled = Trained.load(out / "digits-pool.pt").content()
    moved = shutil.move(first, tmp_path / "moved.pt")
    assert run(["train", "digits-pool", "--set", f"start={moved}", "--out", str(out), *POOL]) == 0
    assert Trained.load(out / "digits-pool.pt").content() == pooled


def test_other_images_in_the_same_place_are_other_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = tmp_path / "data", tmp_path / "out"
    command = ["train", "digits", "--set", f"data.source=images:{folder}", "--out", str(out), *FEW]
    images(folder, 1)
    assert run(command) == 0
    assert run(command) == 0
    shutil.rmtree(folder)
    images(folder, 2)
    capsys.readouterr()
    assert run(command) == 2
    assert "dataset_content '" in error(capsys)


def test_every_part_of_a_dataset_is_its_content() -> None:
    whole = digits.load()
    contents = {whole.identity()}
    for part in ("train", "validation", "test"):
        split = getattr(whole, part)
        pixels, labels = split.images.copy(), split.labels.copy()
        pixels[-1, -1, -1] ^= 1
        labels[-1] ^= 1
        for changed in (
            dataclasses.replace(split, images=pixels),
            dataclasses.replace(split, labels=labels),
            dataclasses.replace(split, pixel_max=17),
        ):
            contents.add(dataclasses.replace(whole, **{part: changed}).identity())
    for augmentation in (Augmentation(), Augmentation(shift=1, mirror=True)):
        contents.add(dataclasses.replace(whole, augmentation=augmentation).identity())
    contents.add(dataclasses.replace(whole, classes=whole.classes[::-1]).identity())
    assert len(contents) == 13
    assert digits.load().identity() == whole.identity()


def test_images_of_folders_are_mirrored_where_asked_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = images(tmp_path / "data", 1), tmp_path / "out"
    command = ["train", "digits", "--set", f"data.source=images:{folder}", *FEW]
    assert data.load(f"images:{folder}").identity() == data.load(f"images:{folder}", {"mirror": False}).identity()
    assert run([*command, "--out", str(out)]) == 0
    assert run([*command, "--out", str(tmp_path / "mirrored"), "--set", "data.mirror=true"]) == 0
    networks = [Trained.load(where / "digits.pt").content() for where in (out, tmp_path / "mirrored")]
    assert networks[0] != networks[1]
    capsys.readouterr()
    assert run([*command, "--out", str(out), "--set", "data.mirror=true"]) == 2
    line = error(capsys)
    assert "belongs to another training: data.mirror None, now 'true', dataset_content '" in line


def test_another_teacher_is_another_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    teachers = [network(tmp_path / f"{seed}.pt", seed) for seed in (1, 2)]
    command = ["train", "digits", "--set", "distil=0.5", *FEW, "--out", str(tmp_path / "out")]
    assert run([*command, "--set", f"teacher={teachers[0]}"]) == 0
    capsys.readouterr()
    assert run([*command, "--set", f"teacher={teachers[1]}"]) == 2
    assert "belongs to another training: teacher_content '" in error(capsys)
