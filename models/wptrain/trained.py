"""A trained network as a file: what it is, how it was pooled, and its weights."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .methods.pool import weights as weight_pool
from .networks import NETWORKS

_FORMAT = "wptrain network 1"


@dataclass(frozen=True)
class Pooling:
    """The pool of a network: vectors, and bits of an entry of its look-up table."""

    size: int
    lut_bits: int


@dataclass(frozen=True)
class Trained:
    """A network by its name in NETWORKS, with the shape (height, width, channels) and the number of its classes."""

    network_name: str
    image_shape: tuple[int, int, int]
    classes: int
    network: nn.Module
    pooling: Pooling | None = None

    def save(self, path: Path) -> None:
        """Write the file; `load` reads it."""
        torch.save(
            {
                "format": _FORMAT,
                "network": self.network_name,
                "image_shape": list(self.image_shape),
                "classes": self.classes,
                "pooling": asdict(self.pooling) if self.pooling is not None else None,
                "state": {name: value.cpu() for name, value in self.network.state_dict().items()},
            },
            path,
        )

    def content(self) -> str:
        """SHA-256 in hex of what `save` writes; the same for two files of the same network."""
        described = (self.network_name, tuple(self.image_shape), self.classes, self.pooling)
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
            pooling = Pooling(**content["pooling"]) if content["pooling"] is not None else None
            height, width, channels = content["image_shape"]
            trained = Trained(
                content["network"],
                (height, width, channels),
                content["classes"],
                build(content["network"], channels, content["classes"], pooling),
                pooling,
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
        ) as error:
            raise ValueError(
                f"{path}: not a network written by wptrain, expected one made by pretrain or pool"
            ) from error
        trained.network.eval()
        return trained


def build(name: str, channels: int, classes: int, pooling: Pooling | None = None) -> nn.Module:
    """A new network, pooled with an empty pool if asked for. Raises ValueError when there is no such network."""
    if name not in NETWORKS:
        raise ValueError(f"network {name}: unknown, expected one of {', '.join(NETWORKS)}")
    network = NETWORKS[name](channels, classes)
    if pooling is not None:
        weight_pool.attach(network, weight_pool.WeightPool(pooling.size, pooling.lut_bits))
    return network
