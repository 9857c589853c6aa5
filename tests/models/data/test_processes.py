"""Processes that share an epoch make the samples that one process makes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wptrain import data
from wptrain.data.draws import Key
from wptrain.data.module import DataModule

from .makers import png, write_tree
from .test_speech import archive

SHARE = """
import hashlib, sys
import numpy as np
from wptrain import data
from wptrain.data.draws import Key

choice, rank, world = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
module = data.load(choice)
order = np.random.default_rng(5).permutation(len(module.labels("train")))
for index in order[rank::world]:
    sample = module.batch("train", np.array([index]), Key(7, 3)).samples[0]
    print(index, hashlib.sha256(sample.tobytes()).hexdigest())
"""


def made_by(choice: str, rank: int, world: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SHARE, choice, str(rank), str(world)], stdout=subprocess.PIPE, text=True
    )


def expected(module: DataModule) -> dict[str, str]:
    """Index to digest, of one batch in rising order."""
    indices = np.arange(len(module.labels("train")))
    samples = module.batch("train", indices, Key(7, 3)).samples
    return {str(index): hashlib.sha256(sample.tobytes()).hexdigest() for index, sample in enumerate(samples)}


@pytest.mark.parametrize("kind", ["digits", "folders", "speech-commands"])
def test_shares_of_an_epoch_are_those_of_the_whole(tmp_path: Path, kind: str) -> None:
    choice = kind
    if kind == "speech-commands":
        choice = f"{kind}:{write_tree(tmp_path, archive())}"
    elif kind == "folders":
        noise = np.random.default_rng(0).integers(0, 256, (88, 30, 40, 3), np.uint8)
        names = [f"{part}/{label}/{index}.png" for part in ("train", "val") for label in "ab" for index in range(22)]
        choice = (
            f"{kind}:{write_tree(tmp_path, {name: png(pixels) for name, pixels in zip(names, noise, strict=True)})}"
        )
    processes = [made_by(choice, rank, 2) for rank in range(2)]
    shares = [process.communicate()[0].splitlines() for process in processes]
    found = dict(line.split() for share in shares for line in share)
    assert found == expected(data.load(choice))
    assert abs(len(shares[0]) - len(shares[1])) <= 1
