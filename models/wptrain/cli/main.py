"""The program `wptrain`: train a network as a recipe says, export it for `wpconvert`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from threading import Timer
from typing import TYPE_CHECKING

from wpconvert.errors import ToolError, WpconvertError
from wpconvert.interrupts import Interrupted, listen, stop_listening
from wpconvert.report.printable import printable

if TYPE_CHECKING:
    import typer

_NEEDED = ("torch", "litert_torch", "onnxscript")
_EPILOG = """Examples:

  wptrain train digits --set epochs=20 --out out\n
  wptrain sweep digits --over optimiser.learning_rate=0.001,0.003 --over seed=0,1,2 --out out\n
  wptrain export out/digits.pt --dataset digits --out digits.tflite

Exit codes: 0 done · 1 the training diverged · 2 wrong usage · 3 malformed data, checkpoint or network, or data of
another kind than the network · 4 not enough memory · 5 file error · 6 the extra for training or tracking is missing ·
130 interrupted, 128 + number by another signal
"""


def run(arguments: Sequence[str]) -> int:
    """Run a command line (without the program's name); returns the exit code, having printed at most one error line.

    Raises Interrupted.
    """
    import typer  # noqa: PLC0415 - an interrupt has to be heard before

    try:
        code = _application()(args=list(arguments), prog_name="wptrain", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except WpconvertError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        message = error.format_message()
        return _fail(f"{message.rstrip('.')}; see wptrain --help", 2) if message else 2
    except MemoryError:
        return _fail("not enough memory for this dataset", 4)
    except OSError as error:
        return _fail(f"{error.filename or 'output'}: cannot be written: {error.strerror or error}", 5)


def _application() -> typer.Typer:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ToolError(
            f"{', '.join(missing)} not installed: training needs the extra `train`; "
            "run `make setup-train` in a clone, or pip install 'wpconvert[train]'"
        )
    import typer  # noqa: PLC0415 - an interrupt has to be heard before

    from ..methods import METHODS, entry  # noqa: PLC0415 - needs PyTorch
    from . import data, export, train  # noqa: PLC0415 - as above

    app = typer.Typer(
        help="Train networks for microcontrollers.",
        epilog=_EPILOG,
        rich_markup_mode="rich",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        add_completion=False,
    )
    for command in (train.train, train.sweep, export.export):
        app.command()(command)
    app.add_typer(data.app, name="data")
    for name in METHODS:
        if (commands := entry(name).commands) is not None:
            for command in importlib.import_module(commands).COMMANDS:
                app.command()(command)
    return app


def _fail(message: str, code: int) -> int:
    # Of several processes the first one speaks: all fail alike.
    if os.environ.get("RANK", "0") == "0":
        print(f"wptrain: {printable(' '.join(message.split()))}", file=sys.stderr)
    return code


def hear_again(ignored: sys.UnraisableHookArgs) -> None:
    """For `sys.unraisablehook`: send a signal once more that came while an object was freed.

    Python ignores what is raised there, and libraries with many weak references free objects all the time.
    """
    if isinstance(ignored.exc_value, Interrupted):
        again = Timer(0.05, signal.raise_signal, [ignored.exc_value.number])
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(ignored)


def main() -> None:
    """Entry point of the console script."""
    try:
        sys.unraisablehook = hear_again
        listen()
        code = run(sys.argv[1:])
        stop_listening()
    except Interrupted as interrupt:
        stop_listening()
        code = _fail(f"{interrupt}; run the same command again to continue from its checkpoint", interrupt.exit_code)
    sys.exit(code)


if __name__ == "__main__":
    main()
