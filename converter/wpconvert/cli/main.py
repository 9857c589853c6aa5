"""The program `wpconvert`: commands, and the one place where errors become one line and an exit code."""

from __future__ import annotations

import difflib
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from wpconvert import __version__
from wpconvert.cli import batch, bench, convert, inspect, methods, restore, verify
from wpconvert.cli import run as run_command
from wpconvert.errors import FileError, WpconvertError
from wpconvert.target.sources import device_root

_HELP = """Rewrite a neural network file: the dense weights of a .tflite model become compressed
custom operators, which a small runtime executes on microcontrollers; those of an .onnx model
become compressed tensors that any ONNX runtime decodes.

[bold]wpconvert MODEL[/bold] is short for [bold]wpconvert convert MODEL[/bold].
"""
_EPILOG = """Examples:

  wpconvert model.tflite -o small.tflite\n
  wpconvert model.onnx -o small.onnx\n
  wpconvert model.tflite --flash 262144 --to-c model.c\n
  wpconvert inspect model.tflite\n
  wpconvert verify model.tflite small.tflite --random 10\n
  wpconvert run small.tflite --target corstone300\n
  wpconvert restore small.tflite -o dense.tflite

Exit codes: 0 done · 1 verification failed · 2 wrong usage · 3 malformed model · 4 not supported · 5 file error
· 6 a tool is missing or failed · 7 the device faulted or hung · 8 no plan fits the budget · 9 models of a batch failed
· 130 interrupted
"""

DEFAULT_COMMAND = "convert"
_GLOBAL_OPTIONS = ("--help", "-h", "--version", "--cmake-dir", "--install-completion", "--show-completion")
_MAX_LINE, _TAIL = 1000, 300
"""Characters of an error, and those of its end that stay of a longer one."""
_SETTINGS = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(help=_HELP, epilog=_EPILOG, rich_markup_mode="rich", no_args_is_help=True, context_settings=_SETTINGS)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"wpconvert {__version__}")
        raise typer.Exit()


def _print_cmake_folder(wanted: bool) -> None:
    if wanted:
        typer.echo(device_root() / "cmake")
        raise typer.Exit()


@app.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    cmake_dir: Annotated[
        bool,
        typer.Option(
            "--cmake-dir",
            callback=_print_cmake_folder,
            is_eager=True,
            help="Print the folder of the CMake package.",
        ),
    ] = False,
) -> None:
    pass


COMMANDS: dict[str, Callable[..., None]] = {
    "convert": convert.convert,
    "inspect": inspect.inspect,
    "verify": verify.verify,
    "run": run_command.run,
    "bench": bench.bench,
    "restore": restore.restore,
    "batch": batch.batch,
    "methods": methods.methods,
}
for _name, _command in COMMANDS.items():
    app.command(_name, epilog=getattr(_command, "epilog", None))(_command)


def with_default_command(arguments: Sequence[str]) -> list[str]:
    """Arguments with `convert` in front unless they start with a command or a global option."""
    if not arguments or arguments[0] in COMMANDS or arguments[0] in _GLOBAL_OPTIONS:
        return list(arguments)
    return [DEFAULT_COMMAND, *arguments]


def run(arguments: Sequence[str]) -> int:
    """Run a command line (without the program's name); returns the exit code, having printed at most one error line."""
    try:
        code = app(args=with_default_command(arguments), prog_name="wpconvert", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except WpconvertError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        # Without a message, the help was asked for by giving no arguments, and is printed.
        message = error.format_message()
        return _fail(f"{message.rstrip('.')}; {_help_for(arguments)}", 2) if message else 2
    except typer.Abort:
        return _fail("interrupted", 130)
    except (KeyboardInterrupt, BrokenPipeError, SystemExit):
        # Typer turns the end of a pipe that nobody reads into SystemExit.
        return 130
    except MemoryError:
        return _fail("not enough memory for this model", 4)
    except OSError as error:
        # Files have been dealt with: what is left is standard output, or the temporary files of an engine.
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}cannot be written: {error.strerror or error}", FileError.exit_code)


def _help_for(arguments: Sequence[str]) -> str:
    """Where to look after wrong usage; a first word that is neither a command nor a file may be a mistyped one."""
    first = arguments[0] if arguments else ""
    if first in COMMANDS:
        return f"see wpconvert {first} --help"
    close = difflib.get_close_matches(first, COMMANDS, n=1)
    if close and not Path(first).exists():
        return f"there is no command or file {first!r}, did you mean {close[0]}?"
    return "see wpconvert --help"


def _fail(message: str, code: int) -> int:
    line = " ".join(message.split())
    if len(line) > _MAX_LINE:
        # Names in models may be as long as the file.
        line = f"{line[: _MAX_LINE - _TAIL]} … {line[-_TAIL:]}"
    print(f"wpconvert: {line}", file=sys.stderr)
    return code


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        # Names in models and paths need not fit the terminal's encoding.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError as error:
        code = code or _fail(f"cannot be written: {error.strerror}", FileError.exit_code)
        # The interpreter flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


if __name__ == "__main__":
    main()
