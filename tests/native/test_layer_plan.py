"""How cores compute layers: what the kernels' own planning says of them."""

from __future__ import annotations

import pytest

from wpconvert._native import Error, layer_plan

WIDE = (1, 8, 8, 64, 8, 8, 64, 3, 3, 64, 1, 1, 1, 1, 1, 1)
"""The last convolutions of ResNet-8: small activations, many columns."""


def plan(core: str, spare: int = 0, codec: str = "", elements: int = 0) -> dict[str, int]:
    return layer_plan(core, False, WIDE, spare, codec, elements, 0)


def test_large_tiles_are_taken_where_other_layers_need_the_memory_anyway() -> None:
    alone, large = plan("Cortex-M4"), plan("Cortex-M4", spare=40_000)
    assert (alone["tile_pixels"], large["tile_pixels"]) == (4, 8)
    assert alone["nbytes"] < large["nbytes"] <= 40_000


@pytest.mark.parametrize("core", ["Cortex-M55", "Cortex-M4", "Cortex-M3"])
@pytest.mark.parametrize("codec", ["", "rle", "packed"])
def test_spare_memory_is_all_that_more_scratch_may_take(core: str, codec: str) -> None:
    least = plan(core, 0, codec, 20_000)["nbytes"]
    for spare in range(0, 40_000, 1000):
        assert plan(core, spare, codec, 20_000)["nbytes"] <= max(least, spare)


def test_sparse_rows_are_lists_and_dense_ones_are_not() -> None:
    for core in ("Cortex-M55", "Cortex-M4", "Cortex-M3"):
        narrow = (1, 25, 5, 64, 25, 5, 64, 1, 1, 64, 1, 1, 1, 1, 0, 0)
        assert layer_plan(core, False, narrow, 0, "rle", 64 * 6, 0)["form"] != 0
        assert layer_plan(core, False, narrow, 0, "rle", 64 * 64, 0)["form"] == 0
        assert layer_plan(core, False, narrow, 0, "", 0, 0)["pointwise"] == 1


def test_unknown_cores_and_codecs_are_errors() -> None:
    with pytest.raises(Error, match="no kernels for the core Cortex-M7"):
        plan("Cortex-M7")
    with pytest.raises(Error, match="no planning for the codec pool"):
        plan("Cortex-M4", codec="pool")
