"""The module `wpconvert`: cheap to import, complete, and typed."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import wpconvert
from wpconvert.errors import WpconvertError


def test_importing_it_imports_nothing_else() -> None:
    program = "import sys; before = set(sys.modules); import wpconvert; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=False)
    # Without site-packages there is no wpconvert in an editable installation.
    if done.returncode:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found = {name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}
    assert found == {"wpconvert"}


def test_everything_it_names_is_there() -> None:
    for name in wpconvert.__all__:
        assert getattr(wpconvert, name) is not None
        assert name in dir(wpconvert)
    assert wpconvert.WpconvertError is WpconvertError
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = wpconvert.nothing  # type: ignore[attr-defined]


def test_every_function_says_what_it_takes_and_raises() -> None:
    for name in wpconvert.__all__:
        function = getattr(wpconvert, name)
        if callable(function) and not isinstance(function, type):
            assert "Raises" in (function.__doc__ or ""), name


def test_no_module_hides_a_name_of_it() -> None:
    """A module that is imported becomes an attribute of its package."""
    specs = {name: find_spec(f"wpconvert.{name}") for name in wpconvert.__all__}
    # Of another version, a folder may be left, and an editable installation remembers files that are gone.
    found = [name for name, spec in specs.items() if spec and spec.origin and Path(spec.origin).exists()]
    assert found == []
