"""Fixtures of the codec tests."""

from __future__ import annotations

import pytest

from tests.codecs.stranger import Stranger, build_stranger


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """The C decoder written from docs/FORMAT.md alone."""
    return build_stranger(tmp_path_factory.mktemp("stranger"))
