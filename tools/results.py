"""The results table: whole-file bytes of every model by method, verified bit for bit.

    python tools/results.py [FOLDER …] [--write]

Takes the shipped models and every .tflite below the given folders; --write puts the table into README.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from wpconvert.engines import ENGINES
from wpconvert.engines.inputs import random_inputs
from wpconvert.model.rules import Rules
from wpconvert.report.inspection import entropy_bits
from wpconvert.tflite.convert import Settings, convert
from wpconvert.tflite.file import parse
from wpconvert.tflite.weights import find_weights
from wpconvert.verification import verify_models

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
COLUMNS = (("dcsr", False), ("rle", False), ("dcsr", True), ("rle", True))
SAMPLES = 4


def result_row(path: Path) -> str:
    """One line of the table: bytes before, int8 weights and their entropy, bytes after by method and --strip."""
    data = path.read_bytes()
    model = parse(data)
    weights = [w.values for w in find_weights(model) if w.values is not None]
    nbytes = sum(w.size for w in weights)
    entropy = round(sum(entropy_bits(w) * w.size / 8 for w in weights))
    zeros = sum(int((w == 0).sum()) for w in weights) / nbytes if nbytes else 0.0
    cells = [f"`{path.parent.name}/{path.stem}`", f"{zeros:.0%}", f"{nbytes:,}", f"{entropy:,}", f"{len(data):,}"]
    inputs = random_inputs(model, SAMPLES, seed=0)
    passed = True
    for method, strip in COLUMNS:
        converted = convert(str(path), data, Settings(method, Rules(rules=[]), strip=strip))
        verdict = verify_models(parse(data), parse(converted.data), inputs, ENGINES["reference"])
        passed &= verdict.passed
        cells.append(f"{len(converted.data):,} ({len(converted.data) / len(data):.0%})")
    cells.append("bit-exact" if passed else "DIFFERS")
    return "| " + " | ".join(cells) + " |"


def table(paths: list[Path]) -> str:
    """The whole table in Markdown."""
    titles = ["model", "zeros", "int8 weights", "entropy", "file"]
    titles += [f"`-m {method}{' --strip' if strip else ''}`" for method, strip in COLUMNS]
    titles.append("outputs")
    rule = ["---", *["--:"] * (len(titles) - 2), "---"]
    lines = ["| " + " | ".join(cells) + " |" for cells in (titles, rule)]
    for path in paths:
        lines.append(result_row(path))
        print(lines[-1], file=sys.stderr)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table, or put it into README.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    folders = [ROOT / "models/zoo", *arguments.folders]
    text = table([path for folder in folders for path in sorted(folder.rglob("*.tflite"))])
    if not arguments.write:
        print(text, end="")
        return
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{text}{END}{after}")


if __name__ == "__main__":
    main()
