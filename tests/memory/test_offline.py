"""The memory plan in a file: TFLM follows it, it saves what it promises, and it comes and goes with a rewriting."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.support.models import ModelBuilder
from tests.support.oracles import TflmOracle
from tests.tflite.harness import (
    assert_same_outputs,
    canonical,
    conv_model,
    converted,
    inputs_for,
    reference,
    restored,
    scales,
    sparse,
)
from wpconvert.engines.native import NativeEngine
from wpconvert.formats.tflite import memory_entry
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.graph.types import Sample
from wpconvert.memory import offline
from wpconvert.memory.buffers import peak
from wpconvert.memory.greedy import stock
from wpconvert.memory.lifetimes import activations
from wpconvert.memory.offline import MemoryPlan, memory_plan
from wpconvert.memory.tflm import scratch_of


def _builder() -> ModelBuilder:
    """Layers whose activations TFLM's planner, largest first, places with a hole, and a view at the end."""
    b = ModelBuilder()
    x = b.input((1, 64, 64, 3), 0.5, -3)
    for seed, (channels, depth, stride) in enumerate([(8, 3, 2), (8, 8, 1), (16, 8, 1), (32, 16, 2)]):
        weights = sparse(seed, (channels, 3, 3, depth), 0.95)
        bias = np.arange(channels)
        x = b.conv2d(x, weights, bias, scale=0.6, weight_scales=scales(seed, channels), stride=(stride, stride))
    b.output(b.reshape(x, (1, 8192)))
    return b


def _plan(model: TfliteModel, core: str | None = None) -> MemoryPlan | None:
    return memory_plan(read_graph(model), lambda: serialise(model), core)


def _planned(data: bytes) -> bytes:
    """The model with a plan and nothing else changed."""
    model = parse(data)
    plan = _plan(model)
    assert plan is not None
    memory_entry.write(model, plan)
    return serialise(model)


def _native(data: bytes) -> Sample:
    return NativeEngine().run(parse(data), [inputs_for(data)], lambda: None)[0]


def _words(data: bytes) -> list[int]:
    model = parse(data)
    entry = memory_entry.find(model)
    assert entry is not None
    return [int(word) for word in np.asarray(model.root.buffers[entry.buffer].data, np.uint8).view("<i4")]


def _head(data: bytes, capfd: pytest.CaptureFixture[str]) -> int:
    """Bytes that TFLM's planner gives to activations and scratch."""
    oracle = TflmOracle(data)
    capfd.readouterr()
    oracle.print_allocations()
    told = "".join(capfd.readouterr())
    return int(re.search(r"head (\d+) bytes", told)[1])  # type: ignore[index]


def test_tflm_needs_what_the_plan_says_and_computes_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    before = _builder().to_bytes()
    plan = _plan(parse(before))
    assert plan is not None and plan.tflm_nbytes < plan.tflm_before
    after = _planned(before)
    # The wheel's convolutions take no scratch, for which the plan leaves room.
    room = plan.tflm_nbytes - _head(after, capfd)
    assert _head(before, capfd) == plan.tflm_before and 0 <= room < 1024
    inputs = inputs_for(before)
    assert_same_outputs(TflmOracle(before).run(inputs), TflmOracle(after).run(inputs))


@pytest.mark.parametrize("core", [None, "Cortex-M55", "Cortex-M4", "Cortex-M3"])
def test_a_plan_leaves_room_for_scratch(core: str | None) -> None:
    """TFLM's planner puts scratch around a plan: of two layouts as good for activations one may be bad."""
    model = parse(converted(_builder().to_bytes(), memory_plan=False).data)
    plan = _plan(model, core)
    assert plan is not None and plan.tflm_nbytes < plan.tflm_before
    alive = activations(read_graph(model), in_place=False)
    fixed = {place: int(plan.offsets[tensor]) for place, tensor in enumerate(alive.tensors)}
    needs, floors = [], []
    for name, scratch in scratch_of(read_graph(model), serialise(model)).items():
        if core in (None, name):
            needs.append(stock([*alive.buffers, *scratch.tflm], fixed).nbytes)
            floors.append(peak([*alive.shared()[1], *scratch.tflm]))
            assert scratch.tflm
    assert max(needs) == plan.tflm_nbytes == max(floors)


