"""Which executions belong to which operator, on made-up counts."""

from __future__ import annotations

from collections import Counter

import pytest

from wpconvert.benchmark.counts import Counts, Interval
from wpconvert.benchmark.disassembly import parse_disassembly
from wpconvert.benchmark.profile import Inference, Markers, find_markers, inferences
from wpconvert.benchmark.program import Function, Program
from wpconvert.errors import ToolError

INVOKE, CALLER, CLOCK, MAIN = 0x100, 0x200, 0x300, 0x400
OPERATOR, ALLOCATOR = 0x204, 0x208
TFLM = (
    Function("tflite::MicroInterpreter::Invoke", INVOKE, 8),
    Function("tflite::MicroInterpreterGraph::InvokeSubgraph", CALLER, 16),
)
CODE = parse_disassembly(
    " 104:\t4798     \tblx\tr3\n"
    " 204:\t4798     \tblx\tr3\n"
    " 206:\t4605     \tmov\tr5, r0\n"
    " 208:\t4798     \tblx\tr3\n"
    " 20a:\tb100     \tcbz\tr0, 200\n"
)
MARKERS = Markers(INVOKE, CLOCK, {OPERATOR: OPERATOR + 2, ALLOCATOR: ALLOCATOR + 2})


def program(functions: tuple[Function, ...], **symbols: int) -> Program:
    return Program(functions, (), symbols)


def test_markers_are_where_the_interpreter_calls_operators() -> None:
    assert find_markers(program(TFLM, port_ticks=CLOCK | 1), CODE) == MARKERS
    ours = (Function("wpconvert::MicroInterpreter::Invoke", CALLER, 16),)
    assert find_markers(program(ours, port_ticks=CLOCK), CODE) == Markers(CALLER, CLOCK, MARKERS.calls)


def test_images_without_interpreter_or_clock_are_refused() -> None:
    with pytest.raises(ToolError, match="has no symbol wpconvert::MicroInterpreter::Invoke"):
        find_markers(program(TFLM[:1], port_ticks=CLOCK), CODE)
    with pytest.raises(ToolError, match="has no symbol port_ticks"):
        find_markers(program(TFLM), CODE)


def run(*pieces: tuple[int | None, int, int]) -> list[Inference]:
    """Intervals as (marker at the end, address, executions); the program around the interpreter is at MAIN."""
    intervals = tuple(Interval(marker, Counter({address: count})) for marker, address, count in pieces)
    return inferences(Counts(intervals, {}), MARKERS, lambda address: address == MAIN)


def test_operators_are_told_from_other_calls_through_a_pointer() -> None:
    found = run(
        (CLOCK, MAIN, 50),
        (INVOKE, MAIN, 7),
        (OPERATOR, INVOKE, 3),
        (OPERATOR + 2, 0x1000, 900),
        (ALLOCATOR, CALLER, 2),
        (ALLOCATOR + 2, 0x2000, 5),
        (OPERATOR, CALLER, 4),
        (OPERATOR + 2, 0x1000, 1),
        (ALLOCATOR, CALLER, 2),
        (ALLOCATOR + 2, 0x2000, 5),
        (CLOCK, MAIN, 6),
        (None, MAIN, 9),
    )
    operators = (Counter({0x1000: 900}), Counter({0x1000: 1}))
    interpreter = Counter({INVOKE: 3, CALLER: 8, 0x2000: 10})
    assert found == [Inference(operators, interpreter, Counter({0x1000: 901}) + interpreter)]


def test_an_inference_without_operators_is_all_interpreter() -> None:
    assert run((INVOKE, MAIN, 7), (CLOCK, INVOKE, 3)) == [Inference((), Counter({INVOKE: 3}), Counter({INVOKE: 3}))]
