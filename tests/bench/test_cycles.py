"""The cycle model: what its tables say, how branches and neighbours are counted, and that nothing is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest

from wpconvert.benchmark.cycles import OTHER, CostTable, cost_table, model_cycles, together
from wpconvert.benchmark.disassembly import Instruction, parse_disassembly
from wpconvert.benchmark.flow import flow_of
from wpconvert.errors import ToolError

CORES = ("cortex-m3", "cortex-m4", "cortex-m55")


def code(text: str, narrow: bool = False) -> dict[int, Instruction]:
    """Instructions from lines `mnemonic operands`, four bytes each from address 0, or two."""
    size = 2 if narrow else 4
    lines = [line.partition(" <")[0].split(maxsplit=1) for line in text.strip().splitlines()]
    return {i * size: Instruction(i * size, size, words[0], "".join(words[1:])) for i, words in enumerate(lines)}


def cycles(core: str, text: str, narrow: bool = False, counts: Mapping[int, int] | None = None) -> list[int]:
    """Cycles of each line, run once unless `counts` says otherwise by line."""
    program = code(text, narrow)
    size = 2 if narrow else 4
    executions = Counter({a: 1 if counts is None else counts[a // size] for a in program})
    return [model_cycles(executions, program, cost_table(core)).cycles[a] for a in program]


@pytest.mark.parametrize("core", CORES)
def test_tables_are_sound(core: str) -> None:
    table = cost_table(core)
    assert table.core.lower() == core
    for cost in table.costs:
        assert cost.cycles >= 0 and cost.latency >= 1 and cost.occupies >= 1, cost
        assert cost.cycles + cost.per_register >= 1, cost
        assert cost.refill in (None, "always", "taken", "to pc"), cost
        assert cost.pipe in (None, "load/store", "integer", "multiply", "control"), cost


def test_unknown_cores_are_refused() -> None:
    with pytest.raises(ToolError, match="no cycle model for cortex-m85"):
        cost_table("cortex-m85")


@pytest.mark.parametrize(
    ("line", "m3", "m4"),
    [
        ("mla r0, r1, r2, r3", 2, 1),
        ("smull r0, r1, r2, r3", 5, 1),
        ("smlal r0, r1, r2, r3", 7, 1),
        ("sdiv r0, r1, r2", 12, 12),
        ("ldrd r0, r1, [r2]", 3, 3),
        ("push {r4, r5, r6, lr}", 5, 5),
        ("pop {r4-r6, pc}", 7, 7),
        ("ldmia r0!, {r1, r2, r3}", 4, 4),
        ("str r0, [r1, #4]", 1, 1),
        ("str r0, [r1, r2]", 2, 2),
        ("bl 8 <f>", 3, 3),
        ("bx lr", 3, 3),
        ("tbb [pc, r0]", 4, 4),
        ("moveq r0, #1", 1, 1),
    ],
)
def test_costs_of_the_manuals(line: str, m3: int, m4: int) -> None:
    assert cycles("cortex-m3", line) == [m3]
    assert cycles("cortex-m4", line) == [m4]


def test_m4_has_what_the_m3_lacks() -> None:
    assert cycles("cortex-m4", "smlad r0, r1, r2, r3") == [1]
    assert cycles("cortex-m4", "vdiv.f32 s0, s1, s2") == [14]
    assert cycles("cortex-m4", "vmov s0, r1\nvmov s0, s1\nvmov r0, r1, d0") == [2, 1, 2]
    assert cycles("cortex-m4", "vpush {d8-d9}\nvpush {s0-s1}") == [5, 3]
    m3 = model_cycles(Counter({0: 1}), code("smlad r0, r1, r2, r3"), cost_table("cortex-m3"))
    assert m3.classes == {0: OTHER}


def test_loads_behind_loads_overlap() -> None:
    assert cycles("cortex-m4", "ldr r0, [r1, r5]\nldr r1, [r2]\nldr r2, [r3, #4]") == [2, 1, 1]
    # The address needs what was loaded.
    assert cycles("cortex-m4", "ldr r0, [r1]\nldr r2, [r0]") == [2, 2]
    # Nothing overlaps with a store.
    assert cycles("cortex-m4", "str r0, [r1, r2]\nldr r2, [r3, #4]") == [2, 2]


def test_branches_refill_when_taken() -> None:
    loop = "subs r0, #1\nbne 0 <loop>\nnop"
    assert cycles("cortex-m4", loop, counts={0: 10, 1: 10, 2: 1}) == [10, 10 + 9 * 2, 1]
    assert cycles("cortex-m4", loop, counts={0: 10, 1: 10, 2: 10}) == [10, 10, 10]


def test_helium_instructions_overlap_in_different_pipes() -> None:
    # The two examples of LLVM's model: five cycles until the last beat, and six.
    overlapping = "vldrw.u32 q0, [r0]\nvadd.i32 q1, q2, q3\nvmul.i32 q4, q5, q6\nvstrw.32 q7, [r1]"
    assert cycles("cortex-m55", overlapping) == [1, 1, 1, 1]
    conflicting = "vldrw.u32 q0, [r0]\nvldrb.u32 q1, [r2]\nvadd.i32 q2, q3, q4\nvstrw.32 q5, [r1]"
    assert cycles("cortex-m55", conflicting) == [1, 2, 1, 1]


def test_helium_results_that_come_late() -> None:
    for line, waits in {
        "vqmovnb.s32 q0, q1": 2,
        "vqrshrnb.s32 q0, q1, #5": 2,
        "vmlava.s8 r0, q1, q2": 1,
        "vmaxv.s8 r0, q1": 1,
        "vmaxv.s16 r0, q1": 2,
        "vmaxv.s32 r0, q1": 3,
        "vmov.32 r0, q1[0]": 0,
    }.items():
        user = "vstrb.8 q0, [r1]" if "q0" in line else "add r2, r0, r3"
        assert cycles("cortex-m55", f"{line}\n{user}") == [1, 1 + waits], line


def test_gathers_take_a_cycle_for_each_element() -> None:
    assert cycles("cortex-m55", "vldrb.u8 q0, [r1, q2]") == [16]
    assert cycles("cortex-m55", "vldrb.s16 q0, [r1, q2]") == [8]
    assert cycles("cortex-m55", "vldrh.u16 q0, [r1, q2, uxtw #1]") == [8]
    assert cycles("cortex-m55", "vldrb.u32 q0, [r1, q2]") == [4]
    assert cycles("cortex-m55", "vldrh.s32 q0, [r1, q2]") == [4]
    assert cycles("cortex-m55", "vldrw.u32 q0, [r1, q2, uxtw #2]") == [4]
    assert cycles("cortex-m55", "vstrw.32 q0, [q2, #4]") == [4]
    for line in ("vldrd.u64 q0, [r1, q2]", "vldrd.u64 q0, [q2, #8]", "vstrd.64 q0, [q2, #8]"):
        assert cycles("cortex-m55", line) == [2], line
    assert cycles("cortex-m55", "vldrb.u8 q0, [r1], #16") == [1]


def test_m55_waits_for_loads_and_issues_pairs() -> None:
    assert cycles("cortex-m55", "ldr r0, [r1]\nadds r2, r0, r3\nadds r2, r0, r3") == [1, 2, 1]
    assert cycles("cortex-m55", "ldr r0, [r1]\nadds r2, #1\nlsrs r3, r4, #2\nmovs r5, #0", narrow=True) == [1, 0, 1, 0]
    # Not if the second needs the first one's result or flags, nor with 32-bit instructions.
    assert cycles("cortex-m55", "adds r0, #1\nadds r1, r0, #1", narrow=True) == [1, 1]
    assert cycles("cortex-m55", "cmp r0, r1\nbeq 8 <x>\nnop", narrow=True) == [1, 1, 0]
    assert cycles("cortex-m55", "ldr r0, [r1]\nadd r2, r2, #1") == [1, 1]


def test_flow_of_nested_branches() -> None:
    # 0: outer loop, 3 times; 4: condition taken once; 12: back.
    program = code("nop\nbeq c <skip>\nnop\nsubs r0, #1\nbne 0 <outer>\nnop")
    flow = flow_of(Counter({0: 3, 4: 3, 8: 2, 12: 3, 16: 3, 20: 1}), program)
    assert flow.taken == {4: 1, 16: 2}
    assert flow.fallen == {4: 3, 8: 2, 12: 2, 16: 3, 20: 1}


def test_parts_are_modelled_one_by_one() -> None:
    """Two operators that share code cost what each of them costs, and leave nothing negative for the rest."""
    program = code("beq c <x>\nbeq c <x>\nbeq 4 <x>\nbx lr")
    table = cost_table("cortex-m4")
    # The first goes round once, the second leaves at once.
    parts = [Counter({0: 1, 4: 2, 8: 1, 12: 1}), Counter({0: 1, 12: 1})]
    modelled = [model_cycles(part, program, table) for part in parts]
    assert [part.total for part in modelled] == [11, 6]
    assert together(modelled).total == 17
    # What the profile must not do: the sum of the counts leaves more branches open, and costs less.
    assert model_cycles(parts[0] + parts[1], program, table).total == 13
    assert flow_of(parts[0] + parts[1], program).guessed
    assert not flow_of(parts[1], program).guessed


def test_disassembly_is_understood() -> None:
    text = (
        "00000000 <f>:\n"
        "   0:\t4819      \tldr\tr0, [pc, #100]\t@ (7c <tail_end+0xa>)\n"
        "   2:\td1fd      \tbne.n\t0 <f>\n"
        "   4:\tf043 4290 \torr.w\tr2, r3, #15728640\t@ 0xf00000\n"
        "   8:\t20004000 \t.word\t0x20004000\n"
    )
    found = parse_disassembly(text)
    assert [(i.size, i.mnemonic, i.operands, i.target) for i in found.values()] == [
        (2, "ldr", "r0, [pc, #100]", None),
        (2, "bne", "0", 0),
        (4, "orr", "r2, r3, #15728640", None),
    ]
    assert Instruction(0, 2, "pop", "{r4-r6, pc}").registers == ("r4", "r5", "r6", "r15")


@pytest.mark.parametrize("core", CORES)
def test_every_instruction_has_one_meaning(core: str) -> None:
    """Mnemonics that look like conditions or suffixes of others."""
    table: CostTable = cost_table(core)
    for line, name in {
        "bls 10": "branch",
        "bics r0, r1": "arithmetic",
        "bl 10": "call and return",
        "teq r0, r1": "arithmetic",
        "svc 0": "system",
    }.items():
        cost = table.find(code(line)[0])
        assert cost is not None and cost.name == name, line
