"""The way of a case through the tool, and everything that has to hold on it."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

from tests.onnx.harness import Array, content, size
from tests.onnx.sweep.build import model_of_case
from tests.onnx.sweep.cases import METHODS, Case
from tests.onnx.sweep.store import store
from wpconvert.engines.base import Advance
from wpconvert.engines.inputs import Inputs
from wpconvert.formats.onnx import forms
from wpconvert.formats.onnx.file import read
from wpconvert.formats.onnx.files import Target
from wpconvert.formats.onnx.inspect import inspect_onnx
from wpconvert.formats.onnx.restore import restore
from wpconvert.formats.onnx.source import OnnxSource
from wpconvert.formats.onnx_graphs import every_tensor
from wpconvert.graph.types import Sample
from wpconvert.job.convert import Converted, convert_to
from wpconvert.job.verify import verdict
from wpconvert.model.rules import Rules
from wpconvert.model.settings import Settings
from wpconvert.report.export import to_json

_LEVELS = (onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)


class BrokenPromise(Exception):
    """A result that the tool must not give."""


def promise(holds: bool, what: str) -> None:
    if not holds:
        raise BrokenPromise(what)


class _Here:
    """ONNX Runtime in this process: a worker takes a second to start."""

    def __init__(self, optimised: bool = True) -> None:
        self.optimised = optimised
        self.name = "ONNX Runtime" if optimised else "plain ONNX Runtime"

    def run(self, model: Path, samples: list[Sample], advance: Advance) -> list[Sample]:
        session = _session(model, _LEVELS[self.optimised])
        names = [port.name for port in session.get_inputs()]
        results = [session.run(None, dict(zip(names, sample, strict=True))) for sample in samples]
        for _ in samples:
            advance()
        return [list(result) for result in results]


def _session(path: Path, level: onnxruntime.GraphOptimizationLevel) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = level
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _inputs(case: Case, seed: int) -> dict[str, Array]:
    return {"x": np.random.default_rng(seed).normal(size=(1, case.rows)).astype(np.float32)}


def _reference(path: Path, feeds: dict[str, Array]) -> list[Array]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # The evaluator's own.
        warnings.simplefilter("ignore")
        return [np.asarray(output) for output in ReferenceEvaluator(str(path)).run(None, feeds)]


def _works(action: Any, *arguments: Any) -> str | None:
    """None, or why an oracle does not take the original."""
    try:
        action(*arguments)
    except Exception as error:
        return type(error).__name__
    return None


def _checked(path: Path) -> None:
    onnx.checker.check_model(str(path), full_check=True)
    onnx.shape_inference.infer_shapes_path(str(path), str(path.with_name("inferred")), strict_mode=True)


def _same(ours: list[Array], theirs: list[Array], what: str) -> None:
    pairs = zip(ours, theirs, strict=True)
    promise(all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs), what)


def _near(ours: list[Array], theirs: list[Array], what: str) -> None:
    with np.errstate(all="ignore"):
        pairs = zip(ours, theirs, strict=True)
        wide = [(a.astype(np.float64), b.astype(np.float64)) for a, b in pairs]
        promise(all(np.allclose(a, b, 1e-4, 1e-4, equal_nan=True) for a, b in wide), what)


def _oracles(case: Case, source: Path, dense: Path, rewritten: Path, tally: Counter[str]) -> None:
    """Checker, inference, ONNX Runtime and the reference evaluator say of both models the same, if anything.

    dense: what the rewritten model has to compute; with a lossless method the source.
    """
    why = _works(_checked, source)
    tally[f"checker: {why}"] += 1
    if why is None:
        _checked(rewritten)
    feeds = _inputs(case, 1)
    for engine in (_Here(), _Here(False)):
        why = _works(engine.run, source, [list(feeds.values())], lambda: None)
        tally[f"{engine.name}: {why}"] += 1
        if why is not None:
            continue
        for seed in (1, 2):
            sample = [list(_inputs(case, seed).values())]
            before, after = (engine.run(path, sample, lambda: None)[0] for path in (dense, rewritten))
            # Without optimisations, it sums products with computed weights in another order than with constant ones.
            compare = _same if engine.optimised else _near
            compare(before, after, f"{engine.name} computes other values")
        if engine.optimised:
            with mock.patch.object(forms, "ONNX_ENGINE", engine):
                both = forms.OnnxForms(read(source), read(rewritten))
                verification = verdict(both, Inputs([list(feeds.values())], None, ()))
            promise(verification.passed, f"not verified: {verification}")
            promise(verification.lossy == (source != dense), f"lossy: {verification}")
    why = _works(_reference, source, feeds)
    tally[f"reference: {why}"] += 1
    if why is None:
        ours, theirs = _reference(rewritten, feeds), _reference(dense, feeds)
        if case.method == "pool":
            # Its weights are in another order in memory, so that NumPy may sum in another order.
            _near(ours, theirs, "the reference evaluator computes other values")
        else:
            _same(ours, theirs, "the reference evaluator computes other values")


def _kept(before: ModelProto, after: ModelProto) -> None:
    """Whatever has nothing to do with weights is as it was."""
    for name in ("producer_name", "producer_version", "domain", "model_version", "doc_string", "training_info"):
        promise(getattr(before, name) == getattr(after, name), f"another {name}")
    promise(before.graph.output == after.graph.output, "other outputs")
    promise(before.graph.quantization_annotation == after.graph.quantization_annotation, "other annotations")
    promise(all(f in after.functions for f in before.functions), "a function is gone")
    promise(all(e in after.metadata_props for e in before.metadata_props), "metadata is gone")
    promise(all(n in after.graph.node for n in before.graph.node if not _may_change(n)), "a node is gone")
    initializers = {tensor.name for tensor in after.graph.initializer}
    trained = {entry.key for training in after.training_info for entry in training.update_binding}
    promise(trained <= initializers, "what training changes is no initializer any more")
    promise(after.ir_version >= before.ir_version, "an older IR version")


def _may_change(node: onnx.NodeProto) -> bool:
    return any(attribute.HasField("g") or attribute.HasField("t") for attribute in node.attribute)


def _converted_again(first: Target, dense: Target, lossy: bool, method: str) -> None:
    """A rewritten model takes another method without becoming larger or another model."""
    second = Target.next_to(first.model.parent / "again" / first.model.name)
    second.model.parent.mkdir()
    report = convert_to(
        OnnxSource(read(first.model)), Settings(method, Rules(rules=[]), options={"pool_size": 7}), second.model
    ).report
    before, after = (sum(path.stat().st_size for path in target.files) for target in (first, second))
    promise(after == report.nbytes_after <= before, f"converted again, {before} bytes became {after}")
    if method != "pool":
        third = Target.next_to(second.model.parent / "dense.onnx")
        promise(bool(restore(read(second.model), third)) == lossy, "converted again, its losses are others")
        promise(content(third.model) == content(dense.model), "converted again, another model is restored")


def roundtrip(case: Case, folder: Path, tally: Counter[str]) -> Converted:
    """Convert the model of a case, and check all that the tool promises. Counts what the oracles could check."""
    source = store(model_of_case(case), case, folder)
    wanted = content(source)
    target = Target.next_to(folder / "new" / "out.onnx")
    target.model.parent.mkdir()
    settings = Settings(case.method, Rules(rules=[]), options={"pool_size": 7})
    done = convert_to(OnnxSource(read(source)), settings, target.model)
    report = done.report
    to_json(report)
    before, after = size(source), sum(path.stat().st_size for path in target.files)
    promise(after == report.nbytes_after, f"{report.nbytes_after} bytes reported, {after} written")
    # A copy says of each external tensor anew where its data is.
    renamed = 64 * sum(t.data_location == onnx.TensorProto.EXTERNAL for t in every_tensor(read(source).proto))
    promise(after <= before + (0 if done.changed else renamed), f"{before} bytes became {after}")
    promise(all(t.nbytes_after <= t.nbytes_before for t in report.tensors), "a tensor grew")
    silent = [tensor.name for tensor in report.tensors if tensor.method == "none" and not tensor.reason]
    promise(not silent, f"no reason for {silent}")
    tally["changed" if done.changed else "unchanged"] += 1
    to_json(inspect_onnx(read(target.model)))
    dense = Target.next_to(folder / "dense" / "dense.onnx")
    dense.model.parent.mkdir()
    losses = restore(read(target.model), dense)
    lossy = any(tensor.snr_db is not None for tensor in report.tensors if tensor.method != "none")
    promise(lossy == bool(losses), f"losses {losses}")
    promise(lossy or content(dense.model) == wanted, "restored another model")
    if case.seed % 3 == 0:
        _converted_again(target, dense, lossy, METHODS[case.seed % len(METHODS)])
    _kept(onnx.load(source), onnx.load(target.model))
    _oracles(case, source, dense.model if lossy else source, target.model, tally)
    return done
