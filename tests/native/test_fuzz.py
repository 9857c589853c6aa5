"""Damaged models in the native engine under address and undefined behaviour sanitizers."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest

from tests.native.chains import elements, moves
from tests.reference.test_malformed import network
from tests.support.models import ModelBuilder
from tests.tflite.harness import forced
from tools import fuzz_native
from tools.fuzz import Seed
from wpconvert.formats.tflite.schema import options

CASES = 1500
SEED = 1


@pytest.fixture(scope="module")
def program() -> Path:
    return fuzz_native.build()


@pytest.fixture(scope="module")
def program_of_32_bits() -> Path:
    """Pointers and sizes as on the boards."""
    if not fuzz_native.can_build(32):
        pytest.skip("g++ -m32 does not link: install g++-multilib; make setup does where it can")
    return fuzz_native.build(32)


def test_damaged_models_are_refused_or_run_as_in_the_reference_interpreter(program: Path, tmp_path: Path) -> None:
    tally = fuzz_native.fuzz(SEED, range(CASES), tmp_path, program)
    assert not tally.failures, "\n".join(tally.failures)
    assert tally.cases == CASES
    # Damage that nothing survives, or that changes nothing, would test nothing.
    assert tally.outcomes["refused"] > CASES // 4
    assert tally.outcomes["ran, equal to the reference"] > CASES // 20


def test_damaged_models_do_the_same_with_pointers_of_32_bits(program_of_32_bits: Path, tmp_path: Path) -> None:
    tally = fuzz_native.fuzz(SEED + 1, range(CASES // 3), tmp_path, program_of_32_bits)
    assert not tally.failures, "\n".join(tally.failures)
    assert tally.outcomes["ran, equal to the reference"] > CASES // 60


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


def test_tensors_and_parameters_at_their_borders_are_refused_without_an_overflow(program: Path, tmp_path: Path) -> None:
    """Each operator by itself, on tensors of nearly 2^31 bytes: what Prepare computes before it refuses."""
    rng = random.Random(SEED)
    chains = [Seed("elements", elements()), Seed("moves", moves()), Seed("elements-dcsr", forced(elements(), "dcsr"))]
    data = [fuzz_native.extreme_operator(rng.choice(chains), rng) for _ in range(4000)]
    cases = [fuzz_native.Case(i, "extreme", model, 1 << 18) for i, model in enumerate(data)]
    results = list(fuzz_native.run_batch(program, cases, tmp_path))
    reports = [detail for _, outcome, detail in results if outcome not in {"ok", "refused"}]
    assert not reports, reports[0]
    refused = {
        re.sub(r"[\d'].*", "", detail.split(": ", 1)[-1]) for _, outcome, detail in results if outcome == "refused"
    }
    assert len(refused) > 20, "that few reasons mean that nothing gets far"


def test_a_slice_that_begins_behind_the_last_element_is_refused(program: Path, tmp_path: Path) -> None:
    b = ModelBuilder()
    x = b.input((2, 1073741815))
    numbers = [b.constant(np.array(v, np.int32), None) for v in ([2, 1073741815], [2, 1073741815], [1, 1])]
    b.output(b.op("STRIDED_SLICE", [x, *numbers], [b.tensor((1, 1))], options("StridedSliceOptions")))
    cases = [fuzz_native.Case(0, "slice", b.to_bytes(), 1 << 18)]
    ((_, outcome, detail),) = fuzz_native.run_batch(program, cases, tmp_path)
    assert (outcome, "no elements along axis 0" in detail) == ("refused", True), detail


def test_a_case_is_the_same_each_time() -> None:
    seeds = [Seed("chain", network().to_bytes())]
    assert [fuzz_native.make_case(seeds, 3, n) for n in range(20)] == [
        fuzz_native.make_case(seeds, 3, n) for n in range(20)
    ]
