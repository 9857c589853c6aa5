"""Find the weights of a `.tflite` model and say of each whether it can be rewritten, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass, field

from wpconvert.errors import WpconvertError
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.graph.custom.elementwise import matrix_of
from wpconvert.graph.custom.obstacles import NO_CONSTANT, Obstacle
from wpconvert.graph.custom.operators import CHANNEL_AXIS, CUSTOM_NAMES, ELEMENTWISE, LOOKUP, ROW_DIMS
from wpconvert.graph.custom.rewritable import WEIGHT_INPUT, check_rewritable, constant_weights
from wpconvert.graph.structure import Graph, Subgraph
from wpconvert.model.weight import Fixed, Rewritable, Weight

REPORTED_NBYTES = 256
"""Constants of other operators are listed, and left unchanged, from this size on; smaller ones describe shapes."""


@dataclass(frozen=True)
class Use:
    """An operator that reads a tensor."""

    operator: int
    slot: int
    name: str


@dataclass
class Site:
    """Where a weight lives: subgraph and tensor index, and every operator that reads it."""

    subgraph: int
    tensor: int
    uses: list[Use] = field(default_factory=list)


def key_of(subgraph: int, tensor: int) -> str:
    """The key of a weight: `subgraph:tensor`."""
    return f"{subgraph}:{tensor}"


def find_sites(model: TfliteModel) -> dict[str, Site]:
    """Every constant tensor that an operator reads, and every tensor it multiplies with, in the order of first use."""
    sites: dict[str, Site] = {}
    for s, graph in enumerate(model.root.subgraphs):
        for o, operator in enumerate(graph.operators or []):
            name = model.operator_name(operator)
            for slot, t in enumerate(operator.inputs):
                if t < 0:
                    continue
                if model.buffer(graph.tensors[t]) is not None or _multiplies(name, slot):
                    site = sites.setdefault(key_of(s, int(t)), Site(s, int(t)))
                    site.uses.append(Use(o, slot, name))
    return sites


def _multiplies(name: str, slot: int) -> bool:
    """Whether the operator sums products with this input, constant or not."""
    return name in CHANNEL_AXIS and slot == WEIGHT_INPUT


def _is_rewritten(name: str) -> bool:
    """An operator of ours with stored weights, also one of a later version."""
    return name.startswith("WP_") and name != LOOKUP


def find_weights(model: TfliteModel) -> list[Weight]:
    """The weights of a model, in execution order."""
    sites = find_sites(model)
    kept = _kept_buffers(model, sites)
    graph = read_graph(model)
    return [_describe(model, graph, key, site, kept) for key, site in sites.items() if _is_weight(model, site)]


def rewritable_weights(model: TfliteModel) -> list[Rewritable]:
    """Those of the weights that can be rewritten."""
    return [weight for weight in find_weights(model) if isinstance(weight, Rewritable)]


def _is_weight(model: TfliteModel, site: Site) -> bool:
    if any(_multiplies(use.name, use.slot) for use in site.uses):
        return True
    if all(use.name in CHANNEL_AXIS or _is_rewritten(use.name) for use in site.uses):
        return any(_is_rewritten(use.name) and use.slot == WEIGHT_INPUT for use in site.uses)
    if all(use.name == LOOKUP for use in site.uses):
        return False
    data = model.buffer(model.root.subgraphs[site.subgraph].tensors[site.tensor])
    return data is not None and data.nbytes >= REPORTED_NBYTES


def _kept_buffers(model: TfliteModel, sites: dict[str, Site]) -> set[int]:
    """Buffers that something other than a weight stands on: they must stay in the file as they are."""
    kept = {int(metadata.buffer) for metadata in model.root.metadata or []}
    kept |= {int(b) for b in (() if model.root.metadataBuffer is None else model.root.metadataBuffer)}
    weights = {key for key, site in sites.items() if _is_weight(model, site)}
    for s, graph in enumerate(model.root.subgraphs):
        kept |= {int(tensor.buffer) for t, tensor in enumerate(graph.tensors) if key_of(s, t) not in weights}
    return kept


def _describe(model: TfliteModel, graph: Graph, key: str, site: Site, kept: set[int]) -> Weight:
    subgraph = graph.subgraphs[site.subgraph]
    tensor = subgraph.tensors[site.tensor]
    described = (
        key,
        tensor.name,
        tuple(dict.fromkeys(use.name for use in site.uses)),
        tensor.shape,
        tensor.dtype.name,
        0 if tensor.data is None else tensor.data.nbytes,
    )
    storage = int(model.root.subgraphs[site.subgraph].tensors[site.tensor].buffer)
    try:
        _check_sharing(subgraph, site, storage in kept)
        for use in site.uses:
            check_rewritable(subgraph.operators[use.operator])
        values = constant_weights(tensor)
    except (Obstacle, WpconvertError) as obstacle:
        return Fixed(*described, storage=storage, obstacle=str(obstacle))
    name = site.uses[0].name
    if name in ELEMENTWISE:
        values = matrix_of(values)
    return Rewritable(*described, storage=storage, values=values, row_dims=ROW_DIMS[name])


def _check_sharing(graph: Subgraph, site: Site, kept: bool) -> None:
    """Every reader must be an operator that can be rewritten, reading the tensor as its weights in one layout.

    kept: the tensor's bytes stay in the file for something else.
    """
    tensor = graph.tensors[site.tensor]
    if tensor.data is None or tensor.data.nbytes == 0:
        raise Obstacle(NO_CONSTANT)
    for use in site.uses:
        if _is_rewritten(use.name):
            raise Obstacle("already rewritten")
        if use.name not in CUSTOM_NAMES:
            raise Obstacle(f"constants of {use.name} are not rewritten")
        if use.slot != WEIGHT_INPUT:
            raise Obstacle(f"used as input {use.slot} of {use.name}, not as weights")
    if len({(ROW_DIMS[use.name], use.name in ELEMENTWISE) for use in site.uses}) > 1:
        raise Obstacle("used by operators with different weight layouts")
    if tensor in (*graph.outputs, *graph.inputs):
        raise Obstacle("is an input or output of the model")
    if tensor.is_variable:
        raise Obstacle("is a variable tensor")
    if tensor.is_sparse:
        raise Obstacle("stored in TFLite's sparse format")
    if kept:
        raise Obstacle("shares its data with a tensor or metadata entry that is not a weight")
