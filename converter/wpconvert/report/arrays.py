"""What a bare int8 array becomes: the blob of one method, or the sizes of all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wpconvert.report.view import View
from wpconvert.units import number, percent, shape_text, share

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, repr=False)
class Encoded(View):
    """An int8 array as the blob of a method.

    shape: of the array, of which the first `row_dims` dimensions are the rows of the stored matrix. data: the blob.
    side: the side data that the blob needs, where its method has some. written: paths of the files that were written.
    """

    method: str
    shape: tuple[int, ...]
    row_dims: int
    data: bytes
    side: bytes | None = None
    written: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of the blob, and of the side data where there is some."""
        return len(self.data) + len(self.side or b"")

    @property
    def dense_nbytes(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape)

    def __bytes__(self) -> bytes:
        return self.data

    def to_dict(self) -> dict[str, Any]:
        """All but the bytes themselves."""
        return {
            "method": self.method,
            "shape": self.shape,
            "row_dims": self.row_dims,
            "nbytes": self.nbytes,
            "dense_nbytes": self.dense_nbytes,
            "written": self.written,
        }

    def summary(self) -> str:
        return (
            f"{self.method}, {shape_text(self.shape)}, {self.dense_nbytes:,} → {self.nbytes:,} bytes "
            f"({percent(self.nbytes, self.dense_nbytes)})"
        )

    def print_on(self, console: Console) -> None:
        console.print(self.summary())
        if self.written:
            from wpconvert.report.table import escape  # noqa: PLC0415 - only where it is printed

            console.print(f"wrote {escape(', '.join(self.written))}")


@dataclass(frozen=True, repr=False)
class Sizes(View):
    """An int8 array in all methods.

    shape, row_dims: as in `Encoded`. zeros: their share, 0 to 1. entropy: order-0, bits a weight; bound: that of the
    whole array in bytes. methods: bytes of blob, and side data where there is some, of each method that can hold the
    array, without loss. reasons: why others cannot.
    """

    shape: tuple[int, ...]
    row_dims: int
    dense_nbytes: int
    zeros: float
    entropy: float
    bound: int
    methods: dict[str, int]
    reasons: dict[str, str]

    @property
    def smallest(self) -> str:
        """The method that needs fewest bytes."""
        return min(self.methods, key=lambda method: self.methods[method])

    def __getitem__(self, method: str) -> int:
        """Bytes of a method; KeyError where it cannot hold the array."""
        return self.methods[method]

    def summary(self) -> str:
        sizes = ", ".join(f"{method} {nbytes:,}" for method, nbytes in self.methods.items())
        return f"{shape_text(self.shape)}, {self.dense_nbytes:,} bytes, {share(self.zeros)} zeros: {sizes}"

    def print_on(self, console: Console) -> None:
        from wpconvert.report.table import Kind, escape, print_table  # noqa: PLC0415 - only where it is printed

        console.print(
            f"int8 array {shape_text(self.shape)}: {self.dense_nbytes:,} bytes, {share(self.zeros)} zeros, "
            f"order-0 entropy {self.entropy:.2f} bits per weight, {self.bound:,} bytes"
        )
        rows = [
            [method, number(nbytes), percent(nbytes, self.dense_nbytes), f"{8 * nbytes / self.dense_nbytes:.2f}"]
            for method, nbytes in self.methods.items()
        ]
        columns = [("method", Kind.WORD), ("bytes", Kind.NUMBER), ("vs. dense", Kind.NUMBER), ("bits/w", Kind.NUMBER)]
        print_table(console, columns, rows)
        for method, reason in self.reasons.items():
            console.print(escape(f"{method}: {reason}"))
