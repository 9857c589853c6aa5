"""Damaged models end in a clean error or a valid result: 2,000 cases of the fuzz driver, and that it sees failures."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tools import fuzz
from wpconvert.errors import ModelError
from wpconvert.formats.tflite.file import parse


def test_two_thousand_damaged_models_give_a_clean_error_or_a_valid_result(tmp_path: Path) -> None:
    tally = fuzz.run_cases(0, iter(range(2000)), float("inf"), tmp_path)
    assert tally.failures == [], "\n".join(tally.failures)
    assert tally.cases == 2000
    # Neither a fuzzer whose damage never parses nor one that damages nothing would find much.
    assert tally.outcomes["success"] > 200
    assert tally.outcomes["ModelError"] > 200


def test_cases_can_be_repeated() -> None:
    seeds = fuzz.sound_models()
    first, again = (fuzz.make_case(seeds, 3, 17) for _ in range(2))
    assert (first[0], first[1]) == (again[0], again[1])
    assert first[1] != fuzz.make_case(seeds, 3, 18)[1]


def test_the_models_it_starts_from_are_sound_and_rewritten_ones_are_among_them() -> None:
    seeds = fuzz.sound_models()
    for seed in seeds:
        outcome, failure = fuzz.run_case(seed.data, random.Random(0))
        # What computes with fewer bits cannot change to another method.
        assert outcome in {"success", "UnsupportedError"} if "-pool" in seed.name else outcome == "success", failure
    assert {seed.name.rsplit("-", 1)[-1] for seed in seeds} >= {
        "convolutions",
        "shared",
        "dcsr",
        "rle",
        "strip",
        "pool33",
    }


@pytest.mark.parametrize(
    "fault", [ValueError("oops"), MemoryError(), ModelError("two\nlines"), fuzz.BrokenPromise("larger")], ids=repr
)
def test_a_failure_is_reported_and_the_case_saved(
    fault: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(fuzz, "exercise", fail)
    assert fuzz.main(["--only", "5", "--folder", str(tmp_path)]) == 1
    assert "tools/fuzz.py --seed 0 --only 5" in capsys.readouterr().err
    assert (tmp_path / "case-0-5.tflite").stat().st_size > 0


def test_a_hanging_case_is_ended_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "CASE_SECONDS", 1)
    monkeypatch.setattr(fuzz, "exercise", lambda *_: time.sleep(30))
    outcome, failure = fuzz.run_case(b"", random.Random(0))
    assert outcome == "failure"
    assert failure is not None and "not done after 1 s" in failure


def test_hunger_for_memory_is_stopped() -> None:
    with pytest.raises(MemoryError), fuzz.memory_limit(fuzz.MEMORY_NBYTES):
        bytearray(2 * fuzz.MEMORY_NBYTES)


def test_damage_inside_leaves_the_flatbuffer_around_it_sound() -> None:
    seed = next(seed for seed in fuzz.sound_models() if seed.name == "convolutions-dcsr")
    changed = [fuzz.damaged_inside(seed, random.Random(i)) for i in range(50)]
    for data in changed:
        parse(data)
    assert sum(data != seed.data for data in changed) > 40
