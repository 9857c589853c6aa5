"""Fuzz driver: damaged models must end in a clean error or a valid result.

    python tools/fuzz.py --cases 2000 --seed 0
    python tools/fuzz.py --minutes 30 --seed 7
    python tools/fuzz.py --seed 0 --only 1234          one case again, with its traceback

Every case takes a small model, damages it (the file, or a blob, table, options or metadata entry inside a rewritten
one) and sends it through parse, inspect, convert, restore and verify. Allowed are success, with everything the tool
promises of it, and WpconvertError. A traceback, a broken promise, a hang or hunger for memory is a failure: the case is
saved and the driver ends with exit code 1. LiteRT never runs here: native code need not survive what we feed it.
"""

from __future__ import annotations

import io
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from wpconvert.codecs import STANDALONE
from wpconvert.engines.inputs import random_inputs
from wpconvert.engines.reference import ReferenceEngine
from wpconvert.errors import WpconvertError
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.forms import TfliteForms
from wpconvert.formats.tflite.inspect import inspect_model
from wpconvert.formats.tflite.metadata import RESTORE_NAME
from wpconvert.formats.tflite.model import TfliteModel, text
from wpconvert.formats.tflite.restore import is_rewritten, restore
from wpconvert.graph.custom.operators import BUILTIN_NAMES
from wpconvert.job.convert import convert_bytes
from wpconvert.job.verify import verdict
from wpconvert.methods import METHODS
from wpconvert.model.changed import Values
from wpconvert.model.rules import AUTO, Rules
from wpconvert.model.settings import Settings
from wpconvert.report.export import to_json
from wpconvert.report.inspection_text import print_inspection
from wpconvert.report.text import print_conversion

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.models import ModelBuilder  # noqa: E402 - the repository's root is not on the path of a script
from tools.fuzz_cases import MAX_REPORTED, Tally, add_minutes, case_parser, chosen_cases  # noqa: E402

CASE_SECONDS = 10
MEMORY_NBYTES = 6 << 30
CHOICES = (AUTO, *METHODS)
"""Methods to draw from, the default more often."""
POOLS: tuple[Values, ...] = (
    {"pool_size": 5, "act_bits": 3, "lut_bits": 4},
    {"pool_size": 33, "act_bits": 6},
    {"pool_size": 4, "lut": "flash"},
)


class BrokenPromise(Exception):
    """A result that the tool must not give."""


class TooSlow(BaseException):
    """The time limit of a case; no `except Exception` swallows it."""


@dataclass(frozen=True)
class Seed:
    """A sound model to start from."""

    name: str
    data: bytes


# Sound models


def _sparse(generator: np.random.Generator, shape: tuple[int, ...], zeros: float) -> NDArray[np.int8]:
    values = generator.integers(-127, 128, shape, dtype=np.int8)
    return np.where(generator.random(shape) < zeros, 0, values).astype(np.int8)


def convolutions() -> bytes:
    """Grouped, dilated and depthwise convolutions and a classifier, with foreign metadata and a description."""
    generator = np.random.default_rng(1)
    b = ModelBuilder("fuzz")
    x = b.input((1, 5, 5, 8), 0.5, -3)
    scales = generator.uniform(0.01, 0.02, 32)
    y = b.conv2d(
        x, _sparse(generator, (32, 3, 3, 4), 0.9), range(32), scale=0.4, weight_scales=scales, activation="RELU"
    )
    y = b.depthwise(y, _sparse(generator, (1, 3, 3, 32), 0.8), None, scale=0.3, stride=(2, 2), dilation=(1, 1))
    y = b.reshape(y, (1, 9 * 32))
    y = b.fully_connected(y, _sparse(generator, (10, 288), 0.95), range(10), scale=0.2, weight_scales=0.01)
    b.output(y)
    b.metadata("foreign", b"anything")
    return b.to_bytes()


def shared_weights() -> bytes:
    """One weight read by two operators, and two tensors on one buffer."""
    generator = np.random.default_rng(2)
    b = ModelBuilder()
    x = b.input((1, 64), 0.5, 1)
    weights = b.constant(_sparse(generator, (64, 64), 0.95), 0.02, 0)
    y = b.fully_connected(x, weights, range(64), scale=0.4)
    y = b.fully_connected(y, weights, scale=0.3, zero_point=2)
    alias = b.tensor((64, 64), "int8", 0.03, buffer=b.graph.tensors[weights].buffer)
    b.output(b.fully_connected(y, alias, keep_dims=True))
    return b.to_bytes()


def poolable() -> bytes:
    """Convolutions after a first one, large enough for a pool to pay."""
    generator = np.random.default_rng(3)
    b = ModelBuilder("poolable")
    x = b.input((1, 5, 4, 8), 0.5, 7)
    y = b.conv2d(x, _sparse(generator, (20, 1, 1, 8), 0.0), range(20), scale=0.4, weight_scales=0.01)
    y = b.conv2d(y, _sparse(generator, (24, 3, 3, 20), 0.0), range(24), scale=0.4, stride=(2, 1), weight_scales=0.01)
    b.output(b.conv2d(y, _sparse(generator, (32, 1, 1, 24), 0.0), None, scale=0.4, weight_scales=0.01))
    return b.to_bytes()


