"""Recordings of 16 bits with one channel, as Speech Commands has them."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wptrain.errors import DataError

# An hour of 16,000 samples a second.
LARGEST = 1 << 27


def read_wav(path: Path, rate: int) -> NDArray[np.int16]:
    """The samples of a file, int16 [n] with n at least 1.

    Raises DataError unless it is PCM with 16 bits, one channel and `rate` samples a second, as long as its header says;
    OSError when it cannot be read.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise DataError(f"{path}: {size} bytes, expected a recording of at most {LARGEST}")
    raw = path.read_bytes()
    try:
        with wave.open(io.BytesIO(raw)) as file:
            found = (file.getframerate(), file.getnchannels(), 8 * file.getsampwidth())
            promised = file.getnframes()
            content = file.readframes(promised) if found == (rate, 1, 16) else b""
    except Exception as error:
        # A malformed file can end in almost any exception of the library.
        raise DataError(f"{path}: not a WAV file of PCM samples: {str(error) or 'it ends too early'}") from error
    if found != (rate, 1, 16):
        raise DataError(
            f"{path}: {found[0]} samples a second, {found[1]} channels, {found[2]} bits; expected {rate}, 1, 16; "
            f"convert it, for example with sox IN.wav -r {rate} -c 1 -b 16 OUT.wav"
        )
    if len(content) != 2 * promised or not promised:
        raise DataError(
            f"{path}: {len(content)} bytes of samples, expected {2 * promised} by its header and at least 2"
        )
    return np.frombuffer(content, "<i2").astype(np.int16)
