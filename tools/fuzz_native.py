"""Fuzz driver of the native engine: damaged models through runtime and kernels, built with sanitizers.

    python tools/fuzz_native.py --cases 5000 --seed 0
    python tools/fuzz_native.py --seed 0 --only 1234          one case again, with the sanitizer's report
    python tools/fuzz_native.py --bits 32                     with pointers of 32 bits, as on the boards

Every case takes a small model, damages it (bytes of the file, or a value, an index, a shape inside a sound flatbuffer)
and runs it in native/fuzz. Allowed are an error text and outputs; where there are outputs and the reference
interpreter gives some too, they have to be equal. A sanitizer's report, a crash, a hang, a broken promise (see
native/fuzz/main.cc) or other outputs are failures: the case is saved and the driver ends with exit code 1.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import WpconvertError
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.schema import DTYPES, TensorType
from wpconvert.graph.custom.operators import BUILTIN_NAMES
from wpconvert.reference.interpreter import Interpreter

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.codecs.mutations import mutated  # noqa: E402 - the root is not on the path of a script
from tests.native.chains import elements, moves  # noqa: E402
from tests.reference.test_malformed import network  # noqa: E402
from tests.support.low_bits import Levels, with_levels  # noqa: E402
from tests.tflite.harness import METHODS, forced  # noqa: E402
from tools.fuzz import Seed, TooSlow, damaged, damaged_inside, sound_models, time_limit  # noqa: E402
from tools.fuzz_cases import MAX_REPORTED, Tally, case_parser, chosen_cases  # noqa: E402

BUILD = ROOT / "build" / "fuzz-native"
BATCH = 500
CASE_SECONDS = 20
REFERENCE_SECONDS = 10
ARENAS = (1 << 20, 1 << 20, 1 << 18, 1 << 14, 3001)

_PAYLOADS = ("weight blob:", "requantisation table:")

_INTEGERS = (-(2**31), -7, -1, 0, 1, 2, 3, 4, 5, 8, 16, 17, 100, 255, 2**16, 2**29 - 1, 2**30, 2**31 - 1)
_FLOATS = (0.0, -1.0, float("nan"), float("inf"), 1e-38, 1e38, 1e-30, 3.0, 0.5)


@dataclass(frozen=True)
class Case:
    """A model to run, the arena it gets, and where it comes from."""

    number: int
    origin: str
    data: bytes
    arena_nbytes: int


def build(bits: int = 64) -> Path:
    """Configure and compile the fuzzing program; quick when nothing has changed. Returns its path.

    bits: of a pointer. With 32, as on the boards, offsets wrap where they would there; what is computed in floating
    point stays the same.
    """
    folder = BUILD if bits == 64 else BUILD.with_name(f"{BUILD.name}-{bits}")
    definitions = ["-DWPCONVERT_FUZZ=ON", "-DCMAKE_BUILD_TYPE="]
    if bits == 32:
        definitions += [f"-DCMAKE_{language}_FLAGS=-m32 -msse2 -mfpmath=sse" for language in ("C", "CXX")]
    for command in (
        ["cmake", "-S", str(ROOT / "native"), "-B", str(folder), "-G", "Ninja", *definitions],
        ["cmake", "--build", str(folder)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return folder / "fuzz_native"


# Damage


def seeds() -> list[Seed]:
    """Those of the other driver, and chains that have every operator, dense and rewritten."""
    chains = [Seed("network", network().to_bytes()), Seed("elements", elements()), Seed("moves", moves())]
    weighty = [chain for chain in chains if chain.name != "moves"]
    return [
        *sound_models(),
        *chains,
        *(Seed(f"{chain.name}-{method}", forced(chain.data, method)) for chain in weighty for method in METHODS),
        *(Seed(f"{chain.name}-packed", forced(with_levels(chain.data, Levels.TENSOR), "packed")) for chain in weighty),
    ]


def _mutate_tensor(graph: Any, _model: Any, rng: random.Random) -> None:
    tensor = rng.choice(graph.tensors)
    kind = rng.choice(("dim", "dim", "rank", "type", "scale", "zero point", "none", "count", "buffer"))
    if kind == "dim" and len(tensor.shape):
        shape = list(tensor.shape)
        shape[rng.randrange(len(shape))] = rng.choice(_INTEGERS)
        tensor.shape = shape
    elif kind == "rank":
        tensor.shape = [rng.randrange(10) for _ in range(rng.randrange(8))]
    elif kind == "type":
        tensor.type = rng.randrange(21)
    elif kind == "buffer":
        tensor.buffer = rng.choice(graph.tensors).buffer
    elif tensor.quantization is not None:
        if kind == "scale":
            tensor.quantization.scale = np.array([rng.choice(_FLOATS)], np.float32)
        elif kind == "zero point":
            tensor.quantization.zeroPoint = np.array([rng.choice(_INTEGERS)], np.int64)
        elif kind == "count":
            tensor.quantization.scale = np.ones(rng.randrange(8), np.float32)
            tensor.quantization.quantizedDimension = rng.choice(_INTEGERS)
        else:
            tensor.quantization = None


def _mutate_operator(graph: Any, model: Any, rng: random.Random) -> None:
    operator = rng.choice(graph.operators)
    kind = rng.choice(("field", "field", "field", "inputs", "outputs", "options", "code", "order"))
    fields = sorted(vars(operator.builtinOptions)) if operator.builtinOptions is not None else []
    if kind == "field" and fields:
        name = rng.choice(fields)
        old = getattr(operator.builtinOptions, name)
        new = rng.choice(_FLOATS if isinstance(old, float) else _INTEGERS)
        setattr(operator.builtinOptions, name, [new] if isinstance(old, (list, np.ndarray)) else new)
    elif kind in {"inputs", "outputs"}:
        indices = [int(index) for index in getattr(operator, kind)]
        position = rng.randrange(len(indices) + 1)
        more = [rng.randrange(-2, len(graph.tensors) + 1) for _ in range(rng.randrange(3))]
        indices[position : position + rng.randrange(2)] = more
        setattr(operator, kind, indices)
    elif kind == "options":
        other = rng.choice(graph.operators)
        operator.builtinOptions, operator.builtinOptionsType = other.builtinOptions, other.builtinOptionsType
    elif kind == "code":
        operator.opcodeIndex = rng.randrange(len(model.operatorCodes))
    elif kind == "order":
        rng.shuffle(graph.operators)


def _mutate_constant(graph: Any, model: Any, rng: random.Random) -> None:
    """Another value in an int32 parameter: axes, paddings, slices, biases."""
    constants = [t for t in graph.tensors if t.type == TensorType.INT32 and t.buffer]
    if constants:
        buffer = model.buffers[rng.choice(constants).buffer]
        values = np.frombuffer(bytes(buffer.data)[: len(buffer.data) // 4 * 4], np.int32).copy()
        if len(values):
            values[rng.randrange(len(values))] = rng.choice(_INTEGERS)
            buffer.data = values.view(np.uint8)


def _mutate_ends(graph: Any, _model: Any, rng: random.Random) -> None:
    """Inputs and outputs of the model."""
    name = rng.choice(("inputs", "outputs"))
    indices = [int(index) for index in getattr(graph, name)]
    indices.insert(rng.randrange(len(indices) + 1), rng.randrange(-1, len(graph.tensors) + 1))
    setattr(graph, name, indices[rng.randrange(2) :])


_Mutation = Callable[[Any, Any, random.Random], None]
_MUTATIONS: tuple[_Mutation, ...] = (
    _mutate_tensor,
    _mutate_tensor,
    _mutate_operator,
    _mutate_operator,
    _mutate_constant,
    _mutate_ends,
)


def damaged_structure(seed: Seed, rng: random.Random) -> bytes:
    """The model with one or two of its values changed, in a sound flatbuffer."""
    model = parse(seed.data)
    for _ in range(rng.choice((1, 1, 2))):
        rng.choice(_MUTATIONS)(model.root.subgraphs[0], model.root, rng)
    try:
        return serialise(model)
    except (WpconvertError, ValueError, TypeError, struct.error, OverflowError):
        # A value that no flatbuffer can hold.
        return damaged(seed.data, rng)


def extreme_operator(seed: Seed, rng: random.Random) -> bytes:
    """One operator of the model by itself, on tensors as large as the runtime takes, with parameters at their borders.

    No arena holds them: it is for what Prepare computes before it refuses.
    """
    model = parse(seed.data)
    graph = model.root.subgraphs[0]
    operator = rng.choice(graph.operators)
    graph.operators = [operator]
    read = [graph.tensors[i] for i in operator.inputs if i >= 0]
    graph.inputs = [int(i) for i in operator.inputs if i >= 0 and not len(_data(model, graph.tensors[i]))]
    graph.outputs = list(operator.outputs)
    activations = [graph.tensors[i] for i in [*graph.inputs, *graph.outputs]]
    shape = _extreme_shape(rng, len(activations[0].shape))
    for tensor in activations:
        if len(tensor.shape) == len(shape) and rng.random() < 0.7:
            tensor.shape = shape if rng.random() < 0.7 else _extreme_shape(rng, len(shape))
    borders = [*_INTEGERS, *(d + by for d in shape for by in (-1, 0, 0, 1)), *(-d for d in shape)]
    for tensor in read:
        data = _data(model, tensor)
        if tensor.type == TensorType.INT32 and len(data) and rng.random() < 0.8:
            values = np.frombuffer(bytes(data), np.int32).copy()
            values[:] = [rng.choice((value, *borders, *shape[:1])) for value in values.tolist()]
            model.root.buffers[tensor.buffer].data = values.view(np.uint8)
    options = operator.builtinOptions
    for name in sorted(vars(options)) if options is not None else []:
        if type(getattr(options, name)) is int and rng.random() < 0.3:
            setattr(options, name, rng.choice(borders))
    try:
        return serialise(model)
    except (WpconvertError, ValueError, TypeError, struct.error, OverflowError):
        return damaged(seed.data, rng)


def _data(model: Any, tensor: Any) -> Any:
    data = model.root.buffers[tensor.buffer].data
    return () if data is None else data


def _extreme_shape(rng: random.Random, rank: int) -> list[int]:
    """Dimensions with a product below 2^31, often just below."""
    left, shape = 2**31 - 17, []
    for _ in range(rank - 1):
        shape.append(rng.choice([d for d in (1, 1, 2, 3, 7, 255, 2**15, 2**16, 2**20) if d <= left]))
        left //= shape[-1]
    shape.append(max(1, left - rng.choice((0, 0, 1, 15))))
    rng.shuffle(shape)
    return shape[:rank]


def damaged_blob(seed: Seed, rng: random.Random) -> bytes:
    """The model with one of its weight blobs damaged, often so that it stays consistent."""
    model = parse(seed.data)
    graph = model.root.subgraphs[0]
    blobs = [graph.tensors[op.inputs[1]] for op in graph.operators if model.operator_name(op) in BUILTIN_NAMES]
    if not blobs:
        return damaged_structure(seed, rng)
    tensor = rng.choice(blobs)
    raw = np.asarray(model.root.buffers[tensor.buffer].data, np.uint8)
    changed = mutated(raw, np.random.default_rng(rng.getrandbits(32)))
    model.root.buffers[tensor.buffer].data = changed
    tensor.shape = [len(changed)]
    return serialise(model)


def make_case(sound: Sequence[Seed], seed: int, number: int) -> Case:
    """Case `number` of a run, the same whatever ran before it."""
    rng = random.Random(f"native/{seed}/{number}")
    start = rng.choices(sound, weights=[1 / (1 + len(s.data) / 8192) for s in sound])[0]
    kind = rng.random()
    if kind < 0.4:
        data = damaged_structure(start, rng)
    elif kind < 0.5:
        data = extreme_operator(start, rng)
    elif kind < 0.65:
        data = damaged_blob(start, rng)
    elif kind < 0.8:
        data = damaged_inside(start, rng)
    else:
        data = damaged(start.data, rng)
    return Case(number, start.name, data, rng.choice(ARENAS))


# Running


def run_batch(program: Path, cases: Sequence[Case], folder: Path) -> Iterator[tuple[Case, str, str]]:
    """(case, outcome, detail) of each: "ok" with a checksum, "refused" with the text, or a failure with its report."""
    folder.mkdir(parents=True, exist_ok=True)
    corpus = folder / f"corpus-{os.getpid()}"
    corpus.write_bytes(b"".join(struct.pack("<II", c.arena_nbytes, len(c.data)) + c.data for c in cases))
    first = 0
    try:
        while first < len(cases):
            command = [str(program), str(corpus), str(first), str(CASE_SECONDS)]
            limit = CASE_SECONDS * (len(cases) - first) + 60
            done = subprocess.run(command, capture_output=True, timeout=limit, check=False)
            lines = done.stdout.decode("utf-8", "replace").split("\n")[:-1]
            for line in lines:
                number, outcome, *detail = line.split(" ", 2)
                assert int(number) == first, line
                yield cases[first], outcome, detail[0] if detail else ""
                first += 1
            if not lines or lines[-1].split(" ")[1] in {"ok", "refused"}:
                if first < len(cases):
                    report = done.stderr.decode("utf-8", "replace")
                    yield cases[first], "crashed", f"exit code {done.returncode}\n{report[-6000:]}"
                first += 1
    finally:
        corpus.unlink()


def _inputs_nbytes(first: int, nbytes: int) -> NDArray[np.uint8]:
    """The bytes that native/fuzz puts into the inputs."""
    counts = np.arange(first + 1, first + nbytes + 1, dtype=np.uint64)
    return ((counts * 2654435761 & 0xFFFFFFFF) >> 13).astype(np.uint8)


def reference_verdict(data: bytes) -> tuple[str, str]:
    """What native/fuzz should say of a case: ("ok", checksum), ("refused", reason), or ("unknown", reason)."""
    try:
        model = parse(data)
    except WpconvertError as error:
        # The Python reader checks the whole file, the runtime only what it uses.
        return "unknown", str(error)
    try:
        interpreter = Interpreter(read_graph(model))
        graph = model.root.subgraphs[0]
        inputs, at = [], 0
        for index in graph.inputs:
            tensor = graph.tensors[index]
            shape, dtype = tuple(int(d) for d in tensor.shape), DTYPES[tensor.type]
            if dtype.kind == "f" or dtype == np.bool_:
                return "unknown", "random bytes make numbers that floats treat in more than one way"
            nbytes = int(np.prod(shape)) * dtype.itemsize
            inputs.append(_inputs_nbytes(at, nbytes).view(dtype).reshape(shape))
            at += nbytes
        with time_limit(REFERENCE_SECONDS):
            outputs = interpreter.run(inputs)
    except WpconvertError as error:
        return "refused", str(error)
    except (MemoryError, TooSlow):
        return "unknown", "too much work for the reference interpreter"
    value = 2166136261
    for byte in b"".join(output.tobytes() for output in outputs):
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return "ok", f"{value:08x}"


def judge(case: Case, outcome: str, detail: str) -> tuple[str, str | None]:
    """The outcome for the tally, and a text if the case failed."""
    if outcome == "refused":
        return ("refused", None) if detail.strip() else ("failed", "refused without a reason")
    if outcome != "ok":
        return outcome, f"{outcome}: {detail}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        verdict, expected = reference_verdict(case.data)
    if verdict == "unknown":
        return "ran, not compared", None
    if verdict == "refused":
        # The two support different things, but a malformed payload has one definition: docs/FORMAT.md.
        if any(payload in expected for payload in _PAYLOADS):
            return "ran though malformed", f"the reference interpreter refuses it: {expected}"
        return "ran, refused by the reference", None
    if expected != detail:
        return "differs", "the outputs differ from the reference interpreter's"
    return "ran, equal to the reference", None


def fuzz(seed: int, numbers: Sequence[int], folder: Path, program: Path) -> Tally:
    """Run cases; failures are saved in `folder`."""
    sound, tally = seeds(), Tally()
    for start in range(0, len(numbers), BATCH):
        cases = [make_case(sound, seed, number) for number in numbers[start : start + BATCH]]
        for case, outcome, detail in run_batch(program, cases, folder):
            name, failure = judge(case, outcome, detail)
            tally.outcomes[name] += 1
            if failure is not None:
                path = folder / f"native-{seed}-{case.number}.tflite"
                path.write_bytes(case.data)
                again = f"python tools/fuzz_native.py --seed {seed} --only {case.number}"
                where = f"case {case.number} from {case.origin}, arena {case.arena_nbytes}, saved as {path}"
                tally.failures.append(f"{where}; again: {again}\n{failure}")
        if len(tally.failures) >= MAX_REPORTED:
            break
    return tally


def can_build(bits: int) -> bool:
    """Whether the compiler links programs with pointers of so many bits (32: Debian's g++-multilib)."""
    command = ["g++", f"-m{bits}", "-fsanitize=address", "-x", "c++", "-", "-o", os.devnull]
    return subprocess.run(command, input=b"int main() {}", capture_output=True, check=False).returncode == 0


def main(arguments: list[str] | None = None) -> int:
    """Entry point; 1 when a case failed."""
    parser = case_parser(__doc__, 5000)
    parser.add_argument("--bits", type=int, choices=(32, 64), default=64, help="of a pointer, in the program")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "fuzz", help="where failures are saved")
    chosen = parser.parse_args(arguments)
    program = build(chosen.bits)
    begin = time.monotonic()
    numbers, _ = chosen_cases(chosen)
    tally = fuzz(chosen.seed, numbers, chosen.folder, program)
    return tally.report(begin)


if __name__ == "__main__":
    sys.exit(main())
