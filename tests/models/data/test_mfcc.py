"""The MFCC front end agrees with other implementations of the published formulas."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

from wptrain.data.readers.mfcc import FLOOR, Mfcc, triangles

RATE = 16000
WINDOWS = pytest.mark.parametrize("window_ms", [30, 40])


def waves() -> NDArray[np.float32]:
    """A chirp, noise, a click and nothing."""
    time = np.arange(RATE) / RATE
    made = np.zeros((4, RATE))
    made[0] = scipy.signal.chirp(time, 50, 1, 7000)
    made[1] = np.random.default_rng(0).uniform(-0.5, 0.5, RATE)
    made[2, 4000] = 1
    return made.astype(np.float32)


def test_shapes_are_the_published_ones() -> None:
    assert Mfcc()(waves()).shape == (4, 49, 10)
    assert Mfcc(window_ms=40)(waves()).shape == (4, 49, 10)
    assert [Mfcc().frames(samples) for samples in (479, 480, 799, 800, RATE)] == [0, 1, 1, 2, 49]


def mel(hertz: float) -> float:
    return 2595 * float(np.log10(1 + hertz / 700))


def by_definition(wave: NDArray[np.float32], window_ms: int) -> NDArray[np.float64]:
    """One frame after another with SciPy's window, DFT and DCT, one triangle after another."""
    length, hop = RATE * window_ms // 1000, 320
    bins = 2 ** int(np.ceil(np.log2(length)))
    edges = [mel(20) + (mel(4000) - mel(20)) * number / 41 for number in range(42)]
    rows = []
    for start in range(0, RATE - length + 1, hop):
        frame = wave[start : start + length] * scipy.signal.get_window("hann", length, fftbins=True)
        magnitudes = np.abs(scipy.fft.rfft(frame, bins))
        energies = []
        for low, top, high in zip(edges, edges[1:], edges[2:], strict=False):
            total = 0.0
            for number, magnitude in enumerate(magnitudes):
                at = mel(number * RATE / bins)
                if low < at < high:
                    total += magnitude * ((at - low) / (top - low) if at <= top else (high - at) / (high - top))
            energies.append(np.log(total + FLOOR))
        rows.append(scipy.fft.dct(energies, type=2)[:10] / np.sqrt(2 * 40))
    return np.array(rows)


@WINDOWS
def test_agrees_with_a_slow_implementation_from_the_formulas(window_ms: int) -> None:
    recordings = waves()
    found = Mfcc(window_ms=window_ms)(recordings)
    for wave, coefficients in zip(recordings, found, strict=True):
        assert np.allclose(coefficients, by_definition(wave, window_ms), rtol=0, atol=2e-3)


@pytest.fixture(scope="module")
def torchaudio() -> ModuleType:
    """torchaudio without its compiled part, which needs the CUDA libraries of PyTorch; no MFCC is computed there."""
    if importlib.util.find_spec("torchaudio") is None:
        pytest.skip("torchaudio not installed: it comes with `make setup-train`")
    extension = ModuleType("torchaudio._extension")
    vars(extension).update(_IS_TORCHAUDIO_EXT_AVAILABLE=False, fail_if_no_align=lambda function: function)
    sys.modules["torchaudio._extension"] = extension
    return importlib.import_module("torchaudio")


@WINDOWS
def test_agrees_with_torchaudio(torchaudio: ModuleType, window_ms: int) -> None:
    import torch  # noqa: PLC0415 - only where torchaudio is
    from torchaudio.compliance import kaldi  # noqa: PLC0415

    length, bins = RATE * window_ms // 1000, 512 if window_ms == 30 else 1024
    spectrogram = torchaudio.transforms.Spectrogram(
        bins,
        length,
        320,
        window_fn=lambda length: torch.hann_window(length, dtype=torch.float64),
        power=1,
        center=False,
    )
    # It puts the window into the middle of a DFT, `tf.signal.stft` at its start; magnitudes do not depend on that.
    margin = (bins - length) // 2
    recordings = torch.nn.functional.pad(torch.from_numpy(waves()).double(), (margin, margin))
    # Kaldi's triangles are linear in mel, as TensorFlow's; those of torchaudio's own MelScale are linear in Hz.
    banks, _ = kaldi.get_mel_banks(40, bins, RATE, 20.0, 4000.0, 100.0, -500.0, 1.0)
    weights = torch.nn.functional.pad(banks, (0, 1)).double().T
    dct = torchaudio.functional.create_dct(40, 40, "ortho").double()[:, :10]
    # TensorFlow does not divide the first coefficient by the square root of 2.
    dct[:, 0] *= 2**0.5
    expected = torch.log(spectrogram(recordings).transpose(1, 2) @ weights + FLOOR) @ dct
    assert np.allclose(triangles(RATE, bins), weights, atol=1e-5)
    # The triangles are float32 there.
    assert np.allclose(Mfcc(window_ms=window_ms)(waves()), expected, rtol=0, atol=2e-3)
