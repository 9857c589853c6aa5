"""Damaged models in the native engine under address and undefined behaviour sanitizers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.reference.test_malformed import network
from tools import fuzz_native
from tools.fuzz import Seed

CASES = 1500
SEED = 1


@pytest.fixture(scope="module")
def program() -> Path:
    return fuzz_native.build()


def test_damaged_models_are_refused_or_run_as_in_the_reference_interpreter(program: Path, tmp_path: Path) -> None:
    tally = fuzz_native.fuzz(SEED, range(CASES), tmp_path, program)
    assert not tally.failures, "\n".join(tally.failures)
    assert tally.cases == CASES
    # Damage that nothing survives, or that changes nothing, would test nothing.
    assert tally.outcomes["refused"] > CASES // 4
    assert tally.outcomes["ran, equal to the reference"] > CASES // 20


def test_sound_models_run(program: Path, tmp_path: Path) -> None:
    cases = [fuzz_native.Case(i, seed.name, seed.data, 1 << 20) for i, seed in enumerate(fuzz_native.seeds())]
    results = [fuzz_native.judge(*result)[0] for result in fuzz_native.run_batch(program, cases, tmp_path)]
    assert len(results) == len(cases)
    assert set(results) <= {"ran, equal to the reference", "ran, not compared"}


def test_a_prefix_of_a_model_is_never_read_beyond(program: Path, tmp_path: Path) -> None:
    data = network().to_bytes()
    lengths = [*range(64), *random.Random(0).sample(range(len(data)), 200)]
    cases = [fuzz_native.Case(i, "prefix", data[:length], 1 << 20) for i, length in enumerate(lengths)]
    outcomes = {outcome for _, outcome, _ in fuzz_native.run_batch(program, cases, tmp_path)}
    assert outcomes <= {"ok", "refused"}


def test_a_case_is_the_same_each_time() -> None:
    seeds = [Seed("chain", network().to_bytes())]
    assert [fuzz_native.make_case(seeds, 3, n) for n in range(20)] == [
        fuzz_native.make_case(seeds, 3, n) for n in range(20)
    ]
