"""Flash by part: from the linker's map, and adding up to the image."""

from __future__ import annotations

from pathlib import Path

import pytest

from wpconvert.benchmark.flash import (
    BOARD,
    KERNELS,
    LIBRARY,
    MODEL,
    PADDING,
    PARTS,
    RUNTIME,
    flash_parts,
    part_at,
    part_of,
    read_map,
)
from wpconvert.benchmark.program import Section
from wpconvert.errors import ToolError

MAP = """\
Discarded input sections

 .text.unused   0x00000000       0x40 libwpk.a(conv.c.obj)

Linker script and memory map

.text           0x00000000      0x100
 .vectors       0x00000000       0x40 libwpconvert_port.a(startup.c.obj)
 .text.wpk_conv_s8
                0x00000040       0x60 libwpk.a(conv.c.obj)
                0x00000040                wpk_conv_s8
 .text._ZN9wpconvert16MicroInterpreter6InvokeEv
                0x000000a0       0x30 /b/libwpconvert_runtime.a(micro_interpreter.cc.obj)
 *fill*         0x000000d0        0x8 ff
 .text.memset   0x000000d8       0x20 /usr/lib/thumb/v7e-m/nofp/libc_nano.a(libc_a-memset.o)
 .text          0x000000f8        0x0 /usr/lib/thumb/libgcc.a(_udivmoddi4.o)

.model          0x00001000      0x200
 .rodata.model_data
                0x00001000      0x200 /cache/image/model.o

.bss            0x20000000      0x400
 .bss.arena     0x20000000      0x400 /cache/image/runner.o

.debug_info     0x00000000      0x999
 .debug_info    0x00000000      0x999 libwpk.a(conv.c.obj)
"""
SECTIONS = (
    Section(".text", 0, 0x100, stored=True),
    Section(".model", 0x1000, 0x200, stored=True),
    Section(".bss", 0x20000000, 0x400, stored=False),
)


def test_parts_add_up_to_the_image(tmp_path: Path) -> None:
    path = tmp_path / "image.map"
    path.write_text(MAP)
    pieces = read_map(path, SECTIONS)
    parts = flash_parts(pieces, SECTIONS)
    assert parts == {MODEL: 0x200, KERNELS: 0x60, RUNTIME: 0x30, LIBRARY: 0x20, BOARD: 0x40, PADDING: 0x10}
    assert list(parts) == list(PARTS)
    assert sum(parts.values()) == 0x300
    assert [part_at(pieces, a) for a in (0, 0x40, 0x9E, 0xA0, 0xD0, 0xD8, 0x1000)] == [
        BOARD,
        KERNELS,
        KERNELS,
        RUNTIME,
        PADDING,
        LIBRARY,
        MODEL,
    ]


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/usr/lib/arm-none-eabi/lib/thumb/v7-m/nofp/libm.a(libm_a-sf_exp.o)", LIBRARY),
        ("/usr/lib/gcc/arm-none-eabi/12.2.1/thumb/v7-m/nofp/libgcc.a(_arm_muldf3.o)", LIBRARY),
        ("/cache/firmware/mps2-m3-0123/libwpk.a(gemm_portable.c.obj)", KERNELS),
        ("kernels/CMakeFiles/wpk.dir/src/softmax.c.obj", KERNELS),
        ("/home/x/kernels/src/softmax.o", KERNELS),
        ("libwpconvert_runtime.a(planner.cc.obj)", RUNTIME),
        ("libwpconvert_port.a(fault.c.obj)", BOARD),
        ("/cache/image/runner.o", BOARD),
    ],
)
def test_objects_belong_to_a_part(path: str, part: str) -> None:
    assert part_of(path) == part


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot read the linker map"):
        read_map(tmp_path / "absent.map", SECTIONS)
    (tmp_path / "image.map").write_text("nothing")
    with pytest.raises(ToolError, match="not a linker map"):
        read_map(tmp_path / "image.map", SECTIONS)
