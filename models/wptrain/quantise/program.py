"""A network that trains as the integer model computes: its forward pass is replaced, its modules stay as they are.

Methods that act on weights and batch normalisations by name or kind of module therefore go on working.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from .fake import FakeQuantiser
from .integers import IntegerLayer
from .steps import Average, Layer, ModuleCall, Move, PlainCall, Step, Sum

_RELUS: dict[object, str] = {
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    torch.relu: "relu",
    functional.relu: "relu",
    functional.relu6: "relu6",
    "relu": "relu",
}
_SUMS = (operator.add, operator.iadd, torch.add, "add", "add_")
_MOVES = (nn.MaxPool2d, nn.Flatten, nn.ZeroPad2d)
_MOVING_CALLS = (functional.pad, functional.max_pool2d, torch.flatten, "flatten", "reshape", "view", "contiguous")
_IDLE = (nn.Identity, nn.Dropout, nn.Dropout2d)
_INPUT = "input"


@dataclass
class Program:
    """The steps of a network, and the name of the last result."""

    steps: tuple[Step, ...]
    result: str

    def run(self, network: nn.Module, x: Tensor) -> Tensor:
        values = {_INPUT: network.quantisers[_INPUT](x)}
        for step in self.steps:
            values[step.name] = step.run(network, *(values[name] for name in step.inputs))
        return values[self.result]


@dataclass
class _Forward:
    """In place of a network's own method; a copy of the network has a copy of it."""

    network: nn.Module
    program: Program

    def __call__(self, x: Tensor) -> Tensor:
        return self.program.run(self.network, x)


def attach(network: nn.Module, *, bits: int = 8, power_of_two: bool = False) -> None:
    """Let `network` compute as its int8 model will, in place.

    Batch normalisation is folded, weights are int8 per output channel, each activation is rounded to a grid: what
    follows a ReLU to 2^`bits` levels, other tensors to 256. With `power_of_two` all scales are powers of two. The
    ranges of activations follow the batches of training until `observe` stops that, or are loaded with a state. A
    batch normalisation in training mode normalises by the batch; one in evaluation mode is folded as it is stored.

    Raises ValueError for bits outside 1 to 8 and networks with operators that have no integer form here.
    """
    if not 1 <= bits <= 8:
        raise ValueError(f"activation bits {bits}: expected 1 to 8")
    if is_attached(network):
        raise ValueError("the network is quantised already")
    reader = _Reader(network, bits, power_of_two)
    program = reader.read()
    network.quantisers = nn.ModuleDict(reader.quantisers).to(next(network.parameters()).device)
    network.quantisers.train(network.training)
    vars(network)["forward"] = _Forward(network, program)


def is_attached(network: nn.Module) -> bool:
    """Whether `attach` was called with this network."""
    return isinstance(vars(network).get("forward"), _Forward)


def detach(network: nn.Module) -> None:
    """Undo `attach`: the network computes in floats again."""
    del vars(network)["forward"]
    del network.quantisers


def observe(network: nn.Module, wanted: bool) -> None:
    """Whether batches of training move the ranges of activations."""
    for each in network.quantisers.values():
        each.observing = wanted


def integer_layers(network: nn.Module) -> Mapping[str, IntegerLayer]:
    """Weights, scales, biases and grids of each layer, by its name in the network."""
    steps = vars(network)["forward"].program.steps
    return {step.layer: step.integers(network) for step in steps if isinstance(step, Layer)}