def sound_models() -> list[Seed]:
    """Generated models and the smallest shipped one, each dense and rewritten by every method, stripped too."""
    dense = [Seed("convolutions", convolutions()), Seed("shared", shared_weights()), Seed("poolable", poolable())]
    dense += [Seed(path.stem, path.read_bytes()) for path in sorted((ROOT / "models" / "zoo").glob("*ds_cnn.tflite"))]
    seeds = list(dense)
    for seed in dense:
        for method, strip in [*((m, False) for m in (AUTO, *STANDALONE)), ("dcsr", True), ("rle", True)]:
            data = convert_bytes(seed.data, Settings(method, Rules(rules=[]), 0.0, strip)).data
            seeds.append(Seed(f"{seed.name}-{method}{'-strip' if strip else ''}", data))
    for seed in dense[2:]:
        for pool in POOLS:
            data = convert_bytes(seed.data, Settings("pool", Rules(rules=[]), options=pool)).data
            seeds.append(Seed(f"{seed.name}-pool{pool['pool_size']}", data))
    return seeds


# Damage


def _flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _overwrite_byte(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 3))):
        data[rng.randrange(len(data))] = rng.choice((0, 1, 2, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _overwrite_word(data: bytearray, rng: random.Random) -> None:
    width = rng.choice((2, 4, 8))
    special = (0, 1, -1, 1 << (8 * width - 1), (1 << (8 * width - 1)) - 1, len(data), rng.getrandbits(8 * width))
    value = (rng.choice(special) + rng.choice((0, 0, 1, -1))) % (1 << (8 * width))
    at = rng.randrange(0, max(1, len(data) - width + 1), rng.choice((1, 4)))
    data[at : at + width] = value.to_bytes(width, "little")


def _truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _splice(data: bytearray, rng: random.Random) -> None:
    """Copy a piece over, into or out of another place."""
    size = rng.randrange(1, 64)
    source, target = rng.randrange(len(data)), rng.randrange(len(data))
    piece = bytes(data[source : source + size])
    data[target : target + rng.choice((0, len(piece), size))] = rng.choice((piece, b""))


def _swap(data: bytearray, rng: random.Random) -> None:
    size = rng.choice((1, 4, 16, 64))
    a, b = (rng.randrange(max(1, len(data) - size)) for _ in range(2))
    if abs(a - b) >= size:
        data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]


_DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip_bits,
    _overwrite_byte,
    _overwrite_word,
    _overwrite_word,
    _truncate,
    _splice,
    _swap,
)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """A copy with one kind of damage, or a few."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2))):
        if changed:
            rng.choice(_DAMAGES)(changed, rng)
    return bytes(changed)


def damaged_inside(seed: Seed, rng: random.Random) -> bytes:
    """The model written again with one of its payloads damaged: the flatbuffer around it stays sound."""
    model = parse(seed.data)
    payloads = list(_payloads(model))
    if not payloads:
        return damaged(seed.data, rng)
    # The few entries of metadata as often as the many blobs and tables.
    kind = rng.choice(sorted({kind for kind, _, _ in payloads}))
    _, raw, replace = rng.choice([payload for payload in payloads if payload[0] == kind])
    if kind == "restore" and rng.random() < 0.8:
        replace(zlib.compress(damaged(zlib.decompress(raw), rng)))
    else:
        replace(damaged(raw, rng))
    return serialise(model)


def _payloads(model: TfliteModel) -> Iterator[tuple[str, bytes, Callable[[bytes], None]]]:
    """Kind, bytes and setter of every blob, table, options and metadata entry of ours."""
    for graph in model.root.subgraphs:
        for operator in graph.operators:
            if model.operator_name(operator) in BUILTIN_NAMES:
                yield "options", bytes(operator.customOptions), _options_setter(operator)
                for kind, slot in (("blob", 1), ("table", 2), ("pool", 3))[: len(operator.inputs) - 1]:
                    tensor = graph.tensors[operator.inputs[slot]]
                    yield kind, bytes(model.root.buffers[tensor.buffer].data), _buffer_setter(model, tensor)
    for entry in model.root.metadata or []:
        name = text(entry.name)
        if name.startswith("wpconvert"):
            kind = "restore" if name == RESTORE_NAME else "metadata"
            yield kind, bytes(model.root.buffers[entry.buffer].data), _buffer_setter(model, entry)


def _options_setter(operator: Any) -> Callable[[bytes], None]:
    def put(content: bytes) -> None:
        operator.customOptions = np.frombuffer(content, np.uint8)

    return put


def _buffer_setter(model: TfliteModel, owner: Any) -> Callable[[bytes], None]:
    def put(content: bytes) -> None:
        model.root.buffers[owner.buffer].data = np.frombuffer(content, np.uint8)
        if hasattr(owner, "shape"):
            owner.shape = np.array([len(content)], np.int32)

    return put


# The way of one model through the tool


def _promise(holds: bool, what: str) -> None:
    if not holds:
        raise BrokenPromise(what)


def _written(model: TfliteModel, what: str) -> TfliteModel:
    """Write a model and read it again: what we write, we must accept."""
    try:
        return parse(serialise(model))
    except WpconvertError as error:
        raise BrokenPromise(f"{what} is not a valid file: {error}") from error


def _inspected(data: bytes) -> None:
    inspection = inspect_model("model.tflite", data, parse(data))
    to_json(inspection).encode()
    console = Console(file=io.TextIOWrapper(io.BytesIO(), "utf-8"), width=120)
    print_inspection(console, inspection)


def _restored(data: bytes) -> None:
    model = parse(data)
    restore(model)
    dense = _written(model, "the restored model")
    _promise(not is_rewritten(dense), "a restored model still has rewritten operators")


def exercise(data: bytes, rng: random.Random) -> None:
    """Send one model through the tool. Raises WpconvertError for bad input, BrokenPromise for a bad result."""
    original = parse(data)
    errors = []
    for step in (_inspected, _restored):
        try:
            step(data)
        except WpconvertError as error:
            errors.append(error)
    settings = Settings(
        rng.choice(CHOICES),
        Rules(rules=[]),
        rng.choice((0.0, 0.0, 0.5)),
        rng.random() < 0.4,
        options=rng.choice((*POOLS, {})),
    )
    converted = convert_bytes(data, settings)
    report = converted.report
    to_json(report).encode()
    print_conversion(Console(file=io.TextIOWrapper(io.BytesIO(), "utf-8"), width=120), report, rng.random() < 0.5)
    _promise(len(converted.data) <= len(data), f"{len(data)} bytes became {len(converted.data)}")
    silent = [tensor.key for tensor in report.tensors if tensor.method == "none" and not tensor.reason]
    _promise(not silent, f"no reason for tensors {silent}")
    rewritten = _written(parse(converted.data), "the rewritten model")
    copy = _written(rewritten, "a copy of the rewritten model")
    restore(copy)
    _written(copy, "the model restored after rewriting")
    engine = ReferenceEngine()
    if engine.unsupported(original):
        return
    problems = engine.unsupported(rewritten)
    _promise(not problems, f"the original runs, the rewritten model does not: {problems}")
    verification = verdict(TfliteForms(original, rewritten), random_inputs(original, 1, 0), engine)
    _promise(verification.passed, f"not verified: {verification}")
    if errors:
        raise errors[0]


# The driver


def make_case(seeds: list[Seed], seed: int, number: int) -> tuple[Seed, bytes, random.Random]:
    """Case `number` of a run, the same whatever ran before it."""
    rng = random.Random(f"{seed}/{number}")
    # The larger models cost more time than they find.
    start = rng.choices(seeds, weights=[1 / (1 + len(s.data) / 8192) for s in seeds])[0]
    return start, damaged_inside(start, rng) if rng.random() < 0.5 else damaged(start.data, rng), rng


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """TooSlow when the block takes longer."""

    def expire(_signal: int, _frame: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def memory_limit(nbytes: int) -> Iterator[None]:
    """MemoryError for whoever wants more address space."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (nbytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def run_case(data: bytes, rng: random.Random) -> tuple[str, str | None]:
    """The outcome of one case in a word, and the traceback if it is a failure."""
    try:
        # A warning would stand on standard error beside, or instead of, the one line.
        with time_limit(CASE_SECONDS), warnings.catch_warnings():
            warnings.simplefilter("error")
            exercise(data, rng)
    except WpconvertError as error:
        if len(str(error).splitlines()) > 1:
            return "failure", f"a message of several lines: {error}"
        return type(error).__name__, None
    except TooSlow:
        return "failure", f"not done after {CASE_SECONDS} s: {traceback.format_exc()}"
    except Exception:
        return "failure", traceback.format_exc()
    return "success", None


