"""Rewritten models in TensorFlow Lite Micro's own interpreter; WPCONVERT_TFLM_DIR says where a copy of it is."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.reference.test_malformed import INPUT, OUTPUT, conv_model
from tests.reference.test_models import random_inputs
from tests.support.oracles import shared_model
from tests.tflite.harness import METHODS, converted, forced
from tests.tflm.harness import (
    DOWNLOADS,
    NO_RUNTIME,
    ROOT,
    WARNINGS,
    build_programs,
    checked,
    includes,
    layers,
    run,
    sources,
    tflm_folder,
)
from tools.fuzz import Seed, damaged_inside
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.schema import TensorType
from wpconvert.reference.interpreter import Interpreter

ZOO = ("digits_ds_cnn", "digits_ds_cnn_dense")
SHARED = ("ds_cnn_kws/sparse_s_90", "ds_cnn_kws/sparse_l_85", "mlperf_tiny/vww_96_int8", "mlperf_tiny/resnet8_int8")
ARENA_NBYTES = 4 << 20
DAMAGED = 150


def _rewritten(name: str, method: str) -> bytes:
    data = shared_model(f"{name}.tflite") if "/" in name else (ROOT / f"models/zoo/{name}.tflite").read_bytes()
    return converted(data, method).data


def _forced(source: Callable[[], bytes], method: str) -> bytes:
    return forced(source(), method)


def _pooled(act_bits: int) -> bytes:
    """Multiplied with the pool's vectors, or looked up."""
    settings = {"pool_size": 32, "act_bits": act_bits, "lut": "none" if act_bits == 8 else "ram"}
    return converted((ROOT / "models/zoo/digits_pool.tflite").read_bytes(), "pool", options=settings).data


def _conv() -> bytes:
    return conv_model().to_bytes()


# The model that each program has, and registers its operators and codecs.
PROGRAMS: dict[str, Callable[[], bytes]] = {
    f"{Path(name).name}_{method}": partial(_rewritten, name, method) for name in (*ZOO, *SHARED) for method in METHODS
}
PROGRAMS |= {f"layers_{method}": partial(_forced, layers, method) for method in METHODS}
PROGRAMS |= {f"digits_pool_{bits}_bits": partial(_pooled, bits) for bits in (8, 3)}
WHOLE = list(PROGRAMS)
PROGRAMS["conv"] = partial(_forced, _conv, "dcsr")


@cache
def _build(folder: Path, program: str) -> Path:
    return build_programs(folder, {program: PROGRAMS[program]()}) / f"run_{program}"


@dataclass(frozen=True)
class Result:
    code: int
    error: str
    output: bytes


class Tflm:
    """Models run by programs with stock TensorFlow Lite Micro."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder = folder
        self.work = work

    def run(
        self,
        program: str,
        samples: Sequence[Sequence[NDArray[np.generic]]],
        model: bytes | None = None,
        arena: int = ARENA_NBYTES,
    ) -> Result:
        """Runs the program's own model, or another one with the operators of that."""
        command = [str(_build(self.folder, program)), *(str(self.work / name) for name in ("in", "out")), str(arena)]
        (self.work / "in").write_bytes(b"".join(x.tobytes() for sample in samples for x in sample))
        if model is not None:
            (self.work / "model").write_bytes(model)
            command.append(str(self.work / "model"))
        done = run(command, 300)
        return Result(done.returncode, done.stderr, (self.work / "out").read_bytes())


@pytest.fixture
def tflm(tmp_path: Path) -> Tflm:
    return Tflm(tflm_folder(), tmp_path)


def expected(data: bytes, samples: Sequence[Sequence[NDArray[np.generic]]]) -> bytes:
    """The outputs in the reference interpreter."""
    interpreter = Interpreter(read_graph(parse(data)))
    return b"".join(np.asarray(y).tobytes() for sample in samples for y in interpreter.run(list(sample)))


@pytest.mark.parametrize("name", WHOLE)
def test_outputs_equal_the_reference_interpreter(name: str, tflm: Tflm) -> None:
    data = PROGRAMS[name]()
    samples = [random_inputs(parse(data), seed) for seed in range(2 if "_l_" in name else 8)]
    result = tflm.run(name, samples)
    assert (result.code, result.error) == (0, "")
    assert result.output == expected(data, samples)


