"""How close Huffman blobs come to the entropy, with constriction's coders as the measure."""

from __future__ import annotations

import constriction
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.codecs.test_huffman import huffman_cost
from tests.support.oracles import shared_model
from wpconvert.codecs import encode, prefix_code
from wpconvert.codecs import huffman_gaps as gaps
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.weights import rewritable_weights


def ans_nbits(symbols: NDArray[np.int64]) -> int:
    """What an asymmetric numeral system takes for symbols ≥ 0 with their own frequencies, not counting those."""
    counts = np.bincount(symbols)
    used = np.flatnonzero(counts)
    if len(used) < 2:
        return 0
    coder = constriction.stream.stack.AnsCoder()
    model = constriction.stream.model.Categorical(counts[used] / len(symbols), perfect=False)
    coder.encode_reverse(np.searchsorted(used, symbols).astype(np.int32), model)
    return int(coder.num_valid_bits())


def laplacian(shape: tuple[int, int], scale: float, zeros: float, seed: int) -> NDArray[np.int8]:
    generator = np.random.default_rng(seed)
    values = np.clip(np.rint(generator.laplace(0, scale, shape)), -127, 127)
    values[generator.random(shape) < zeros] = 0
    return values.astype(np.int8)


@pytest.mark.parametrize("scale", [2.0, 8.0, 25.0])
def test_weights_without_many_zeros_take_hardly_more_than_their_entropy(scale: float) -> None:
    weights = laplacian((128, 512), scale, 0.0, 50)
    bound = ans_nbits(weights.reshape(-1).astype(np.int64) + 128)
    assert bound / 8 < encode("huffman", weights, 1).nbytes < 1.02 * bound / 8 + 160


@pytest.mark.parametrize("zeros", [0.7, 0.9, 0.97])
def test_sparse_weights_take_hardly_more_than_gaps_and_values(zeros: float) -> None:
    weights = laplacian((128, 512), 20.0, zeros, 51)
    runs = gaps.runs_of(weights, len(weights))
    symbol, extra = gaps.symbols(runs.gap, gaps.MAX_DIRECT_LOG2)
    bound = ans_nbits(symbol) + int(extra.sum()) + ans_nbits(runs.value[~runs.last].astype(np.int64) + 128)
    assert encode("huffman", weights, 1).nbytes < 1.02 * bound / 8 + 240
    # Below 97 % zeros, single codes for values cannot do as well: a zero takes a bit or more.
    assert encode("huffman", weights, 1).nbytes < weights.size / 8 + np.count_nonzero(weights)


def test_the_code_is_the_one_of_constrictions_huffman_coder() -> None:
    counts = np.bincount(laplacian((64, 64), 4.0, 0.0, 52).reshape(-1).astype(np.int64) + 128, minlength=256)
    used = np.flatnonzero(counts)
    encoder = constriction.symbol.huffman.EncoderHuffmanTree(counts[used].astype(np.float64))
    coder = constriction.symbol.QueueEncoder()
    for symbol in np.repeat(np.arange(len(used)), counts[used]).tolist():
        coder.encode_symbol(symbol, encoder)
    _, nbits = coder.get_compressed()
    ours = prefix_code.limited_lengths(counts, 30)
    assert int((ours * counts).sum()) == huffman_cost(counts.tolist()) == nbits


@pytest.mark.parametrize(
    "name",
    [
        "ds_cnn_kws/dense_l",
        "ds_cnn_kws/sparse_l_75",
        "ds_cnn_kws/sparse_l_85",
        "ds_cnn_kws/sparse_l_95",
        "mlperf_tiny/resnet8_int8",
        "mlperf_tiny/vww_96_int8",
        "mobilenetv2_cifar10/dense50",
        "mobilenetv2_cifar10/sparse80",
        "mobilenetv2_cifar10/sparse90",
    ],
)
def test_blobs_of_a_model_stay_near_the_entropy_of_its_weights(name: str) -> None:
    """Headers, descriptions, row index and padding included; smaller models cannot spread them so far."""
    weights = rewritable_weights(parse(shared_model(f"{name}.tflite")))
    bound = nbytes = 0
    for weight in weights:
        bound += ans_nbits(weight.values.reshape(-1).astype(np.int64) + 128)
        nbytes += encode("huffman", weight.values, weight.row_dims).nbytes
    assert nbytes < 1.04 * bound / 8