def run_cases(seed: int, numbers: Iterator[int], deadline: float, folder: Path) -> Tally:
    """Run cases until the numbers or the time end; failures are saved in `folder`."""
    seeds = sound_models()
    tally = Tally()
    with memory_limit(MEMORY_NBYTES):
        for number in numbers:
            start, data, rng = make_case(seeds, seed, number)
            outcome, failure = run_case(data, rng)
            tally.outcomes[outcome] += 1
            if failure is not None:
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / f"case-{seed}-{number}.tflite"
                path.write_bytes(data)
                again = f"python tools/fuzz.py --seed {seed} --only {number}"
                tally.failures.append(f"case {number} from {start.name}, saved as {path}; again: {again}\n{failure}")
            if len(tally.failures) >= MAX_REPORTED or time.monotonic() > deadline:
                break
    return tally


def main(arguments: list[str] | None = None) -> int:
    """Entry point; 1 when a case failed."""
    parser = case_parser(__doc__, 2000)
    add_minutes(parser)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "wpconvert-fuzz")
    options = parser.parse_args(arguments)
    begin = time.monotonic()
    numbers, deadline = chosen_cases(options, options.minutes)
    tally = run_cases(options.seed, iter(numbers), deadline, options.folder)
    return tally.report(begin)


if __name__ == "__main__":
    sys.exit(main())
