"""Every operator the interpreter knows: importing this module fills the registry.

It is apart from the package's `__init__` so that modules on which operators depend can import the arithmetic
(`wpconvert.graph.arithmetic`).
"""

from wpconvert.reference import (
    activations,
    compressed,
    compressed_elementwise,
    convolution,
    elementwise,
    fully_connected,
    lookup,
    pooling,
    quantise_ops,
    reduce,
    shape_ops,
    slicing,
    softmax,
)

OPERATOR_MODULES = (
    activations,
    compressed,
    compressed_elementwise,
    convolution,
    elementwise,
    fully_connected,
    lookup,
    pooling,
    quantise_ops,
    reduce,
    shape_ops,
    slicing,
    softmax,
)
