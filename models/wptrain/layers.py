"""What training loops of your own can use: layers, methods, and the file that `wptrain export` reads."""

from __future__ import annotations

from .loop.evaluation import distillation, evaluate
from .loop.trainer import prepare
from .methods.magnitude import Magnitude, MagnitudeSettings
from .methods.method import Method, Training
from .methods.pool.method import Pool, PoolSettings
from .methods.pool.weights import PooledWeight, WeightPool, pooled_layers
from .methods.quantise import Quantise, QuantiseSettings
from .networks.layers import ConvBnRelu, Downsample
from .trained import Trained, build

__all__ = [
    "ConvBnRelu",
    "Downsample",
    "Magnitude",
    "MagnitudeSettings",
    "Method",
    "Pool",
    "PoolSettings",
    "PooledWeight",
    "Quantise",
    "QuantiseSettings",
    "Trained",
    "Training",
    "WeightPool",
    "build",
    "distillation",
    "evaluate",
    "pooled_layers",
    "prepare",
]
