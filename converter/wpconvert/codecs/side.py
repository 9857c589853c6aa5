"""Data beside blobs that a codec reads with them, and that many blobs may share."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Side(Protocol):
    """Such data."""

    @property
    def nbytes(self) -> int:
        """As it stands in a file."""

    def pack(self) -> NDArray[np.uint8]:
        """Its tensor, uint8[nbytes]."""
