"""FILE.c and FILE.h of an array: with the kernels, a program finds in them the weights, sums and outputs they name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import wpconvert
from tests.codecs.matrices import random_case, storable
from wpconvert.codecs import CODECS

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'kernels/include'}"]

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc here")

PROGRAM = """
#include <stdlib.h>
#include <string.h>
#include "layer.h"
#include "wpk/conv.h"
#include "wpk/fully_connected.h"
static void *memory(uint32_t nbytes) {
    return aligned_alloc(16, (nbytes / 16 + 1) * 16);
}
int main(void) {
    wpk_blob blob;
    if (wpk_blob_parse(layer_blob, LAYER_BLOB_NBYTES, &blob) != WPK_OK) return 1;
#ifdef LAYER_POOL_NBYTES
    void *side = memory(LAYER_CODEC->side_nbytes);
    if (LAYER_CODEC->parse_side(layer_pool, LAYER_POOL_NBYTES, side) != WPK_OK) return 2;
    blob.side = side;
#endif
    if (LAYER_CODEC->number != blob.codec || LAYER_CODEC->check(&blob) != WPK_OK) return 3;
    if (blob.rows != LAYER_ROWS || blob.cols != LAYER_COLS) return 4;
    const wpk_weights weights = wpk_weights_of_blob(&blob, LAYER_CODEC);
    wpk_cursor cursor = wpk_first_row(&weights, memory(wpk_tables_nbytes(&weights)));
    static int8_t rows[LAYER_ROWS * LAYER_COLS];
    LAYER_CODEC->decode(&blob, &cursor, 0, LAYER_ROWS, rows, LAYER_COLS);
    if (memcmp(rows, layer_weights, sizeof rows) != 0) return 5;
    for (uint32_t r = 0; r < LAYER_ROWS; ++r) {
        int32_t sum = 0;
        for (uint32_t c = 0; c < LAYER_COLS; ++c) sum += layer_weights[r * LAYER_COLS + c] * layer_x[c];
        if (sum != layer_sums[r]) return 6;
    }
    static const int32_t dims[] = LAYER_DIMS;
    const int32_t h = dims[1], w = dims[2], c = dims[3];
    const wpk_conv_shape shape = {1, h, w, c, 1, 1, dims[0], h, w, c, 1, 1, 1, 1, 0, 0};
    int8_t y[LAYER_ROWS];
    wpk_plan plan;
    void *scratch = memory(wpk_conv_plan(&shape, &weights, 0, &plan));
    wpk_conv_s8(&shape, &weights, &plan, &layer_requant, layer_x, y, scratch);
    if (memcmp(y, layer_y, sizeof y) != 0) return 7;
#ifndef LAYER_POOL_NBYTES
    scratch = memory(wpk_fully_connected_plan(1, &weights, &plan));
    memset(y, 0, sizeof y);
    wpk_fully_connected_s8(1, &weights, &plan, &layer_requant, layer_x, y, scratch);
    if (memcmp(y, layer_y, sizeof y) != 0) return 8;
#endif
    return (uintptr_t)layer_blob % 16 != 0 ? 9 : 0;
}
"""


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kernels as an archive."""
    folder = tmp_path_factory.mktemp("kernels")
    sources = sorted((ROOT / "kernels/src").glob("*/*.c"))
    subprocess.run(["gcc", *FLAGS, "-O1", "-c", *sources], cwd=folder, check=True)
    subprocess.run(["ar", "rc", "kernels.a", *sorted(folder.glob("*.o"))], cwd=folder, check=True)
    return folder / "kernels.a"


@pytest.mark.parametrize("method", CODECS)
def test_kernels_find_in_it_what_it_names(method: str, kernels: Path, tmp_path: Path) -> None:
    weights = storable(random_case((24, 3, 3, 16), 1, 0.3, 11), method).weights
    encoded = wpconvert.encode(weights, method, to_c=tmp_path / "layer.c")
    assert encoded.written == (str(tmp_path / "layer.c"), str(tmp_path / "layer.h"))
    (tmp_path / "main.c").write_text(PROGRAM)
    subprocess.run(["gcc", *FLAGS, "main.c", "layer.c", kernels, "-o", "program"], cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "program"], check=False).returncode == 0


def test_outputs_take_all_of_int8(tmp_path: Path) -> None:
    """Outputs that are all near zero would find no fault."""
    weights = random_case((64, 100), 1, 0.5, 12).weights
    wpconvert.encode(weights, "dcsr", to_c=tmp_path / "w.c")
    text = (tmp_path / "w.c").read_text()
    values = text.partition("w_y[W_ROWS] = {")[2].partition("}")[0]
    y = [int(value) for value in values.replace(",", " ").split()]
    assert len(y) == 64
    assert max(map(abs, y)) >= 126
    assert len(set(y)) > 20


def test_cpp_takes_it(tmp_path: Path) -> None:
    wpconvert.encode(np.full((3, 17), -128, np.int8), "packed", to_c=tmp_path / "3 x.cc")
    subprocess.run(
        ["g++", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'kernels/include'}", "-c", "3 x.cc"],
        cwd=tmp_path,
        check=True,
    )
