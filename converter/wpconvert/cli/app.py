"""The commands of `wpconvert`, and the one place where errors become one line and an exit code."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from wpconvert import __version__
from wpconvert.cli.messages import fail
from wpconvert.errors import FileError, WpconvertError

_HELP = """Compress the weights of a neural network. Dense weights of a .tflite model become compressed
custom operators, which a small runtime executes on microcontrollers. Weights of an .onnx model
become compressed tensors, which any ONNX runtime decodes.

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

Exit codes: 0 done · 1 verification failed · 2 wrong usage
· 3 malformed model · 4 not supported · 5 file error
· 6 a tool is missing or failed · 7 the device faulted or hung
· 8 no plan meets the limits · 9 models of a batch failed
· 70 an internal error · 130 interrupted
· 128 + number after another signal: 143 for SIGTERM, 129 for SIGHUP
"""

DEFAULT_COMMAND = "convert"
_GLOBAL_OPTIONS = ("--help", "-h", "--version", "--cmake-dir", "--install-completion", "--show-completion")
_SETTINGS = {"help_option_names": ["-h", "--help"]}

COMMANDS = {
    "convert": "Rewrite a model: find its weights, compress them, verify the result, write it.",
    "inspect": "Show operators, weights, sparsity, entropy, the bytes of each method, and rewritten tensors.",
    "verify": "Run two models on the same inputs; compare all weights, outputs and intermediate results bit by bit.",
    "run": "Run a model on a simulated board and compare its outputs, bit by bit, with the reference interpreter's.",
    "bench": "Count the instructions of one inference on a simulated board, by layer; show arena and flash.",
    "restore": "Restore the dense model with the original weights, shapes, types and quantisation, for any runtime.",
    "batch": "Convert many models in parallel. Finished ones are not converted again; a failure stops no other model.",
    "array": "Show the bytes of an int8 array with each method; write it as a blob, or as C test data for one kernel.",
    "schedule": "Schedule a model on an FPGA accelerator with weights of few signed digits (MSD): tiles and times.",
    "methods": "List the storage methods that -m and rules accept.",
}
"""The commands, each a function in a module of its name, and the first line of its help."""


class _Commands(TyperGroup):
    """Imports the module of a command when it is called: each needs other libraries, and help needs none."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - what Typer passes
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:  # noqa: ARG002 - what Typer passes
        """What stands in a list of commands."""
        summary = COMMANDS.get(cmd_name)
        return None if summary is None else TyperCommand(cmd_name, help=summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command to run or to complete the options of."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, None if command is None else _command(str(name)), rest


def _command(name: str) -> Any:
    function = getattr(import_module(f"wpconvert.cli.{name}"), name)
    one = typer.Typer(add_completion=False, rich_markup_mode="rich", context_settings=_SETTINGS)
    one.command(name, help=_unwrapped(function.__doc__), epilog=getattr(function, "epilog", None))(function)
    return get_command(one)


def _unwrapped(text: str) -> str:
    """A text with a line for each paragraph, which help wraps to the terminal's width."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


app = typer.Typer(
    cls=_Commands,
    help=_unwrapped(_HELP),
    epilog=_EPILOG,
    rich_markup_mode="rich",
    no_args_is_help=True,
    context_settings=_SETTINGS,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"wpconvert {__version__}")
        raise typer.Exit()


def _print_cmake_folder(wanted: bool) -> None:
    if wanted:
        from wpconvert.target.sources import device_root  # noqa: PLC0415 - brings the boards along

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
            "--cmake-dir", callback=_print_cmake_folder, is_eager=True, help="Print the folder of the CMake package."
        ),
    ] = False,
) -> None:
    pass


def with_default_command(arguments: Sequence[str]) -> list[str]:
    """Arguments with `convert` in front unless they start with a command or a global option."""
    if not arguments or arguments[0] in COMMANDS or arguments[0] in _GLOBAL_OPTIONS:
        return list(arguments)
    return [DEFAULT_COMMAND, *arguments]


def execute(arguments: Sequence[str]) -> int:
    """Run a command line (without the program's name); returns the exit code, having printed at most one error line."""
    try:
        code = app(args=with_default_command(arguments), prog_name="wpconvert", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except WpconvertError as error:
        return fail(str(error), error.exit_code)
    except typer.TyperException as error:
        # Without a message, the help was asked for by giving no arguments, and is printed.
        message = error.format_message()
        return fail(f"{message.rstrip('.')}; {_help_for(arguments)}", 2) if message else 2
    except SystemExit as end:
        # How Typer ends when it has printed a completion, and when nobody reads the pipe it writes to.
        return 130 if end.code else 0
    except BrokenPipeError:
        return 130
    except MemoryError:
        return fail("not enough memory for this model", 4)
    except OSError as error:
        # Files have been dealt with: what is left is standard output, or the temporary files of an engine.
        place = f"{error.filename}: " if error.filename else ""
        return fail(f"{place}cannot be written: {error.strerror or error}", FileError.exit_code)


def _help_for(arguments: Sequence[str]) -> str:
    """Where to look after wrong usage; a first word that is neither a command nor a file may be a mistyped one."""
    first = arguments[0] if arguments else ""
    if first in COMMANDS:
        return f"see wpconvert {first} --help"
    close = difflib.get_close_matches(first, COMMANDS, n=1)
    if close and not Path(first).exists():
        return f"no command or file {first!r}; did you mean {close[0]}?"
    return "see wpconvert --help"
