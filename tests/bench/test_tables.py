"""The tables of `make bench` and the text of `wpconvert bench`, from made-up results."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from tools.bench_targets import (
    Row,
    cycle_table,
    instruction_cells,
    memory_table,
    models_of,
    operator_table,
    readme_block,
    report,
)
from tools.stock import STOCK, stock_of
from wpconvert.bench.compare import layer_pairs
from wpconvert.bench.result import Benchmark, ClassCount, Comparison, FunctionCount, LayerCount
from wpconvert.bench.text import print_benchmark, print_comparison

FLASH = {"model": 1000, "kernels": 300, "runtime": 200, "C library": 100, "board": 50, "padding": 4}


def made_up(instructions: int, operator: str = "CONV_2D") -> Benchmark:
    layers = (LayerCount(0, operator, "conv[0]", instructions - 30, instructions),)
    functions = tuple(FunctionCount(f"f{i}", "kernels", instructions // 10, instructions // 5) for i in range(10))
    classes = (ClassCount("load", instructions, 2 * instructions),)
    return Benchmark(
        path="[red]/model.tflite",
        target="corstone300",
        core="Cortex-M55",
        simulator="qemu",
        file_nbytes=900,
        instructions=instructions,
        modelled_cycles=2 * instructions,
        prepare_instructions=7,
        interpreter_instructions=30,
        interpreter_modelled_cycles=instructions,
        arena_nbytes=600,
        flash_nbytes=FLASH,
        layers=layers,
        functions=functions,
        classes=classes,
        outputs_sha256="0",
    )


def test_stock_numbers_are_found_by_model_and_board() -> None:
    sparse, dense = stock_of("ds_cnn_kws/sparse_l_85", "mps2-m4"), stock_of("ds_cnn_kws/dense_l", "mps2-m4")
    assert sparse == dense and sparse is not None
    assert (sparse.instructions, sparse.arena_nbytes, sparse.flash_nbytes) == (186_076_000, 165_168, 58_954)
    assert sparse.modelled_cycles == 220_004_536
    assert stock_of("zoo/digits_ds_cnn", "mps2-m4") is None
    assert stock_of("ds_cnn_kws/dense_l", "another") is None


def test_tables_give_ratios_against_stock() -> None:
    name = "mlperf_tiny/kws_ref_model"
    rewritten = {"dcsr": made_up(906_000), "rle": None}
    row = Row(name, "corstone300", stock_of(name, "corstone300"), made_up(1_812_000), rewritten)
    assert row.dense.code_nbytes == 654
    other = Row("zoo/other", "corstone300", None, made_up(1000), {"dcsr": None, "rle": None})
    assert instruction_cells(row) == ["1.812", "1.812 (1.00 ×)", "0.906 (0.50 ×)", "–"]
    assert instruction_cells(other) == ["–", "0.001", "–", "–"]
    assert "| 27,348 | 600 (0.02 ×) | 600 (0.02 ×) | – | 44,628 | 654 (0.01 ×)" in memory_table([row])
    text = report([row, other], ["`x` (y): too large"])
    assert "modelled" in text and "measured" in text and "- `x` (y): too large" in text
    assert "the last two 50 bytes" in text


def test_stock_operators_add_up_to_the_model() -> None:
    """What is left is the interpreter: little, and never less than nothing."""
    for name, entry in STOCK["models"].items():
        for board in STOCK["targets"]:
            stock = stock_of(name, board)
            assert stock is not None
            if stock.modelled_cycles is None:
                assert not entry["operators"]
                continue
            # Instructions of the whole were measured apart from those by operator: equal to 0.1 %.
            assert abs(sum(stock.operator_instructions.values()) / stock.instructions - 1) < 0.001
            assert 0.998 < sum(stock.operator_modelled_cycles.values()) / stock.modelled_cycles < 1


def test_cycles_are_against_stock_and_operators_stand_beside_its() -> None:
    name, rewritten = "mlperf_tiny/kws_ref_model", {"dcsr": made_up(541_703), "rle": None}
    rows = [Row(name, "corstone300", stock_of(name, "corstone300"), made_up(1_083_406), rewritten)]
    assert f"| `{name}` | corstone300 | 2.167 | 2.167 (1.00 ×) | 1.083 (0.50 ×) | – |" in cycle_table(rows)
    lines = operator_table(rows, "modelled_cycles").splitlines()[2:]
    assert lines[0].startswith(f"| `{name}` | corstone300, TFLM + CMSIS-NN | CONV_2D 1.294, DEPTHWISE_CONV_2D 0.847, ")
    assert lines[1:] == [
        f"| `{name}` | corstone300, dense | CONV_2D 1.083 |",
        f"| `{name}` | corstone300, dcsr | CONV_2D 0.542 |",
    ]
    unknown = Row("zoo/other", "corstone300", None, made_up(1000), {"dcsr": None, "rle": None})
    assert "| – | 0.002 | – | – |" in cycle_table([unknown])


def test_readme_has_ratios_only_all_targets_in_a_cell() -> None:
    name = "mlperf_tiny/kws_ref_model"
    rows = [
        Row(name, board, stock_of(name, board), made_up(instructions), {"dcsr": None, "rle": made_up(906_000)})
        for board, instructions in (("corstone300", 1_812_000), ("mps2-m3", 10_532_000))
    ]
    rows.append(Row("zoo/other", "corstone300", None, made_up(1000), {"dcsr": None, "rle": None}))
    block = readme_block(rows, ["`x` (y): too large"])
    assert f"| `{name}` | 1.00 / 1.00 | – | 0.50 / 0.09 | 0.02 / 0.03 | 0.01 / 0.01 |" in block.splitlines()
    assert "zoo/other" not in block and "Cortex-M55 / Cortex-M3" in block
    assert "Not in the table: `x` (y): too large." in block


def test_places_without_a_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no \.tflite model"):
        models_of([tmp_path])


@pytest.mark.parametrize("profile", [False, True])
def test_text_labels_what_is_modelled(profile: bool) -> None:
    console = Console(file=io.StringIO(), width=120)
    print_benchmark(console, made_up(100_000), 3, profile)
    print_comparison(console, Comparison(made_up(50_000, "WP_CONV_2D"), made_up(100_000)), 3, profile)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]/model.tflite" in text
    assert "100,000 instructions per inference, measured; 200,000 cycles, modelled" in " ".join(text.split())
    assert "0.50 ×" in text
    assert ("7 more" in text) == profile


def test_layers_are_paired_only_in_the_same_graph() -> None:
    assert len(layer_pairs(made_up(100, "WP_CONV_2D"), made_up(200))) == 1
    assert layer_pairs(made_up(100, "SOFTMAX"), made_up(200)) == []
