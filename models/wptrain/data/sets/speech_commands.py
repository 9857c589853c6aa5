"""Speech Commands: one folder of WAV files per word, the official lists of validation and test files."""

from __future__ import annotations

import hashlib
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from wpconvert.errors import FileError
from wptrain.errors import DataError

from ..draws import Key, uniform
from ..module import SPLITS, Batch, Provenance, SplitName
from ..options import Options
from ..readers import digests
from ..readers.mfcc import MELS, Mfcc
from ..readers.wav import read_wav
from ..splits import SPLIT_SEED

RATE = 16000
COMMANDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
SILENCE, UNKNOWN = "silence", "unknown"
NOISE = "_background_noise_"
LISTS: dict[SplitName, str] = {"validation": "validation_list.txt", "test": "testing_list.txt"}
# Silence, and unknown words, for so many recordings of the ten commands.
SHARE = 10
_READERS = 8
_FULL_SCALE = np.float32(1 << 15)


class SpeechOptions(Options):
    """`words`: 10 commands, 12 with unknown words and silence, or all 35. `window_ms`, `coefficients`: of the MFCC.

    In training a recording is moved by up to `shift_ms` and, with probability `noise`, mixed with background noise of
    up to `volume` times its own level.
    """

    words: Literal[10, 12, 35] = 12
    window_ms: Literal[30, 40] = 30
    coefficients: int = Field(10, ge=1, le=MELS)
    shift_ms: int = Field(100, ge=0, le=500)
    noise: float = Field(0.8, ge=0, le=1)
    volume: float = Field(0.1, ge=0, le=1)


@dataclass(frozen=True)
class _Part:
    """The recordings of a split, paths below the dataset's folder ("" for silence), and labels."""

    names: tuple[str, ...]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Speech:
    """A `DataModule` of MFCCs [frames, coefficients, 1]; recordings of one second are read as training goes."""

    root: Path
    options: SpeechOptions
    provenance: Provenance
    classes: tuple[str, ...]
    parts: dict[SplitName, _Part]
    noises: dict[str, NDArray[np.int16]]

    @property
    def front_end(self) -> Mfcc:
        return Mfcc(RATE, window_ms=self.options.window_ms, coefficients=self.options.coefficients)

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        return self.front_end.frames(RATE), self.options.coefficients, 1

    def labels(self, split: SplitName) -> NDArray[np.int64]:
        return self.parts[split].labels

    def batch(self, split: SplitName, indices: NDArray[np.int64], key: Key | None = None) -> Batch:
        part = self.parts[split]
        names = [part.names[index] for index in indices]
        with ThreadPoolExecutor(_READERS) as pool:
            waves = np.stack(list(pool.map(self._recording, names)))
        silent = np.array([not name for name in names])
        # Silence is noise in every split; outside training it is always the same one.
        drawn = uniform(key or Key(SPLIT_SEED, SPLITS.index(split)), indices, 5)
        if key is not None and self.options.shift_ms:
            most = RATE * self.options.shift_ms // 1000
            waves = _shifted(waves, (drawn[:, 0] * (2 * most + 1)).astype(np.int64) - most)
        volumes = np.where(drawn[:, 1] < self.options.noise, self.options.volume, 0.0) * (key is not None)
        volumes = np.where(silent, 1.0, volumes) * drawn[:, 2]
        waves = np.clip(waves + volumes[:, np.newaxis] * self._noise(drawn[:, 3:]), -1.0, 1.0).astype(np.float32)
        return Batch(self.front_end(waves)[..., np.newaxis], part.labels[indices])

    def calibration(self, count: int) -> NDArray[np.float32]:
        order = np.random.default_rng(SPLIT_SEED).permutation(len(self.parts["train"].names))
        return self.batch("train", order[:count]).samples

    def identity(self) -> str:
        digest = hashlib.sha256(repr((self.classes, self.options, digests.content(self.root, [*self.noises]))).encode())
        for name, part in self.parts.items():
            files = [file for file in part.names if file]
            digest.update(repr((name, len(part.names), digests.content(self.root, files))).encode())
            digest.update(part.labels.astype("<i8").tobytes())
        return digest.hexdigest()

    def _recording(self, name: str) -> NDArray[np.float32]:
        """One second, zeros after a shorter recording; its largest sample is 1, as MLPerf Tiny scales it."""
        wave = np.zeros(RATE, np.float32)
        if not name:
            return wave
        path = self.root / name
        try:
            samples = read_wav(path, RATE)
        except OSError as error:
            raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
        if len(samples) > RATE:
            raise DataError(f"{path}: {len(samples)} samples, expected at most {RATE} (one second); cut it")
        wave[: len(samples)] = samples / (np.float32(samples.max()) if samples.max() > 0 else _FULL_SCALE)
        return wave

    def _noise(self, draws: NDArray[np.float64]) -> NDArray[np.float32]:
        """One second of noise for each pair of random numbers, which choose a recording and where it starts."""
        noises = list(self.noises.values())
        seconds = np.zeros((len(draws), RATE), np.float32)
        if noises:
            for index, (which, where) in enumerate(draws.tolist()):
                noise = noises[int(which * len(noises))]
                start = int(where * (len(noise) - RATE + 1))
                seconds[index] = noise[start : start + RATE] / _FULL_SCALE
        return seconds


