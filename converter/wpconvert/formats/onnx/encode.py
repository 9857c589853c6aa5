"""Encode weights, each on its own: in this process, or on all cores when there is much to do."""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper
from threadpoolctl import threadpool_limits

from wpconvert.errors import ModelError
from wpconvert.formats.onnx.data import Data, Span, load
from wpconvert.formats.onnx.decode import BY_OP_TYPE, DECODERS, Encoded, Settings
from wpconvert.formats.onnx.tensors import raw_of, values_of
from wpconvert.model.changed import Changed
from wpconvert.model.noise import snr_of
from wpconvert.model.reasons import below_threshold, cannot_hold
from wpconvert.transforms.registry import TRANSFORMS

POOL_FROM_NBYTES = 1 << 26
"""Less than this many bytes of weights are encoded before other processes would have started."""


@dataclass(frozen=True)
class Job:
    """What is to be tried on one weight: its bytes, type and shape, and the methods. opset: of the model."""

    data: Data
    data_type: int
    shape: tuple[int, ...]
    methods: tuple[str, ...]
    opset: int
    threshold: float
    settings: Settings


@dataclass(frozen=True)
class Part:
    """One compressed tensor of a weight: the end of its name, type and shape."""

    suffix: str
    data_type: int
    shape: tuple[int, ...]
    nbytes: int


@dataclass(frozen=True)
class Form:
    """A weight as one method stores it. op_type: of the node that decodes it.

    sha256: of the dense bytes that it decodes to, snr_db: how far they are from the weight's, where they are others.
    """

    op_type: str
    parts: tuple[Part, ...]
    sha256: str | None = None
    snr_db: float | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all parts."""
        return sum(part.nbytes for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class EncodedForm(Form):
    """A form with the data of its parts."""

    data: tuple[Data, ...]

    def without_data(self) -> Form:
        """The form alone."""
        return Form(self.op_type, self.parts, self.sha256, self.snr_db)


@dataclass(frozen=True)
class Measured:
    """What became of a job. sparsity: share of zeros, also −0.0. forms: by method; reasons: of the others.

    The form with the fewest bytes is held.
    """

    sparsity: float
    sha256: str
    forms: dict[str, Form]
    reasons: dict[str, str]


def changed_of(method: str, form: Form) -> Changed | None:
    """What a method that is a transform has made of a weight that is stored so."""
    if method not in TRANSFORMS:
        return None
    sizes = {part.suffix: math.prod(part.shape) for part in form.parts}
    return Changed(method, snr_db=form.snr_db, details=DECODERS[method].details(sizes))


def encode_all(jobs: Sequence[Job], spool: Path, processes: int | None = None) -> Iterator[Measured]:
    """Do all jobs, in order. Where there is much to do, on `processes` cores (by default all), and data goes to files.

    spool: a folder for these files.
    """
    total = sum(job.data.nbytes for job in jobs)
    if total < POOL_FROM_NBYTES:
        yield from (encode(job, None) for job in jobs)
        return
    count = min(len(jobs), processes or len(os.sched_getaffinity(0)))
    if count == 1:
        yield from (_spooled(job, spool) for job in jobs)
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(count, context, _begin) as executor:
        waiting = []
        try:
            # Results wait for a tensor at a time, so that inline data is not copied all at once.
            for job in jobs:
                waiting.append(executor.submit(_spooled, job, spool))
                if len(waiting) > 2 * count:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        except BrokenProcessPool as error:
            # What ends a process from outside is, as a rule, a system short of memory.
            raise MemoryError from error
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise


def _begin() -> None:
    """One core for each process, and no life after that of the one that wants its results."""
    threadpool_limits(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _spooled(job: Job, spool: Path) -> Measured:
    # Each process has its own file.
    return encode(job, spool / f"{os.getpid()}.spool")


def encode(job: Job, spool: Path | None) -> Measured:
    """Try the methods of a job on its weight. With `spool`, data is appended to that file."""
    raw = load(job.data)
    values = values_of(job.data_type, job.shape, raw)
    sparsity = 1 - _nonzeros(values) / values.size
    forms: dict[str, Form] = {}
    reasons: dict[str, str] = {}
    if sparsity < job.threshold:
        reasons = dict.fromkeys(job.methods, below_threshold(sparsity, job.threshold))
        return Measured(sparsity, "", forms, reasons)
    best: tuple[str, EncodedForm] | None = None
    for method in job.methods:
        try:
            encoded = DECODERS[method].fitted(values, job.settings)
        except ModelError as error:
            reasons[method] = cannot_hold(method, error)
            continue
        least = BY_OP_TYPE[encoded.op_type].since_opset
        if job.opset < least:
            reasons[method] = (
                f"{method} needs opset {least} or newer, the model has {job.opset}; "
                "convert it with onnx.version_converter.convert_version"
            )
            continue
        form = _held(method, encoded, values, job.data_type)
        forms[method] = form.without_data()
        if best is None or form.nbytes < best[1].nbytes:
            best = method, form
    if best is not None:
        forms[best[0]] = best[1] if spool is None else _in_file(best[1], spool)
    return Measured(sparsity, hashlib.sha256(raw.data).hexdigest(), forms, reasons)


def encode_as(method: str, job: Job, spool: Path) -> EncodedForm:
    """The form that a method gave, once more, with its data appended to a file."""
    values = values_of(job.data_type, job.shape, load(job.data))
    return _in_file(_held(method, DECODERS[method].fitted(values, job.settings), values, job.data_type), spool)


def _held(method: str, encoded: Encoded, values: NDArray[Any], data_type: int) -> EncodedForm:
    parts, data = zip(*(_part(suffix, array) for suffix, array in encoded.inputs), strict=True)
    form = EncodedForm(encoded.op_type, parts, data=data)
    if method not in TRANSFORMS:
        return form
    decoded = BY_OP_TYPE[encoded.op_type].decode([array for _, array in encoded.inputs])
    return _with_loss(form, values, data_type, decoded)


def _nonzeros(values: NDArray[Any]) -> int:
    """Elements that are no zeros, of either sign."""
    return int(np.count_nonzero(values))


def _part(suffix: str, array: NDArray[Any]) -> tuple[Part, NDArray[np.uint8]]:
    """A tensor and its data."""
    data_type = helper.np_dtype_to_tensor_dtype(array.dtype)
    raw = raw_of(array, data_type)
    return Part(suffix, data_type, array.shape, raw.nbytes), raw


def _in_file(form: EncodedForm, spool: Path) -> EncodedForm:
    """The form with its data at the end of a file."""
    spans = []
    with spool.open("ab") as file:
        for data in form.data:
            raw = load(data)
            spans.append(Span(spool, file.tell(), raw.nbytes))
            file.write(raw.data)
    return replace(form, data=tuple(spans))


def _with_loss(form: EncodedForm, values: NDArray[Any], data_type: int, decoded: NDArray[Any]) -> EncodedForm:
    """The form with what it has changed, where it has."""
    raw = raw_of(decoded, data_type)
    if raw.tobytes() == raw_of(values, data_type).tobytes():
        return form
    return replace(form, sha256=hashlib.sha256(raw.data).hexdigest(), snr_db=snr_of(values, decoded))
