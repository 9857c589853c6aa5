"""The counting plugin is exact: a guest whose every count is known, on all three boards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.guest import MACHINES, GuestRun, Machine, needs_tools, run_guest
from wpconvert.benchmark.counts import merged, parse_counts
from wpconvert.benchmark.disassembly import disassemble
from wpconvert.errors import ToolError

pytestmark = needs_tools

# Instructions of each part, with the return from `marker` that opens it and the call that ends it.
EXPECTED = {
    "cortex-m3": [1, 200_004, 74, 155, 246, 4],
    "cortex-m4": [1, 200_004, 74, 155, 246, 4],
    "cortex-m55": [1, 200_004, 74, 155, 246, 48, 19, 4],
}


@pytest.fixture(scope="module", params=MACHINES, ids=lambda machine: machine.core)
def guest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestRun]:
    machine: Machine = request.param
    yield run_guest(machine, tmp_path_factory.mktemp(machine.core))


def test_every_interval_is_exact(guest: GuestRun) -> None:
    assert [interval.instructions for interval in guest.counts.intervals] == EXPECTED[guest.machine.core]
    assert guest.counts.instructions == sum(EXPECTED[guest.machine.core])
    assert [interval.marker for interval in guest.counts.intervals[:-1]] == [guest.marker] * (
        len(guest.counts.intervals) - 1
    )
    assert guest.counts.intervals[-1].marker is None


def test_every_instruction_is_exact(guest: GuestRun) -> None:
    counts, symbols = merged(guest.counts.intervals), guest.program.symbols
    assert counts[symbols["count_down"]] == 100_000
    # cmp, itt, two instructions that fail their condition, nop, subs, bne: each ten times.
    assert [counts[a] for a in sorted(counts) if symbols["predicated"] <= a < symbols["predicated"] + 14] == [10] * 7
    assert counts[symbols["device"]] == 50
    if "low_overhead" in symbols:
        assert counts[symbols["low_overhead"]] == counts[symbols["low_overhead"] + 2] == 20
        assert counts[symbols["tail"]] == counts[symbols["tail"] + 4] == 7


def test_opcodes_are_those_of_the_image(guest: GuestRun) -> None:
    code = disassemble(guest.elf)
    for address, opcode in guest.counts.opcodes.items():
        assert len(opcode) == code[address].size


def test_counts_that_are_not_whole_are_refused() -> None:
    with pytest.raises(ToolError, match="last line"):
        parse_counts("wpconvert-counts 1\ninterval exit\n0 5\ninsn 0 10 7047\n")
    with pytest.raises(ToolError, match="5 executions listed, but 6 counted"):
        parse_counts("wpconvert-counts 1\ninterval exit\n0 5\ninsn 0 10 7047\nend 6\n")
    with pytest.raises(ToolError, match="do not come from wpconvert's QEMU plugin"):
        parse_counts("")
    with pytest.raises(ToolError, match="cannot be read"):
        parse_counts("wpconvert-counts 1\ninterval exit\n7 5\nend 5\n")


def test_two_runs_give_the_same_file(tmp_path: Path) -> None:
    first, second = (run_guest(MACHINES[0], folder) for folder in (tmp_path, tmp_path))
    assert first.counts == second.counts
