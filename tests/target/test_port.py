"""Start-up, counter, semihosting and fault reports of every board."""

from __future__ import annotations

from pathlib import Path

import pytest

from wpconvert.errors import DeviceError, UsageError
from wpconvert.target import boards
from wpconvert.target.board import Board
from wpconvert.target.facts import explain_fault, read_facts
from wpconvert.target.simulator import SIMULATORS, crash_reason, simulate

from .programs import build, execute

pytestmark = pytest.mark.usefixtures("device")
every_board = pytest.mark.parametrize("board", boards().values(), ids=boards())

LOOPS = r"""
static __attribute__((noinline)) void spin(uint32_t n) {
    __asm__ volatile("1: subs %0, %0, #1\n bne 1b" : "+r"(n)::"cc");
}
int main() {
    port_line out;
    port_line_begin(&out, "wp:hz ");
    port_line_decimal(&out, port_ticks_hz);
    port_line_end(&out);
    for (uint32_t n = 1000; n <= 1000000; n *= 10) {
        const uint64_t start = port_ticks();
        spin(n);
        const uint64_t ticks = port_ticks() - start;
        port_line_begin(&out, "wp:ticks ");
        port_line_decimal(&out, ticks);
        port_line_end(&out);
    }
    return 0;
}
"""


@every_board
def test_the_counter_counts_instructions(board: Board, tmp_path: Path) -> None:
    code, printed = execute(board, LOOPS, tmp_path)
    facts = read_facts(printed)
    assert code == 0 and facts.hz is not None
    tick = 1e9 / facts.hz
    for ticks, loops in zip(facts.ticks, (1000, 10_000, 100_000, 1_000_000), strict=True):
        # Reading the counter and calling the loop take a few instructions more.
        assert abs(ticks * tick - 2 * loops) <= tick + 30


MEMORY = r"""
static int initialised = 42, zeroed;
static float half = 0.5f;
int main() {
    if (initialised != 42 || zeroed != 0 || half * 4.0f != 2.0f) return 1;
    char text[6] = {};
    int file = port_open("out.bin", PORT_WRITE);
    if (!port_put(file, "hello", 5)) return 2;
    port_close(file);
    file = port_open("out.bin", PORT_READ);
    if (!port_read(file, text, 5) || text[4] != 'o') return 3;
    if (port_read(file, text, 1)) return 4;
    port_close(file);
    if (port_open("absent.bin", PORT_READ) >= 0) return 5;
    port_line out;
    port_line_begin(&out, "number ");
    port_line_decimal(&out, 18446744073709551615u);
    port_line_text(&out, " ");
    port_line_hex(&out, 0xdeadbeef);
    port_line_end(&out);
    return 7;
}
"""


@every_board
def test_memory_files_text_and_exit_code(board: Board, tmp_path: Path) -> None:
    code, printed = execute(board, MEMORY, tmp_path)
    assert code == 7
    assert "number 18446744073709551615 0xdeadbeef\n" in printed
    assert (tmp_path / "out.bin").read_bytes() == b"hello"


CONSTRUCTORS = r"""
static int order[4], count;
struct Number {
    explicit Number(int n) : value(n) { order[count++] = n; }
    ~Number() { port_exit(9); }
    int value;
};
static int half(int n) { return n / 2; }
Number last(half(6));
__attribute__((init_priority(200))) Number second(half(4));
__attribute__((init_priority(101))) Number first(half(2));
static const int computed = half(count + 80);
int main() {
    static Number local(half(8));
    if (computed != 41 && computed != 40) return 1;
    if (first.value != 1 || second.value != 2 || last.value != 3 || local.value != 4) return 2;
    for (int i = 0; i < 4; ++i) if (order[i] != i + 1) return 3;
    return count;
}
"""


@every_board
def test_constructors_of_global_objects_run_before_main_and_none_is_destroyed(board: Board, tmp_path: Path) -> None:
    assert execute(board, CONSTRUCTORS, tmp_path) == (4, "")


INTERRUPTS = r"""
static volatile uint32_t ran;
extern "C" void SysTick_Handler() { ran |= 1; }
static void zero() { ran |= 2; }
static void two() { ran |= 4; }
PORT_INTERRUPTS = {zero, nullptr, two};
int main() {
    *(volatile uint32_t *)0xe000ed04 = 1u << 26;        // SysTick pending
    *(volatile uint32_t *)0xe000e100 = 1u << 0 | 1u << 2;  // enabled
    *(volatile uint32_t *)0xe000e200 = 1u << 0 | 1u << 2;  // pending
    __asm__ volatile("dsb\n isb");
    return ran;
}
"""


@every_board
def test_a_program_takes_over_interrupts_and_system_exceptions(board: Board, tmp_path: Path) -> None:
    assert execute(board, INTERRUPTS, tmp_path) == (7, "")


@every_board
def test_an_exception_that_nobody_took_over_is_reported(board: Board, tmp_path: Path) -> None:
    source = 'int main() { *(volatile uint32_t *)0xe000ed04 = 1u << 26; __asm__ volatile("dsb\\n isb"); return 0; }'
    code, printed = execute(board, source, tmp_path)
    assert code == 70
    assert printed.startswith("wp:fault SysTick ")


FAULTS = {
    "division": ("static volatile int zero; int main() { return 5 / zero; }", "integer division by zero"),
    "undefined": ('int main() { __asm__ volatile("udf #1"); return 0; }', "undefined instruction"),
    "write": (
        "int main() { *(volatile int *)0xe8000000 = 1; return 0; }",
        "unmapped address at 0xe8000000, in main",
    ),
    "jump": ("int main() { ((void (*)())0xa0000001)(); return 0; }", "execution from a forbidden address"),
    "stack": (
        "static volatile int seven = 7;\n"
        "static __attribute__((noinline)) int deep(int n) {\n"
        "    volatile int a[100]; a[n % 100] = n; return n == -1 ? 0 : deep(n + 1) + a[3];\n"
        "}\n"
        "int main() { return deep(seven); }",
        "stack overflow",
    ),
}


@every_board
@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_explained(board: Board, name: str, tmp_path: Path) -> None:
    source, words = FAULTS[name]
    code, printed = execute(board, source, tmp_path)
    facts = read_facts(printed)
    assert code == 70 and facts.fault is not None
    assert words in explain_fault(facts.fault, tmp_path / "program.elf")


def test_a_hang_ends(tmp_path: Path) -> None:
    board = boards()["mps2-m3"]
    image = build(board, 'int main() { for (;;) __asm__ volatile(""); }', tmp_path)
    with pytest.raises(DeviceError, match=r"did not finish within 0.5 seconds \(0 inferences done\)"):
        simulate(SIMULATORS["qemu"].command(board, image), tmp_path, 0.5)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan")])
def test_no_time_is_no_limit(timeout_s: float, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--timeout .*, expected a positive number of seconds"):
        simulate(["true"], tmp_path, timeout_s)


@pytest.mark.parametrize("timeout_s", [float("inf"), 1e300])
def test_the_limit_may_be_infinite(timeout_s: float, tmp_path: Path) -> None:
    assert simulate(["true"], tmp_path, timeout_s) == (0, "")


def test_a_lockup_is_no_riddle(tmp_path: Path) -> None:
    """A fault while the vector table is unusable ends the simulator itself."""
    board = boards()["mps2-m3"]
    source = (
        'int main() { *(volatile uint32_t *)0xe000ed08 = 0x30000000; __asm__ volatile("dsb\\n udf #1"); return 0; }'
    )
    code, printed = execute(board, source, tmp_path)
    assert code != 0
    assert "Lockup" in crash_reason(code, printed)
