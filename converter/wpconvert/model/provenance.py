"""What a rewritten file says of where it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TensorRecord:
    """One rewritten weight: where it is, what it was, how it is stored. sha256 is of the dense bytes.

    lossy: those are not the bytes of the original model.
    """

    subgraph: int
    tensor: int
    name: str
    operator: str
    shape: list[int]
    type: str
    method: str
    sha256: str
    lossy: bool = False


@dataclass(frozen=True)
class Provenance:
    """The whole of it. `tensors` is empty in a stripped file. planned: the memory plan is the tool's.

    lossy: weights were changed before they were stored.
    """

    tool: str
    stripped: bool
    tensors: tuple[TensorRecord, ...]
    planned: bool = False
    lossy: bool = False

    @property
    def lossy_places(self) -> set[tuple[int, int]]:
        """Subgraph and tensor of each weight that was changed; none in a stripped file, which does not say which."""
        return {(record.subgraph, record.tensor) for record in self.tensors if record.lossy}
