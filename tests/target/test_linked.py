"""What a program links: the kernels of the operators and codecs that it names, and no others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from wpconvert.target import boards
from wpconvert.target.board import Board

from .programs import build

pytestmark = pytest.mark.usefixtures("device")

PROGRAM = """
#include "wpconvert/codecs.h"
#include "wpconvert/operators.h"
int main() {
    return wpconvert::AddCodec(&wpk_codec_%s) && wpconvert::Register_WP_CONV_2D() != nullptr &&
           wpconvert::Register_WP_FULLY_CONNECTED() != nullptr;
}
"""


def _linked(board: Board, codec: str, folder: Path) -> set[str]:
    """Names of the functions and objects in the image."""
    image = build(board, PROGRAM % codec, folder)
    table = subprocess.run(["arm-none-eabi-nm", image], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in table.splitlines()}


@pytest.mark.parametrize("board", boards().values(), ids=boards())
def test_what_pools_need_comes_with_their_codec(board: Board, tmp_path: Path) -> None:
    """The reader of pool tensors with the check of their table, the plans and the kernels."""
    assert {"wpk_sv_parse", "wpk_sv_lut_is_right", "wpk_sv_conv_plan"} <= _linked(board, "pool", tmp_path)
    assert not {name for name in _linked(board, "dcsr", tmp_path) if name.startswith("wpk_sv_")}


@pytest.mark.parametrize("board", boards().values(), ids=boards())
def test_lists_come_with_a_codec_that_has_some(board: Board, tmp_path: Path) -> None:
    assert "wpk_lists" in _linked(board, "dcsr", tmp_path)
    assert "wpk_lists" not in _linked(board, "packed", tmp_path)
