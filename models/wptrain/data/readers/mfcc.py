"""Mel-frequency cepstral coefficients as MLPerf Tiny's keyword spotting computes them.

Source: mlcommons/tiny, benchmark/training/keyword_spotting/get_dataset.py, which puts together `tf.signal`: frames
under a periodic Hann window, magnitudes of a DFT whose length is the next power of two, 40 triangles on the HTK mel
scale from 20 to 4000 Hz, log(x + 1e-6), and a DCT of type II, scaled by 1 / sqrt(2 * 40). The operators of TensorFlow's
speech_commands recipe (`audio_spectrogram`, `mfcc`) differ in two details: max(x, 1e-12) in the logarithm, and a lowest
triangle that leaves out the first bin above 0 Hz.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

LOWEST_HZ = 20.0
HIGHEST_HZ = 4000.0
MELS = 40
FLOOR = 1e-6


@dataclass(frozen=True)
class Mfcc:
    """A front end; `rate` in samples a second, `window_ms` and `stride_ms` of a frame, `coefficients` up to MELS."""

    rate: int = 16000
    window_ms: int = 30
    stride_ms: int = 20
    coefficients: int = 10

    @property
    def window(self) -> int:
        """Samples of a frame."""
        return self.rate * self.window_ms // 1000

    @property
    def stride(self) -> int:
        """Samples from one frame to the next."""
        return self.rate * self.stride_ms // 1000

    def frames(self, samples: int) -> int:
        """Whole frames in so many samples."""
        return max(0, 1 + (samples - self.window) // self.stride)

    def __call__(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        """Coefficients [n, frames, coefficients] of waves [n, samples] in [-1, 1]."""
        framed = np.lib.stride_tricks.sliding_window_view(waves, self.window, axis=1)[:, :: self.stride]
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / self.window)
        length = 1 << (self.window - 1).bit_length()
        magnitudes = np.abs(np.fft.rfft(framed * hann, length))
        # A product of matrices for each wave, so that the last bits do not depend on the other waves.
        logarithms = np.log(magnitudes @ triangles(self.rate, length) + FLOOR)
        return (logarithms @ cosines(self.coefficients)).astype(np.float32)


@cache
def triangles(rate: int, length: int) -> NDArray[np.float64]:
    """Weights [bins, MELS] of a DFT's bins: triangles that are linear in mel, each from its neighbours' tops."""
    bins = _mel(np.arange(length // 2 + 1) * rate / length)[:, np.newaxis]
    edges = np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), MELS + 2)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    return weights


@cache
def cosines(coefficients: int) -> NDArray[np.float64]:
    """The DCT [MELS, coefficients]."""
    angles = np.pi / MELS * (np.arange(MELS)[:, np.newaxis] + 0.5) * np.arange(coefficients)
    weights: NDArray[np.float64] = math.sqrt(2 / MELS) * np.cos(angles)
    return weights


def _mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)
