"""Encoded weights: what was given up to save memory comes back as it was."""

from __future__ import annotations

import numpy as np
import pytest

from tests.model.test_plan import weight
from wpconvert.model import encoded as module
from wpconvert.model.encoded import Encoded, Room
from wpconvert.model.plan import encode_all, encoded
from wpconvert.model.rules import Choice


def test_bytes_that_were_given_up_are_made_anew() -> None:
    w = weight()
    one = encoded(w, "huffman")
    before = one.bytes.tobytes()
    kept = one.bytes
    one.give_up()
    assert one.bytes is not kept and one.bytes.tobytes() == before
    assert one.nbytes == len(before)


def test_bytes_that_cannot_be_made_anew_stay() -> None:
    blob = np.arange(16, dtype=np.uint8)
    one = Encoded(blob)
    one.give_up()
    assert one.bytes is blob


def test_blobs_are_kept_as_far_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = [encoded(weight(seed), "rle") for seed in range(3)]
    held = [one.bytes for one in blobs]
    monkeypatch.setattr(module, "KEPT_NBYTES", blobs[0].nbytes + blobs[1].nbytes)
    room = Room()
    for one in blobs:
        room.keep([one, None])
    assert [one.bytes is there for one, there in zip(blobs, held, strict=True)] == [True, True, False]


def test_what_encoding_gives_does_not_depend_on_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    choices = [Choice(weight(seed, key=f"0:{seed}"), "dcsr", 0.0) for seed in range(3)]
    with_room = [outcome.blob.bytes.tobytes() for outcome in encode_all(choices) if outcome.blob is not None]
    monkeypatch.setattr(module, "KEPT_NBYTES", 0)
    without = [outcome.blob.bytes.tobytes() for outcome in encode_all(choices) if outcome.blob is not None]
    assert len(with_room) == 3 and with_room == without
