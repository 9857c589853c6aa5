"""A dense `.tflite` model whose weights can be changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import WpconvertError
from wpconvert.formats.tflite.model import TfliteModel, shape_of
from wpconvert.formats.tflite.replace import put, rescaled_biases, scales_of
from wpconvert.formats.tflite.weights import Site, find_sites, rewritable_weights
from wpconvert.graph.custom.obstacles import Obstacle
from wpconvert.graph.executable import Executable
from wpconvert.transforms.base import Change


@dataclass(frozen=True)
class TfliteDense:
    """The model; weights are known by their keys."""

    model: TfliteModel

    @cached_property
    def _sites(self) -> dict[str, Site]:
        return find_sites(self.model)

    def copy(self) -> TfliteDense:
        """One that can be changed by itself."""
        return TfliteDense(self.model.copy())

    def executable(self) -> Executable:
        """The model."""
        return self.model

    def grouped(self, key: str) -> bool:
        """Whether a convolution multiplies a part of its input's channels with each of the weight's rows."""
        site = self._sites[key]
        graph = self.model.root.subgraphs[site.subgraph]
        depth = shape_of(graph.tensors[site.tensor])[-1]
        inputs = (graph.operators[use.operator].inputs[0] for use in site.uses if use.name == "CONV_2D")
        return any(shape_of(graph.tensors[x])[-1] != depth for x in inputs)

    def scales(self, key: str) -> NDArray[np.float32]:
        """Of a weight that can be rewritten, float32[channels] or [1]."""
        return scales_of(self.model, self._sites[key])

    def values(self) -> Mapping[str, NDArray[np.int8]]:
        """Of the weights that can be rewritten, by key."""
        return {weight.key: weight.values for weight in rewritable_weights(self.model)}

    def put(self, changes: Sequence[Change]) -> str | None:
        """Put changed weights, which share their bytes, in their place; or why that cannot be."""
        try:
            biases = [rescaled_biases(self.model, self._sites[change.key], change.scales) for change in changes]
        except (Obstacle, WpconvertError) as error:
            return str(error)
        for change, bias in zip(changes, biases, strict=True):
            put(self.model, self._sites[change.key], change, bias)
        return None
