"""What decoding a matrix of weights takes, as numbers that the cost model weighs."""

from __future__ import annotations

from wpconvert.model.layer import Storage

Features = dict[str, float]

DECODE, LIST, GROUP, DOT = "decode", "list", "group", "dot"
"""What a codec does with a row: write it, list its stored elements, in groups of 16 too, or multiply while it reads."""


def groups_of(count: int, size: int) -> int:
    """How many groups of `size` hold `count`."""
    return -(-count // size)


def decoding(weights: Storage, use: str, times: int = 1) -> Features:
    """All rows of a codec's blob, so many times; the tables that it decodes with are made once.

    Each codec does each thing in its own way, whatever layer it is for.
    """
    found = {"rows": weights.rows, "vectors": weights.rows * groups_of(weights.cols, 16)}
    found |= _OF_CODEC.get(weights.method, _sparse)(weights)
    rows = {f"{use} {weights.method}: {name}": float(count * times) for name, count in found.items()}
    tables = {name: weights.work[name] for name in _TABLES if name in weights.work}
    if tables:
        tables["once"] = 1
    return rows | {f"tables of {weights.method}: {name}": float(count) for name, count in tables.items()}


_TABLES = ("runs", "tokens", "symbols", "long symbols", "gap symbols", "mapped columns")

_Counts = dict[str, int]


def _sparse(weights: Storage) -> _Counts:
    return dict(weights.work)


def _bitmap(weights: Storage) -> _Counts:
    return {**weights.work, "words": weights.rows * groups_of(weights.cols, 32)}


def _packed(weights: Storage) -> _Counts:
    work, rows, cols = weights.work, weights.rows, weights.cols
    bits = work.get("bits", 8)
    mapping = "table" if work.get("table") else "integers"
    way = f"{mapping} of {bits if bits < 5 else 'more'} bits"
    return {
        f"eights, {way}": rows * (cols // 8),
        f"vectors, {way}": rows * groups_of(cols, 16),
        f"tails, {mapping}": rows * (cols % 8 > 0),
        "elements behind": rows * (cols % 8),
        "mapped by column": rows * cols * work.get("column tables", 0),
    }


def _huffman(weights: Storage) -> _Counts:
    work = weights.work
    way = ("runs" if work.get("runs") else "plain") + (", mapped" if work.get("mapped") else "")
    return {
        f"periods, {way}": weights.rows * work.get("periods", 1),
        f"stored, {way}": work.get("stored", 0),
        f"long values, {way}": work.get("long values", 0),
        f"odd periods, {way}": weights.rows * work.get("periods", 1) * work.get("odd", 0),
        "long gaps": work.get("long gaps", 0),
        "blocks with gaps": work.get("blocks", 0) * work.get("runs", 0),
    }


_OF_CODEC = {"bitmap": _bitmap, "packed": _packed, "huffman": _huffman}