class _Reader:
    """Finds the steps of a network in its traced graph."""

    def __init__(self, network: nn.Module, bits: int, power_of_two: bool) -> None:
        self._modules = dict(network.named_modules())
        self._nodes = list(fx.Tracer().trace(network).nodes)
        self._bits, self._power_of_two = bits, power_of_two
        self._names: dict[fx.Node, str] = {}
        # By the name of a result: whose grid it has.
        self._grids: dict[str, str] = {_INPUT: _INPUT}
        self.quantisers: dict[str, FakeQuantiser] = {}
        self._steps: list[Step] = []

    def read(self) -> Program:
        self._quantiser(_INPUT, "", whole=True)
        done: set[fx.Node] = set()
        result = _INPUT
        for node in self._nodes:
            if node in done:
                continue
            if node.op == "placeholder":
                self._names[node] = _INPUT
            elif node.op == "output":
                result = self._names[node.args[0]]
            else:
                done.update(self._step(node))
        return Program(tuple(self._steps), result)

    def _step(self, node: fx.Node) -> list[fx.Node]:
        """The nodes that one step stands for, from `node` on."""
        module = self._modules.get(node.target) if node.op == "call_module" else None
        kind = type(module) if module is not None else node.target
        sources = [self._names[each] for each in node.all_input_nodes]
        if isinstance(module, _IDLE):
            self._names[node] = sources[0]
            return [node]
        if isinstance(module, nn.Conv2d | nn.Linear):
            return self._layer(node, sources[0])
        if kind in _SUMS and len(sources) == 2 and len(node.args) == 2 and not node.kwargs:
            nodes, activation = self._with_activation([node])
            self._quantiser(node.name, activation)
            read = (self._grids[sources[0]], self._grids[sources[1]])
            self._add(nodes, Sum(node.name, tuple(sources), activation, read, node.name))
            return nodes
        if isinstance(module, nn.AvgPool2d) and module.padding in {0, (0, 0)} and not module.ceil_mode:
            self._grids[node.name] = self._grids[sources[0]]
            window, stride = _pair(module.kernel_size), _pair(module.stride)
            self._add([node], Average(node.name, (sources[0],), window, stride, self._grids[sources[0]]))
            return [node]
        if isinstance(module, _MOVES) or (node.op != "call_module" and kind in _MOVING_CALLS and len(sources) == 1):
            self._grids[node.name] = self._grids[sources[0]]
            self._add([node], Move(node.name, (sources[0],), _call(node)))
            return [node]
        what = kind.__name__ if isinstance(kind, type) else getattr(kind, "__name__", kind)
        raise ValueError(f"{node.target if module is not None else node.name}: {what} has no integer form here")

    def _layer(self, node: fx.Node, source: str) -> list[fx.Node]:
        nodes, norm = [node], ""
        follower = self._follower(nodes)
        if follower is not None and isinstance(self._module(follower), nn.modules.batchnorm._BatchNorm):
            norm = str(follower.target)
            nodes = [*nodes, follower]
        nodes, activation = self._with_activation(nodes)
        self._quantiser(node.name, activation)
        read = self._grids[source]
        self._add(
            nodes,
            Layer(node.name, (source,), str(node.target), norm, activation, read, node.name, self._power_of_two),
        )
        return nodes

    def _follower(self, nodes: list[fx.Node]) -> fx.Node | None:
        """The only reader of the last node, past modules that do nothing."""
        last = nodes[-1]
        users = list(last.users)
        while len(users) == 1 and isinstance(self._module(users[0]), _IDLE):
            nodes.append(users[0])
            users = list(users[0].users)
        return users[0] if len(users) == 1 else None

    def _with_activation(self, nodes: list[fx.Node]) -> tuple[list[fx.Node], str]:
        longer = list(nodes)
        follower = self._follower(longer)
        if follower is None:
            return longer, ""
        module = self._module(follower)
        activation = _RELUS.get(type(module) if module is not None else follower.target, "")
        return ([*longer, follower], activation) if activation else (longer, "")

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self._modules.get(node.target) if node.op == "call_module" else None

    def _quantiser(self, name: str, activation: str, whole: bool = False) -> None:
        self.quantisers[name] = FakeQuantiser(
            self._bits if activation else 8, one_sided=bool(activation), power_of_two=self._power_of_two, whole=whole
        )
        self._grids[name] = name

    def _add(self, nodes: list[fx.Node], step: Step) -> None:
        self._names.update(dict.fromkeys(nodes, step.name))
        self._steps.append(step)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _call(node: fx.Node) -> ModuleCall | PlainCall:
    if node.op == "call_module":
        return ModuleCall(str(node.target))
    constants: list[Any] = list(node.args[1:])
    return PlainCall(node.target, tuple(constants), tuple(node.kwargs.items()))
