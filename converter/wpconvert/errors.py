"""Errors a user can meet, each with the exit code that docs/USING.md documents."""

from __future__ import annotations

from typing import ClassVar


class WpconvertError(Exception):
    """Base of every error that is reported as one line: what, where, expected, what to do."""

    exit_code: ClassVar[int] = 1


def shortened(error: Exception, most: int = 300) -> str:
    """What another library says in an exception, as one line of so many characters at most."""
    return " ".join(str(error).split())[:most]


class VerificationError(WpconvertError):
    """The outputs do not hold what the method promises. report: what was done and found, a `wpconvert.Conversion`."""

    exit_code = 1

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class UsageError(WpconvertError):
    """An option, a rule or a rules file is wrong."""

    exit_code = 2


class ModelError(WpconvertError):
    """The model file is malformed: not a flatbuffer, truncated, inconsistent, or a blob whose header lies."""

    exit_code = 3


class UnsupportedError(WpconvertError):
    """The model is well formed, but needs an operator, a type or a schema feature that is not supported here."""

    exit_code = 4


class FileError(WpconvertError):
    """A file cannot be read or written."""

    exit_code = 5


class ToolError(WpconvertError):
    """A compiler, a simulator or their sources are missing or fail."""

    exit_code = 6


class DeviceError(WpconvertError):
    """The program on the device faulted, hung or answered nonsense."""

    exit_code = 7


class BudgetError(WpconvertError):
    """No plan keeps to the flash, memory or slowdown that was asked for."""

    exit_code = 8


class BatchError(WpconvertError):
    """Some models of a batch failed; each has its own error."""

    exit_code = 9
