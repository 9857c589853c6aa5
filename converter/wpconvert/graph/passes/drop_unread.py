"""Removes what nothing reads."""

from __future__ import annotations

from wpconvert.graph.structure import Graph, Operator, Subgraph


def drop_unread(graph: Graph) -> tuple[Graph, bool]:
    """Remove operators and tensors that no output depends on; in place.

    Requires: operators in an order in which they can run.
    Ensures: an operator has an effect beside its outputs, or one of them is read by a later operator or is an output
    of its subgraph; a tensor is an input, an output, or one of an operator's; indices count without gaps.
    """
    changed = [_drop(subgraph) for subgraph in graph.subgraphs]
    return graph, any(changed)


def _drop(subgraph: Subgraph) -> bool:
    before = len(subgraph.operators), len(subgraph.tensors)
    read = set(subgraph.outputs)
    needed: list[Operator] = []
    for operator in reversed(subgraph.operators):
        if _has_effect(operator) or not read.isdisjoint(operator.outputs):
            needed.append(operator)
            read.update(operator.inputs_given())
    held = read.union(subgraph.inputs, *(operator.outputs for operator in needed))
    subgraph.operators = needed[::-1]
    subgraph.tensors = [tensor for tensor in subgraph.tensors if tensor in held]
    for index, tensor in enumerate(subgraph.tensors):
        tensor.index = index
    for index, operator in enumerate(subgraph.operators):
        operator.index = index
    return before != (len(subgraph.operators), len(subgraph.tensors))


def _has_effect(operator: Operator) -> bool:
    """It writes more than its outputs: a state tensor, or something outside of the graph."""
    return not operator.outputs or any(tensor.is_variable for tensor in operator.inputs_given())
