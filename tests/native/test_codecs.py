"""The C codecs against the Python ones: sound blobs decode to the same weights, malformed ones are refused by both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.codecs.matrices import SPECIAL, Case, cases, storable
from tests.codecs.mutations import mutated
from wpconvert import _native
from wpconvert.codecs import CODECS, STANDALONE, decode
from wpconvert.errors import ModelError

VECTORS = Path(__file__).resolve().parents[1] / "vectors"

many = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_the_engine_has_every_codec() -> None:
    assert _native.codecs() == [codec.name for codec in sorted(CODECS.values(), key=lambda codec: codec.number)]


def _encoded(case: Case, codec: str) -> bytes:
    return case.encode(codec).tobytes()


@pytest.mark.parametrize("codec", STANDALONE)
@many
@given(case=cases())
def test_any_weights(codec: str, case: Case) -> None:
    case = storable(case, codec)
    decoded = _native.decode(_encoded(case, codec))
    assert decoded.shape == case.weights.shape
    assert np.array_equal(decoded, case.weights)


@pytest.mark.parametrize("codec", STANDALONE)
@many
@given(case=cases(), data=st.data())
def test_any_rows_in_steps_of_any_size(codec: str, case: Case, data: st.DataObject) -> None:
    case = storable(case, codec)
    rows = len(case.matrix)
    first = data.draw(st.integers(0, rows))
    last = data.draw(st.integers(first, rows))
    step = data.draw(st.integers(1, max(1, rows)))
    decoded = _native.decode_rows(_encoded(case, codec), first, last, step)
    assert np.array_equal(decoded, case.matrix[first:last])


def test_rows_outside_the_matrix_are_refused() -> None:
    raw = _encoded(SPECIAL["empty rows"], "dcsr")
    for first, last, step in ((0, 10, 1), (3, 2, 1), (0, 9, 0)):
        with pytest.raises(IndexError, match="of 9"):
            _native.decode_rows(raw, first, last, step)


@pytest.mark.parametrize("codec", STANDALONE)
@pytest.mark.parametrize("name", SPECIAL)
def test_weights_at_the_limits_of_the_formats(codec: str, name: str) -> None:
    case = storable(SPECIAL[name], codec)
    assert np.array_equal(_native.decode(_encoded(case, codec)), case.weights)


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.blob")), ids=lambda path: path.stem)
def test_golden_vectors(path: Path) -> None:
    beside = path.with_suffix(".pool")
    pool = beside.read_bytes() if beside.exists() else None
    assert _native.decode(path.read_bytes(), pool).tobytes() == path.with_suffix(".weights").read_bytes()


@pytest.mark.parametrize("codec", STANDALONE)
@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases(), seed=st.integers(0, 2**32 - 1))
def test_damaged_blobs(codec: str, case: Case, seed: int) -> None:
    """Both readers give the same verdict on a damaged blob, and the same weights when they accept it."""
    raw = storable(case, codec).encode(codec)
    damaged = mutated(raw, np.random.default_rng(seed))
    try:
        expected = decode(damaged)
    except ModelError:
        with pytest.raises(_native.Error, match="weight blob"):
            _native.decode(damaged.tobytes())
    else:
        found = _native.decode(damaged.tobytes())
        assert found.shape == expected.shape
        assert np.array_equal(found, expected)
