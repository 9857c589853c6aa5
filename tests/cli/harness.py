"""Running the command line in this process, and the models that its tests use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from wpconvert.cli.main import run

ZOO = Path(__file__).resolve().parents[2] / "models" / "zoo"
MODEL = ZOO / "digits_ds_cnn.tflite"
DENSE = ZOO / "digits_ds_cnn_dense.tflite"
SAMPLES = ZOO / "digits_test.npz"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


class Cli:
    """Runs commands in this process with captured streams."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> Done:
        self._capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = self._capsys.readouterr()
        return Done(code, out, err)

    def ok(self, *arguments: str | Path) -> Done:
        """The command must succeed without a word on standard error."""
        done = self(*arguments)
        assert (done.code, done.err) == (0, "")
        return done

    def refused(self, code: int, *arguments: str | Path) -> str:
        """The command must end with that code and exactly one line; returns the line without its start."""
        done = self(*arguments)
        assert done.err.startswith("wpconvert: ") and done.err.endswith("\n"), done
        assert done.err.count("\n") == 1, done.err
        assert done.code == code, done.err
        return done.err.removeprefix("wpconvert: ").rstrip("\n")


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@contextmanager
def untouched(folder: Path) -> Iterator[None]:
    """Nothing below the folder may appear, vanish or change, temporary files included."""
    before = tree(folder)
    yield
    assert tree(folder) == before
