"""Settings of all tests, and the selection that `make check` runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from threading import current_thread, main_thread
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


_EXAMPLES = 5


class Quick:
    """What `make check` leaves out: other processes, further cases of a parametrised test, further examples of a law.

    A test ends where it would start another process, and is reported as skipped, whatever becomes of it then.
    """

    def __init__(self) -> None:
        self._started = False
        self._running = False
        sys.addaudithook(self._hear)
        settings.register_profile("quick", settings(), max_examples=_EXAMPLES)
        settings.load_profile("quick")

    def _hear(self, event: str, _arguments: Any) -> None:
        if self._running and event in _STARTS:
            self._started = True
            if current_thread() is main_thread():
                pytest.skip("starts another process")
            raise OSError("another process")

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the first case of each test."""
        seen: set[str] = set()
        left: list[pytest.Item] = []
        kept: list[pytest.Item] = []
        for item in items:
            name = item.nodeid.partition("[")[0]
            keeps = name not in seen and item.get_closest_marker("processes") is None
            (kept if keeps else left).append(item)
            seen.add(name)
        config.hook.pytest_deselected(items=left)
        items[:] = kept

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
    parser.addoption("--quick", action="store_true", help="no other process, and one case of each test")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--quick"):
        config.pluginmanager.register(Quick())