def test_no_plan_is_made_with_which_tflm_needs_more() -> None:
    """Scratch sets the peak here, on each core that of another operator."""
    b = ModelBuilder()
    x = b.input((1, 12, 12, 8), 0.5, -3)
    for seed in range(3):
        x = b.conv2d(x, sparse(seed, (8, 3, 3, 8), 0.9), None, scale=0.6, weight_scales=0.01)
    b.output(x)
    model = parse(converted(b.to_bytes(), "rle", memory_plan=False).data)
    for core in (None, *scratch_of(read_graph(model), serialise(model))):
        plan = _plan(model, core)
        assert plan is None or plan.tflm_nbytes < plan.tflm_before


def test_a_view_lies_where_its_source_lies() -> None:
    data = _planned(_builder().to_bytes())
    graph = parse(data).root.subgraphs[0]
    view = graph.operators[-1]
    version, subgraph, count, *offsets = _words(data)
    assert (version, subgraph, count) == (1, 0, len(graph.tensors)) and len(offsets) == count
    assert offsets[view.inputs[0]] == offsets[view.outputs[0]] >= 0
    assert offsets[view.inputs[1]] == -1  # a constant


@pytest.mark.parametrize("strip", [False, True])
def test_a_rewritten_model_carries_a_plan_and_runs_with_it(strip: bool) -> None:
    before = _builder().to_bytes()
    result = converted(before, strip=strip)
    assert any(note.startswith("arena: ") for note in result.report.notes)
    assert _words(result.data)[2] == len(parse(result.data).root.subgraphs[0].tensors)
    inputs = inputs_for(before)
    expected = reference(before, inputs)
    assert_same_outputs(reference(result.data, inputs), expected)
    assert_same_outputs(_native(result.data), expected)


def test_a_model_that_the_stock_planner_places_well_gets_none() -> None:
    result = converted(conv_model())
    assert memory_entry.find(parse(result.data)) is None
    assert not any("arena" in note for note in result.report.notes)


def test_no_plan_is_added_where_none_is_wanted() -> None:
    result = converted(_builder().to_bytes(), memory_plan=False)
    assert memory_entry.find(parse(result.data)) is None
    assert not any("arena" in note for note in result.report.notes)


def test_tflm_refuses_a_plan_where_it_keeps_all_tensors() -> None:
    """What --no-memory-plan is for."""
    before = _builder().to_bytes()
    inputs = inputs_for(before)
    assert_same_outputs(TflmOracle(before, keep_all=True).run(inputs), TflmOracle(before).run(inputs))
    with pytest.raises(RuntimeError):
        TflmOracle(_planned(before), keep_all=True)


def test_restore_takes_the_plan_away() -> None:
    before = _builder().to_bytes()
    assert restored(converted(before).data) == canonical(before)


def test_a_plan_that_the_model_came_with_is_kept_and_counts_new_tensors() -> None:
    b = ModelBuilder()
    x = b.input((1, 4, 4, 16), 0.5, -3)
    b.output(b.conv2d(x, sparse(1, (32, 3, 3, 16), 0.95), None, weight_scales=scales(2, 32)))
    b.metadata(offline.NAME, np.array([1, 0, 3, 512, -1, 0], "<i4").tobytes())
    before = b.to_bytes()
    after = converted(before).data
    assert _words(after) == [1, 0, 4, 512, -1, 0, -1]  # without a bias, the table is a tensor more
    assert restored(after) == canonical(before)


def test_a_malformed_plan_is_left_as_it_is() -> None:
    for words in ([], [1], [1, 0, 7, 0, 0], [1, 0, -1]):
        b = _builder()
        b.metadata(offline.NAME, np.array(words, "<i4").tobytes())
        after = converted(b.to_bytes()).data
        assert _words(after) == words
        assert_same_outputs(_native(after), reference(after, inputs_for(after)))
