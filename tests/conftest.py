"""Settings of all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# On a developer's machine every run draws new examples and may find something; a submission is judged by the same
# examples each time.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