def load(path: Path, options: SpeechOptions) -> Speech:
    """The recordings below the unpacked archive; only the background noise is read.

    Raises FileError when there is no such folder, DataError when words, lists or noise are missing or malformed.
    """
    if not path.is_dir():
        raise FileError(f"{path}: no such folder; expected the unpacked Speech Commands archive")
    words = tuple(sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not _hidden(entry.name)))
    missing = sorted(set(COMMANDS) - set(words)) if options.words < 35 else []
    if missing or len(words) < 2:
        raise DataError(f"{path}: found no folder for {', '.join(missing) or 'words'}; unpack the archive again")
    found = _by_split(path, words)
    classes = {10: COMMANDS, 12: (*COMMANDS, SILENCE, UNKNOWN), 35: words}[options.words]
    with_noise = options.words == 12 or options.noise > 0
    return Speech(
        path,
        options,
        Provenance(
            name=f"Speech Commands, {len(classes)} classes",
            origin="P. Warden, Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, 2018, "
            "arXiv 1804.03209",
            licence="CC BY 4.0",
            split_rule="the official lists" + (_RULE if options.words == 12 else ""),
        ),
        classes,
        {split: _part(names, classes, options.words == 12, f"{path}: {split}") for split, names in found.items()},
        _noises(path) if with_noise else {},
    )


_RULE = (
    f"; for {SHARE} recordings of commands one of silence and one of other words, "
    f"the latter drawn with seed {SPLIT_SEED}"
)


def _hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _by_split(root: Path, words: tuple[str, ...]) -> dict[SplitName, list[str]]:
    """`WORD/FILE.wav` of each split, in the order of the names."""
    everything = [f"{word}/{file.name}" for word in words for file in sorted((root / word).glob("*.wav"))]
    listed = {split: _list(root / name, words, set(everything)) for split, name in LISTS.items()}
    both = sorted(listed["validation"] & listed["test"])
    if both:
        raise DataError(f"{root / LISTS['test']}: names {both[0]}, which {LISTS['validation']} names too")
    held = listed["validation"] | listed["test"]
    return {
        "train": [name for name in everything if name not in held],
        "validation": sorted(listed["validation"]),
        "test": sorted(listed["test"]),
    }


def _list(path: Path, words: tuple[str, ...], existing: set[str]) -> set[str]:
    """The files that an official list names and that are there. A word without a folder is left out."""
    try:
        lines = path.read_text(encoding="utf-8").split()
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing; unpack the archive again") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file; unpack the archive again") from error
    for line in lines:
        if line not in existing and (line.count("/") != 1 or line.split("/")[0] in words):
            raise DataError(f"{path}: names {line}, which is missing; unpack the archive again")
    return existing.intersection(lines)


def _part(names: list[str], classes: tuple[str, ...], extended: bool, where: str) -> _Part:
    """The recordings of the classes, in their order; extended: then silence and some of the other words."""
    index = {word: number for number, word in enumerate(classes)}
    of_word = [(name, index[word]) for name in names if (word := name.split("/")[0]) in index]
    absent = sorted(set(index) - {name.split("/")[0] for name, _ in of_word} - {SILENCE, UNKNOWN})
    if absent:
        raise DataError(f"{where}: no recordings of {', '.join(absent)}; unpack the archive again")
    if extended:
        count = math.ceil(len(of_word) / SHARE)
        of_word += [("", index[SILENCE])] * count
        others = [name for name in names if name.split("/")[0] not in index]
        chosen = np.random.default_rng(SPLIT_SEED).permutation(len(others))[:count]
        of_word += [(others[number], index[UNKNOWN]) for number in sorted(chosen.tolist())]
        if not others:
            raise DataError(f"{where}: no recordings of other words; unpack the archive again, or use words=10")
    return _Part(tuple(name for name, _ in of_word), np.array([label for _, label in of_word], np.int64))


def _noises(root: Path) -> dict[str, NDArray[np.int16]]:
    noises = {f"{NOISE}/{file.name}": read_wav(file, RATE) for file in sorted((root / NOISE).glob("*.wav"))}
    for name, noise in noises.items():
        if len(noise) < RATE:
            raise DataError(f"{root / name}: {len(noise)} samples, expected at least {RATE} (one second)")
    if not noises:
        raise DataError(
            f"{root / NOISE}: no background noise found; unpack the archive again, or use noise=0 with words=10 or 35"
        )
    return noises


def _shifted(waves: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
    """Each wave later by its offset, zeros where nothing is left."""
    moved = np.zeros_like(waves)
    for wave, target, offset in zip(waves, moved, offsets.tolist(), strict=True):
        if offset >= 0:
            target[offset:] = wave[: RATE - offset]
        else:
            target[:offset] = wave[-offset:]
    return moved
