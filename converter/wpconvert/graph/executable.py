"""What runs a model needs of it."""

from __future__ import annotations

from typing import Protocol

from wpconvert.graph.structure import Graph


class Executable(Protocol):
    """A model that an engine or a board can run, whatever it was read from."""

    @property
    def graph(self) -> Graph:
        """The model as it is now."""

    def content(self) -> bytes:
        """The bytes of its `.tflite` file, as a runtime takes them."""

    def embedded(self, data: bytes) -> bytes:
        """What firmware holds of the bytes of the file that it was read from."""

    def no_dense(self) -> str | None:
        """Why no model with plain weights computes the same; None where one does."""

    def dense(self) -> Executable:
        """The same model with plain weights. UnsupportedError where there is none."""
