"""A weight as a codec stores it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.model.layer import Storage

Bytes = NDArray[np.uint8]

KEPT_NBYTES = 16 << 20
"""Of what is kept in memory though it could be made again."""


class Encoded:
    """The blob of a weight: its size, its bytes, and what decoding takes.

    The bytes can be given up where they can be made again: they are then made for everyone who asks for them.
    """

    def __init__(self, blob: Bytes, again: Callable[[], Bytes] | None = None) -> None:
        """`blob`: uint8[nbytes]. again: encodes the weight once more, to the same bytes."""
        self.nbytes = blob.nbytes
        self._blob: Bytes | None = blob
        self._again = again
        self._storage: Storage | None = None

    @property
    def bytes(self) -> Bytes:
        """The blob, uint8[nbytes]."""
        if self._blob is None and self._again is not None:
            return self._again()
        if self._blob is None:
            raise ValueError("a blob was given up that cannot be made anew")
        return self._blob

    @property
    def in_memory(self) -> bool:
        """Whether the bytes are there."""
        return self._blob is not None

    def __len__(self) -> int:
        """Of the blob."""
        return self.nbytes

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """For numpy, this is the blob."""
        return np.array(self.bytes, dtype, copy=copy)

    def give_up(self) -> None:
        """Free the bytes, where they can be made again."""
        if self._again is not None:
            self._blob = None

    def storage(self, method: str, values: NDArray[np.int8], row_dims: int) -> Storage:
        """How the weight, `values`, is stored by `method`. To count what decoding it takes, it is decoded, once."""
        if self._storage is None:
            self._storage = Storage.from_values(method, values, row_dims, self.bytes)
        return self._storage


class Room:
    """Memory for the bytes of blobs; what does not fit gives them up."""

    def __init__(self) -> None:
        self._left = KEPT_NBYTES

    def keep(self, blobs: Iterable[Encoded | None]) -> None:
        """Keep the bytes of these, too, as far as there is room."""
        for blob in blobs:
            if blob is not None:
                self._left -= blob.nbytes
                if self._left < 0:
                    blob.give_up()
