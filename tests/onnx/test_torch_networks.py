"""Trained networks from PyTorch, dense and pruned: rewritten by every method, lowered, and run on the boards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from tests.models.test_zoo import ROOT, ZOO
from tests.onnx.lower.harness import operators, steps_apart
from tests.support.oracles import SHARED_MODELS
from tests.target import conftest
from wpconvert.cli.main import run
from wpconvert.engines.reference import ReferenceEngine
from wpconvert.formats.onnx.draft import METHODS
from wpconvert.formats.onnx.mixed import samples_for
from wpconvert.formats.tflite.file import parse
from wpconvert.job.convert import convert_bytes
from wpconvert.lowering import lower
from wpconvert.model.rules import AUTO, Rules
from wpconvert.model.settings import Settings

for package in ("torch", "onnxscript"):
    pytest.importorskip(package, reason=f"{package} is not installed: make setup-train")

SHARED_DATA = SHARED_MODELS.parent / "data"
RANGES, COMPARED = 20, 4
NETWORKS = [
    "digits_ds_cnn, pruned",
    "mlperf_tiny/resnet8_float",
    "mlperf_tiny/resnet8_float, pruned",
    "ds_cnn_kws/sparse_s_80",
    "mobilenetv2_cifar10/sparse90",
]
cache, device = conftest.cache, conftest.device


@dataclass(frozen=True)
class Exported:
    """A network's files, and samples [n, channels, height, width] that gave no ranges. zeros: share of its weights."""

    network: Any
    zeros: float
    real: Path
    quantised: Path
    ranges: NDArray[np.float32]
    images: NDArray[np.float32]
    labels: NDArray[np.int64]


def _digits(images: NDArray[np.int8]) -> NDArray[np.float32]:
    return (images.astype(np.float32) + 128) / np.float32(255)


def _case(name: str) -> Any:
    """The files of a network; skips where they are not on this machine."""
    from tools.onnx_bench.networks import Case, Network, cases_in  # noqa: PLC0415 - needs PyTorch

    if name == NETWORKS[0]:
        return Case(Network(name, "", _digits), ZOO / "digits_ds_cnn.tflite", ZOO / "digits_test.npz")
    found = [case for case in cases_in(SHARED_MODELS, SHARED_DATA)[0] if case.network.title == name]
    if not found:
        pytest.skip(f"{SHARED_MODELS} or {SHARED_DATA} has no {name}")
    return found[0]


@pytest.fixture(scope="module", params=NETWORKS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A network exported by PyTorch's current exporter, and quantised by ONNX Runtime."""
    import torch  # noqa: PLC0415 - not on every machine
    from torch.nn.utils import prune  # noqa: PLC0415

    from tools.onnx_bench import chain, measure  # noqa: PLC0415 - needs PyTorch

    case = _case(request.param)
    samples, labels = case.load()
    images = chain.channels_first(samples)
    network, _ = measure.translated(case, images[:RANGES])
    if case.network.prune:
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d):
                prune.remove(prune.l1_unstructured(layer, "weight", amount=case.network.prune), "weight")
    folder: Path = tmp_path_factory.mktemp("exported")
    chain.export(network, images, folder / "float.onnx")
    chain.quantise(folder / "float.onnx", images[:RANGES], folder / "int8.onnx")
    ranges, rest = images[:RANGES], slice(RANGES, RANGES + 40)
    zeros = chain.zeros(network)
    return Exported(network, zeros, folder / "float.onnx", folder / "int8.onnx", ranges, images[rest], labels[rest])


def test_zeros_stay_zeros(exported: Exported) -> None:
    weights = [numpy_helper.to_array(tensor) for tensor in onnx.load(exported.quantised).graph.initializer]
    weights = [values for values in weights if values.dtype == np.int8 and values.ndim in (2, 4)]
    assert sum(int((w == 0).sum()) for w in weights) >= exported.zeros * sum(w.size for w in weights)
    assert weights


@pytest.mark.parametrize(
    ("form", "method"), [("float", AUTO), *(("int8", method) for method in METHODS if method != "none")]
)
def test_rewritten_by_any_method_it_computes_the_same(exported: Exported, form: str, method: str) -> None:
    from tools.onnx_bench.measure import rewritten  # noqa: PLC0415 - needs PyTorch

    model = exported.real if form == "float" else exported.quantised
    # Raises where ONNX Runtime's outputs differ.
    file = rewritten(model, method, exported.images[:COMPARED], exported.labels[:COMPARED])
    assert file.nbytes <= model.stat().st_size
    if exported.zeros > 0.5 and method == AUTO:
        assert file.nbytes < model.stat().st_size


def test_every_layer_is_within_one_step(exported: Exported) -> None:
    steps = steps_apart(onnx.load(exported.quantised), {"image": exported.images[:1]})
    assert max(steps.values()) <= 1, steps


def test_the_exporter_before_the_current_one_serves_as_well(exported: Exported, tmp_path: Path) -> None:
    from tools.onnx_bench import chain  # noqa: PLC0415 - needs PyTorch
    from tools.onnx_bench.measure import rewritten  # noqa: PLC0415

    chain.export(exported.network, exported.ranges, tmp_path / "older.onnx", dynamo=False)
    chain.quantise(tmp_path / "older.onnx", exported.ranges, tmp_path / "int8.onnx")
    older, current = (lower(onnx.load(path), "model") for path in (tmp_path / "int8.onnx", exported.quantised))
    assert operators(older) == operators(current)
    assert not {"TRANSPOSE", "PAD"} & {*operators(current)}
    # Raises where ONNX Runtime's outputs differ.
    rewritten(tmp_path / "int8.onnx", AUTO, exported.images[:COMPARED], exported.labels[:COMPARED])


def test_classes_and_accuracy_on_real_data_are_kept(exported: Exported) -> None:
    from tools.onnx_bench.measure import accuracy  # noqa: PLC0415 - needs PyTorch

    found = accuracy("", exported.quantised, exported.images, exported.labels)
    # Two of 40 samples, nearly equal logits.
    assert found.other <= 2
    assert found.top1[1] >= found.top1[0] - 0.05


def test_the_lines_of_the_readme_work(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch  # noqa: PLC0415 - not on every machine

    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    python = [line.strip() for line in lines if line.startswith(("    torch.onnx.export(", "    np.savez("))]
    assert len(python) == 2
    [command] = [line.split()[2:] for line in lines if line.startswith("    $ wpconvert net.onnx")]
    monkeypatch.chdir(tmp_path)
    images = torch.from_numpy(exported.ranges)
    exec("\n".join(python), {"torch": torch, "np": np, "network": exported.network, "images": images})
    assert run([*command, "--random", "1"]) == 0
    assert "verified: the outputs of the lowered model" in capsys.readouterr().out
    assert (tmp_path / "net.tflite").stat().st_size < (tmp_path / "net.onnx.data").stat().st_size


@pytest.mark.parametrize("board", ["corstone300", "mps2-m4"])
@pytest.mark.usefixtures("device")
def test_the_boards_give_the_bits_of_the_reference(exported: Exported, board: str) -> None:
    from tools.onnx_bench.measure import check_board  # noqa: PLC0415 - needs PyTorch

    dense = lower(onnx.load(exported.quantised), "model").data
    samples = samples_for(parse(dense), [[exported.images[:1]]])
    expected = ReferenceEngine().run(parse(dense), samples, lambda: None)
    for data in (dense, convert_bytes(dense, Settings(AUTO, Rules(rules=[]))).data):
        check_board(board, data, samples, expected)
