"""The operators and codecs a model needs, as calls that register them."""

from __future__ import annotations

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.custom.compressed import codec_name
from wpconvert.graph.custom.operators import BUILTIN_NAMES, LOOKUP
from wpconvert.graph.structure import Graph

# Methods of TFLM's resolver whose name is not the operator's in camel case.
_SPECIAL = {
    "CUMSUM": "CumSum",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}
_TFLM_CUSTOM = {"TFLite_Detection_PostProcess": "DetectionPostprocess", "ethos-u": "EthosU"}
# The builtin operators that TFLM has.
_NAMES = """
ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_ARGS
BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION CONV_2D COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
DIV DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD
FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH IF L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS
LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM
MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE READ_VARIABLE REDUCE_ALL REDUCE_MAX REDUCE_MIN RELU
RELU6 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SELECT_V2 SHAPE SIN SLICE SOFTMAX
SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM SVDF
TANH TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK VAR_HANDLE WHILE ZEROS_LIKE
"""
_TFLM = frozenset(_NAMES.split())


def operators_of(graph: Graph) -> list[tuple[str, bool]]:
    """Every operator of a model once, sorted by name: (builtin name or custom code, is custom)."""
    return sorted({(operator.kind, operator.is_custom) for operator in graph.operators()})


def codecs_of(graph: Graph) -> list[str]:
    """The codecs of a model's compressed weights, each once, sorted.

    Raises ModelError for a rewritten operator whose blob is missing, corrupt or of a codec that does not exist.
    """
    found = set()
    for operator in graph.operators():
        if not operator.is_custom or operator.kind not in BUILTIN_NAMES:
            continue
        try:
            found.add(codec_name(operator))
        except ModelError as error:
            where = f"operator {operator.index} ({operator.kind}, subgraph {operator.subgraph})"
            raise ModelError(f"{where}: {error}") from error
    return sorted(found)


def codec_symbol(codec: str) -> str:
    """The C object of a codec, `wpk_codec_dcsr`."""
    return f"wpk_codec_{codec}"


def registration(name: str, custom: bool) -> str:
    """The call on a resolver that registers an operator, `AddConv2D()`.

    Raises UnsupportedError for a builtin operator that TFLM does not have.
    """
    if custom and (name in BUILTIN_NAMES or name == LOOKUP):
        return f'AddCustom("{name}", wpconvert::Register_{name}())'
    if custom and name in _TFLM_CUSTOM:
        return f"Add{_TFLM_CUSTOM[name]}()"
    if custom:
        return f"AddCustom({_c_string(name)}, Register_{_identifier(name)}())"
    if name not in _TFLM:
        raise UnsupportedError(
            f"operator {name}: TensorFlow Lite Micro does not support it, so no firmware can run this model"
        )
    return f"Add{_SPECIAL.get(name, _camel(name))}()"


def _camel(name: str) -> str:
    """CONV_2D → Conv2D, RELU6 → Relu6."""
    return "".join(part.capitalize() if not part[0].isdigit() else part for part in name.split("_"))


def _identifier(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)


def _c_string(text: str) -> str:
    """A C string literal; bytes outside printable ASCII as three-digit octal escapes, which end by themselves."""
    safe = set(range(32, 127)) - set(b'"\\?')
    return '"' + "".join(chr(b) if b in safe else f"\\{b:03o}" for b in text.encode()) + '"'
