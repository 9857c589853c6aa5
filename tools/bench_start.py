"""How long a command takes before it does anything: processor seconds of short ones, part of `make bench-host`."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.markdown import markdown

ZOO = Path(__file__).resolve().parent.parent / "models" / "zoo"
_REPEATS = 5


def processor_s(arguments: Sequence[str | Path]) -> float:
    """Least processor time of a command line, user and system, over some runs."""
    return min(_once(arguments) for _ in range(_REPEATS))


def _once(arguments: Sequence[str | Path]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "wpconvert.cli.main", *map(str, arguments)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Print a table of commands."""
    model = ZOO / "digits_ds_cnn.tflite"
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.tflite"
        commands: dict[str, list[str | Path]] = {
            "--help": ["--help"],
            "--version": ["--version"],
            "methods": ["methods"],
            "convert --help": ["convert", "--help"],
            f"inspect, {model.stat().st_size:,} bytes": ["inspect", model],
            "MODEL -m rle --no-verify": [model, "-m", "rle", "--no-verify", "-o", small],
            "verify, one sample": ["verify", model, small, "--random", "1"],
            "restore": ["restore", small, "-o", Path(folder) / "dense.tflite"],
        }
        rows = [[f"`{name}`", f"{processor_s(arguments):.2f}"] for name, arguments in commands.items()]
    print(markdown(["command", "processor s"], rows))


if __name__ == "__main__":
    main()
