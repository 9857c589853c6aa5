"""A trained network as a file: what it is, the methods that it was trained with, and its weights."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from wpconvert.errors import UsageError

from .methods import open_all
from .networks import NETWORKS

_FORMAT = "wptrain network 2"
Methods = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True)
class Trained:
    """A network by its name in NETWORKS, with the shape (height, width, channels) and the number of its classes.

    `methods`: those that it was trained with, by name and in their order, and their settings.
    """

    network_name: str
    image_shape: tuple[int, int, int]
    classes: int
    network: nn.Module
    methods: Methods = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the file; `load` reads it."""
        torch.save(
            {
                "format": _FORMAT,
                "network": self.network_name,
                "image_shape": list(self.image_shape),
                "classes": self.classes,
                "methods": {name: dict(settings) for name, settings in self.methods.items()},
                "state": {name: value.cpu() for name, value in self.network.state_dict().items()},
            },
            path,
        )

    def content(self) -> str:
        """SHA-256 in hex of what `save` writes; the same for two files of the same network."""
        described = (self.network_name, tuple(self.image_shape), self.classes, json.dumps(self.methods))
        digest = hashlib.sha256(repr(described).encode())
        for name, value in self.network.state_dict().items():
            digest.update(repr((name, value.dtype, tuple(value.shape))).encode())
            digest.update(value.cpu().numpy().tobytes())
        return digest.hexdigest()

    @staticmethod
    def load(path: Path) -> Trained:
        """The network of a file that `save` wrote. Raises ValueError when it is none, OSError when it is not there."""
        try:
            content: dict[str, Any] = torch.load(path, weights_only=True)
            if content.get("format") != _FORMAT:
                raise ValueError("format")
            height, width, channels = content["image_shape"]
            trained = Trained(
                content["network"],
                (height, width, channels),
                content["classes"],
                build(content["network"], channels, content["classes"], content["methods"]),
                content["methods"],
            )
            trained.network.load_state_dict(content["state"])
        except (
            pickle.UnpicklingError,
            EOFError,
            IndexError,
            AttributeError,
            KeyError,
            TypeError,
            ValueError,
            RuntimeError,
            UsageError,
        ) as error:
            raise ValueError(f"{path}: not a network written by wptrain, expected one made by train") from error
        trained.network.eval()
        return trained


def build(name: str, channels: int, classes: int, methods: Methods | None = None) -> nn.Module:
    """A new network with the structure that these methods give it.

    Raises ValueError when there is no such network, UsageError for unknown methods and wrong settings.
    """
    if name not in NETWORKS:
        raise ValueError(f"network {name}: unknown, expected one of {', '.join(NETWORKS)}")
    network = NETWORKS[name](channels, classes)
    for method in open_all(methods or {}).values():
        method.attach(network)
    return network
