"""Fuzz driver for .onnx models: random sound ones keep every promise, damaged ones end in a clean error.

    python tools/fuzz_onnx.py --cases 2000 --seed 0
    python tools/fuzz_onnx.py --minutes 30 --seed 7
    python tools/fuzz_onnx.py --seed 0 --only 1234     one case again, with its traceback

Half of the cases are sound models, of random types, places, storages, operator sets and IR versions: converted, they
pass the checker, shape inference, ONNX Runtime, the reference evaluator, verification and restoring. The others are
damaged, dense or rewritten: commands may refuse them with one line, or do what they promise.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.onnx.sweep.build import model_of_case  # noqa: E402 - the repository's root is not on the path of a script
from tests.onnx.sweep.cases import METHODS, random_case  # noqa: E402
from tests.onnx.sweep.damage import damage_files, damage_message, exercise  # noqa: E402
from tests.onnx.sweep.roundtrip import roundtrip  # noqa: E402
from tests.onnx.sweep.store import store  # noqa: E402
from tools.fuzz import MEMORY_NBYTES, TooSlow, damaged, memory_limit, time_limit  # noqa: E402
from tools.fuzz_cases import MAX_REPORTED, add_minutes, case_parser, chosen_cases  # noqa: E402
from wpconvert.formats.onnx.file import read  # noqa: E402
from wpconvert.formats.onnx.files import Target  # noqa: E402
from wpconvert.formats.onnx.source import OnnxSource  # noqa: E402
from wpconvert.job.convert import convert_to  # noqa: E402
from wpconvert.model.rules import Rules  # noqa: E402
from wpconvert.model.settings import Settings  # noqa: E402

CASE_SECONDS = 60
"""Of a machine that others use too; a case takes a tenth of a second."""


def damaged_case(rng: random.Random, folder: Path) -> str:
    """Damage a random model, dense or rewritten, and send it through the commands."""
    case = random_case(rng)
    path = store(model_of_case(case), case, folder)
    if rng.random() < 0.7:
        target = Target.next_to(folder / "new" / "out.onnx")
        target.model.parent.mkdir()
        convert_to(OnnxSource(read(path)), Settings(rng.choice(METHODS), Rules(rules=[])), target.model)
        path = target.model
    choice = rng.random()
    if choice < 0.7:
        path.write_bytes(damage_message(path.read_bytes(), rng))
    elif choice < 0.9:
        path.write_bytes(damaged(path.read_bytes(), rng))
    else:
        damage_files(path.parent, rng)
    return f"damaged: {exercise(path, rng.choice(METHODS))}"


def run_case(seed: int, number: int, tally: Counter[str]) -> str | None:
    """Case `number` of a run, the same whatever ran before it; the traceback if it is a failure."""
    rng = random.Random(f"{seed}/{number}")
    try:
        # A warning would stand on standard error beside, or instead of, the one line.
        with tempfile.TemporaryDirectory() as name, time_limit(CASE_SECONDS), warnings.catch_warnings():
            warnings.simplefilter("error")
            folder = Path(name) / "in"
            folder.mkdir()
            if rng.random() < 0.5:
                roundtrip(random_case(rng), folder, tally)
            else:
                tally[damaged_case(rng, folder)] += 1
    except TooSlow:
        return f"not done after {CASE_SECONDS} s: {traceback.format_exc()}"
    except Exception:
        return traceback.format_exc()
    return None


def main(arguments: list[str] | None = None) -> int:
    """Entry point; 1 when a case failed."""
    parser = case_parser(__doc__, 2000)
    add_minutes(parser)
    options = parser.parse_args(arguments)
    begin = time.monotonic()
    numbers, deadline = chosen_cases(options, options.minutes)
    tally: Counter[str] = Counter()
    failures = 0
    with memory_limit(MEMORY_NBYTES):
        for number in numbers:
            failure = run_case(options.seed, number, tally)
            if failure is not None:
                failures += 1
                again = f"python tools/fuzz_onnx.py --seed {options.seed} --only {number}"
                print(f"case {number}; again: {again}\n{failure}", file=sys.stderr)
            if failures >= MAX_REPORTED or time.monotonic() > deadline:
                break
    print(f"{number + 1 - numbers.start} cases in {time.monotonic() - begin:.0f} s, {failures} failures")
    for what, count in sorted(tally.items()):
        print(f"{count:7} {what}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