def _refused(tflm: Tflm, data: bytes, arena: int = ARENA_NBYTES) -> str:
    result = tflm.run("conv", [], data, arena)
    assert result.code == 2
    return result.error


@pytest.mark.parametrize("payload", ["blob", "table", "options"])
def test_damaged_payloads_are_refused(payload: str, tflm: Tflm) -> None:
    model = parse(forced(_conv(), "dcsr"))
    graph = model.root.subgraphs[0]
    operator = graph.operators[0]
    if payload == "options":
        operator.customOptions = np.zeros(len(operator.customOptions), np.uint8)
    else:
        buffer = model.root.buffers[graph.tensors[operator.inputs[1 if payload == "blob" else 2]].buffer]
        buffer.data = np.concatenate([[0], buffer.data[1:]]).astype(np.uint8)
    what = {"blob": "weight blob", "table": "requantisation table", "options": "custom_options"}[payload]
    assert what in _refused(tflm, serialise(model)).split("WP_CONV_2D: ")[1].splitlines()[0]


@pytest.mark.parametrize(
    ("tensor", "change"),
    [
        (OUTPUT, {"shape": [1, 8, 7, 6]}),
        (OUTPUT, {"type": TensorType.INT16}),
        (OUTPUT, {"zeroPoint": [9]}),
        (INPUT, {"quantization": None}),
        (INPUT, {"type": TensorType.FLOAT32}),
        (INPUT, {"shape": [1, 8, 8, 5]}),
        (INPUT, {"shape": [1, 0, 8, 4]}),
        (INPUT, {"shape": [1, 1, 1, 1, 1, 8, 8, 4]}),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tensor: int, change: dict[str, object], tflm: Tflm) -> None:
    model = parse(forced(_conv(), "dcsr"))
    target = model.root.subgraphs[0].tensors[tensor]
    for name, value in change.items():
        setattr(target if hasattr(target, name) else target.quantization, name, value)
    assert "WP_CONV_2D: " in _refused(tflm, serialise(model))


def test_a_codec_that_was_not_added_is_named(tflm: Tflm) -> None:
    assert "AddCodec(&wpk_codec_rle)" in _refused(tflm, forced(_conv(), "rle"))


@pytest.mark.parametrize("arena", [256, 512, 1024, 1536])
def test_an_arena_that_is_too_small_is_an_error(arena: int, tflm: Tflm) -> None:
    _refused(tflm, forced(_conv(), "dcsr"), arena)


def test_damage_inside_our_payloads_is_refused_or_computes_what_the_reference_does(tflm: Tflm) -> None:
    rng = random.Random(1)
    codes = []
    for _ in range(DAMAGED):
        method = rng.choice(METHODS)
        data = damaged_inside(Seed("layers", forced(layers(), method, strip=True)), rng)
        samples = [random_inputs(parse(data), 0)]
        result = tflm.run(f"layers_{method}", samples, data)
        codes.append(result.code)
        assert result.code in {0, 2}, result.error
        if result.code == 0:
            assert result.output == expected(data, samples)
    assert codes.count(2) > DAMAGED // 4


@pytest.mark.parametrize("core", ["cortex-m4 -mfpu=fpv4-sp-d16", "cortex-m55"])
def test_it_compiles_for_cortex_m(core: str, tmp_path: Path) -> None:
    folder = tflm_folder()
    downloads = folder / DOWNLOADS

    paths = [folder, downloads / "flatbuffers/include", downloads / "gemmlowp", downloads / "ruy"]
    system = [part for path in paths for part in ("-isystem", str(path))]
    flags = [
        f"-mcpu={core.split(maxsplit=1)[0]}",
        *core.split()[1:],
        "-mthumb",
        "-mfloat-abi=hard",
        "-DTF_LITE_STATIC_MEMORY",
    ]
    for path in sources():
        if path.suffix == ".cc":
            command = ["arm-none-eabi-g++", *flags, "-Os", *NO_RUNTIME, *WARNINGS, *includes(), *system]
            checked([*command, "-c", path, "-o", tmp_path / "object.o"])
