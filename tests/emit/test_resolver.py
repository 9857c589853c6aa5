"""Calls that register operators with TFLM's resolver, and which operators a model needs."""

from __future__ import annotations

import pytest

from tests.tflite.harness import conv_model, converted
from wpconvert.backends.c.resolver import operators_of, registration
from wpconvert.errors import UnsupportedError
from wpconvert.formats.tflite.file import parse


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("CONV_2D", "AddConv2D()"),
        ("DEPTHWISE_CONV_2D", "AddDepthwiseConv2D()"),
        ("FULLY_CONNECTED", "AddFullyConnected()"),
        ("RELU6", "AddRelu6()"),
        ("PADV2", "AddPadV2()"),
        ("AVERAGE_POOL_2D", "AddAveragePool2D()"),
        ("L2_NORMALIZATION", "AddL2Normalization()"),
        ("LOGISTIC", "AddLogistic()"),
        ("CUMSUM", "AddCumSum()"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "AddUnidirectionalSequenceLSTM()"),
    ],
)
def test_builtin_operators_have_the_names_of_tflms_methods(name: str, call: str) -> None:
    assert registration(name, custom=False) == call


def test_foreign_custom_operators_are_registered_under_an_escaped_name() -> None:
    assert registration('my "op"\n', custom=True) == 'AddCustom("my \\042op\\042\\012", Register_my__op__())'
    assert registration("TFLite_Detection_PostProcess", custom=True) == "AddDetectionPostprocess()"


def test_custom_operator_named_like_a_builtin_one_is_no_builtin_one() -> None:
    assert registration("CONV_2D", custom=True).startswith('AddCustom("CONV_2D"')
    with pytest.raises(UnsupportedError):
        registration("WP_CONV_2D", custom=False)


def test_operators_are_listed_once_and_sorted() -> None:
    assert operators_of(parse(conv_model()).graph) == [("CONV_2D", False)]
    assert operators_of(parse(converted(conv_model()).data).graph) == [("WP_CONV_2D", True)]
