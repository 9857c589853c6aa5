"""Storage formats of weight matrices: one file per codec, a container they share, and a registry.

This package is the only place that knows the bytes of a blob. docs/FORMAT.md is their normative description.
"""

from wpconvert.codecs.blob import Blob, Layout, Side, SideKind, parse
from wpconvert.codecs.pool_table import Lut, Pool
from wpconvert.codecs.registry import CODECS, STANDALONE, Codec, Work, codec_of, decode, encode, unpack_side

__all__ = [
    "CODECS",
    "STANDALONE",
    "Blob",
    "Codec",
    "Layout",
    "Lut",
    "Pool",
    "Side",
    "SideKind",
    "Work",
    "codec_of",
    "decode",
    "encode",
    "parse",
    "unpack_side",
]
