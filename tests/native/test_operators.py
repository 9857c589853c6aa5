"""Each operator's tests once more, with the native engine in the place of the other runtimes.

All tests of tests/reference that compare outputs with other runtimes do it by one function; here that function
compares with the native engine, and rewrites the model's weights by every method too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.native import harness
from tests.reference import (
    test_activations,
    test_convolution,
    test_elementwise,
    test_pooling,
    test_quantise_ops,
    test_reduce,
    test_shape_ops,
)
from wpconvert import _native
from wpconvert.reference.registry import OPERATORS

MODULES: tuple[ModuleType, ...] = (
    test_activations,
    test_convolution,
    test_elementwise,
    test_pooling,
    test_quantise_ops,
    test_reduce,
    test_shape_ops,
)
_COMPARE = harness.assert_same_bits.__name__


def _compares(function: Callable[..., Any]) -> bool:
    inner = getattr(function, "hypothesis", None)
    code = (function if inner is None else inner.inner_test).__code__
    return _COMPARE in code.co_names


for _module in MODULES:
    for _name, _function in list(vars(_module).items()):
        if _name.startswith("test_") and _compares(_function):
            assert _name not in globals(), f"two tests called {_name}"
            globals()[_name] = _function


@pytest.fixture(autouse=True, scope="module")
def _native_instead_of_other_runtimes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in MODULES:
            patch.setattr(module, _COMPARE, harness.assert_same_bits)
        yield


def test_the_engine_has_the_operators_of_the_reference_interpreter() -> None:
    assert set(_native.operators()) == set(OPERATORS)
