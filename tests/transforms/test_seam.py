"""A lossy method of its own: what a transform gets and gives, from the weights to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tflite.harness import conv_model, converted
from wpconvert.engines.inputs import random_inputs
from wpconvert.engines.reference import ReferenceEngine
from wpconvert.files import Workspace
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.forms import TfliteForms
from wpconvert.formats.tflite.source import source_of
from wpconvert.job.transform import transform
from wpconvert.job.verify import OF_DENSE, verdict
from wpconvert.model.changed import Values
from wpconvert.model.noise import snr_of
from wpconvert.model.rules import Rules, choose
from wpconvert.model.settings import Settings
from wpconvert.transforms.base import PerWeight
from wpconvert.transforms.registry import TRANSFORMS

ZOO = Path(__file__).resolve().parents[2] / "models" / "zoo"


class Coarse(PerWeight):
    """Weights in steps of 32."""

    name, summary, codec = "coarse", "coarse weights", "packed"

    def values_of(self, values: NDArray[np.int8], options: Values) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: ARG002
        """The nearest multiples of 32, with the scales they had."""
        rounded = np.clip(np.rint(values / 32) * 32, -96, 96).astype(np.int8)
        return rounded, np.ones(len(values))


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRANSFORMS, "coarse", Coarse())


def original() -> bytes:
    """A model whose weights need all eight bits."""
    return conv_model()


@pytest.mark.usefixtures("coarse")
def test_a_transform_changes_weights_a_codec_stores_them_and_the_report_says_so() -> None:
    data = original()
    found = converted(data, "coarse")
    (tensor,) = (tensor for tensor in found.report.tensors if tensor.method != "none")
    assert tensor.method == "coarse" and tensor.snr_db is not None and tensor.snr_db > 0
    assert "method: coarse" in found.plan
    before, after = parse(data), parse(found.data)
    result = verdict(TfliteForms(before, after), random_inputs(before, 2, 0), ReferenceEngine())
    assert result.passed and result.lossy and result.promise == OF_DENSE


@pytest.mark.usefixtures("coarse")
def test_channels_are_rows_also_where_they_come_last() -> None:
    data = (ZOO / "digits_ds_cnn_dense.tflite").read_bytes()
    found = converted(data, "coarse")
    changed = [tensor for tensor in found.report.tensors if tensor.method == "coarse"]
    assert {operator for tensor in changed for operator in tensor.operators} >= {"CONV_2D", "DEPTHWISE_CONV_2D"}
    assert all(tensor.snr_db is not None and 10 < tensor.snr_db < 30 for tensor in changed)
    before, after = parse(data), parse(found.data)
    assert verdict(TfliteForms(before, after), random_inputs(before, 1, 0), ReferenceEngine()).passed


class Without(Coarse):
    """Weights without zeros, stored by their zeros."""

    codec = "dcsr"

    def values_of(self, values: NDArray[np.int8], options: Values) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: ARG002
        """No zeros."""
        return np.where(values == 0, np.int8(1), values), np.ones(len(values))


def test_weights_that_a_transform_does_not_make_smaller_keep_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRANSFORMS, "coarse", Without())
    data = original()
    found = converted(data, "coarse")
    assert all(tensor.method == "none" and tensor.snr_db is None for tensor in found.report.tensors)
    assert all("would not shrink" in (tensor.reason or "") for tensor in found.report.tensors)
    before, after = parse(data), parse(found.data)
    assert not verdict(TfliteForms(before, after), random_inputs(before, 2, 0), ReferenceEngine()).lossy


def test_a_file_that_would_not_shrink_has_the_weights_that_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRANSFORMS, "coarse", Coarse())
    data = conv_model()
    source = source_of(data)
    with Workspace(None) as workspace:
        draft = source.draft(Settings("coarse", Rules(rules=[])), workspace)
        choices = choose(draft.weights, Rules(rules=[]), "coarse", 0.0)
        dense = draft.dense()
        assert dense is not None
        changed = transform(dense, choices, {})
        assert any(choice.weight.changed is not None for choice in changed.choices)
        draft.take(changed.dense)
        plain = draft.plain().result.content()
    before, after = parse(data), parse(plain)
    assert verdict(TfliteForms(before, after), random_inputs(before, 2, 0), ReferenceEngine()).weights_equal


def test_the_ratio_of_signal_and_noise_is_that_of_energies() -> None:
    assert snr_of(np.array([3.0, 4.0]), np.array([3.0, 4.5])) == pytest.approx(20.0)
