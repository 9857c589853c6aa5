"""Speech Commands: official lists, shifts and noise by sample index, silence and unknown words in their shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from wpconvert.errors import FileError, UsageError
from wptrain import data
from wptrain.data.draws import Key
from wptrain.data.module import SPLITS
from wptrain.data.readers.mfcc import Mfcc
from wptrain.data.sets.speech_commands import COMMANDS, Speech
from wptrain.errors import DataError

from .makers import refused, sizes, wav, write_tree

RATE = 16000
OTHERS = ("bed", "cat")
PER_WORD = 10
PLAIN: dict[str, object] = {"words": 10, "noise": 0, "shift_ms": 0}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def tone(seed: int, length: int = RATE) -> NDArray[np.int16]:
    return (8000 * np.sin(np.arange(length) * (seed + 3) / 50)).astype(np.int16)


def archive() -> dict[str, bytes]:
    """Ten recordings a word: the last two for testing, the two before for validation."""
    files: dict[str, bytes] = {}
    lists: dict[str, list[str]] = {"validation_list.txt": [], "testing_list.txt": []}
    for number, word in enumerate((*COMMANDS, *OTHERS)):
        for index in range(PER_WORD):
            name = f"{word}/{index}_nohash_0.wav"
            files[name] = wav(tone(10 * number + index, RATE - 100 * index))
            if index >= 6:
                lists["testing_list.txt" if index >= 8 else "validation_list.txt"].append(name)
    files |= {name: ("\n".join(lines) + "\n").encode() for name, lines in lists.items()}
    noise = np.random.default_rng(0).integers(-3000, 3000, 3 * RATE)
    files |= {"_background_noise_/hum.wav": wav(noise.astype(np.int16)), "_background_noise_/README.md": b"noise"}
    return files | {"README.md": b"", "LICENSE": b""}


def opened(folder: Path, options: Mapping[str, object]) -> Speech:
    module = data.load(f"speech-commands:{folder}", options)
    assert isinstance(module, Speech)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("speech"), archive())


@pytest.mark.parametrize(
    ("words", "classes", "expected"),
    [("10", 10, [60, 20, 20]), (12, 12, [60 + 6 + 6, 20 + 2 + 2, 20 + 2 + 2]), (35, 12, [72, 24, 24])],
)
def test_splits_are_those_of_the_lists(folder: Path, words: int | str, classes: int, expected: list[int]) -> None:
    module = opened(folder, {"words": words})
    assert len(module.classes) == classes
    assert sizes(module) == expected
    seen = [name for split in SPLITS for name in module.parts[split].names if name]
    assert max(Counter(seen).values()) == 1
    assert all(int(name.split("/")[1][0]) >= 8 for name in module.parts["test"].names if name)
    for split in SPLITS:
        for name, label in zip(module.parts[split].names, module.labels(split), strict=True):
            word = name.split("/")[0] if name else "silence"
            assert module.classes[label] == (word if word in module.classes else "unknown")


def test_unknown_words_are_spread_over_all_other_words(folder: Path) -> None:
    names = opened(folder, {"words": 12}).parts["train"].names
    assert {name.split("/")[0] for name in names} >= set(OTHERS)


def test_a_sample_is_the_mfcc_of_the_scaled_recording(folder: Path) -> None:
    module = opened(folder, PLAIN)
    assert module.sample_shape == (49, 10, 1)
    samples, labels = module.batch("train", np.array([0, 7]))
    # Words in order: the second is the recording 1 of "go", 100 samples short of a second.
    assert [module.classes[label] for label in labels] == ["down", "go"]
    wave = np.zeros((1, RATE), np.float32)
    recording = tone(11, RATE - 100).astype(np.float32)
    wave[0, : RATE - 100] = recording / recording.max()
    assert np.allclose(samples[1, ..., 0], Mfcc()(wave)[0], atol=1e-4)
    wide = opened(folder, PLAIN | {"window_ms": 40, "coefficients": 20})
    assert wide.batch("train", np.array([7])).samples.shape == (1, 49, 20, 1) == (1, *wide.sample_shape)


def test_training_samples_differ_by_epoch_and_not_by_batch(folder: Path) -> None:
    module = opened(folder, {"words": 12})
    order = np.random.default_rng(0).permutation(72)
    whole = module.batch("train", order, Key(0, 3)).samples
    assert np.array_equal(module.batch("train", order[10:13], Key(0, 3)).samples, whole[10:13])
    others = module.batch("train", order, Key(0, 4)).samples
    assert (np.abs(whole - others).max(axis=(1, 2, 3)) > 0.1).all()


def test_noise_is_mixed_in_as_often_as_asked_for(folder: Path) -> None:
    indices = np.arange(60)
    plain = opened(folder, PLAIN).batch("train", indices).samples
    for noise, low, high in ((0.0, 0, 0), (0.5, 18, 42), (1.0, 60, 60)):
        mixed = opened(folder, PLAIN | {"noise": noise, "volume": 1.0}).batch("train", indices, Key(1, 1)).samples
        assert low <= (np.abs(mixed - plain).max(axis=(1, 2, 3)) > 1e-3).sum() <= high


def test_shifts_move_recordings_both_ways_and_never_beyond_the_limit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    click = np.zeros((60, RATE), np.float32)
    click[:, RATE // 2] = 1
    heard: list[NDArray[np.float32]] = []
    monkeypatch.setattr(Speech, "_recording", lambda *_: click[0])

    def hear(_: Mfcc, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        heard.append(waves)
        return np.zeros((len(waves), 49, 10), np.float32)

    monkeypatch.setattr(Mfcc, "__call__", hear)
    opened(folder, PLAIN | {"shift_ms": 100}).batch("train", np.arange(60), Key(0, 0))
    offsets = heard[0].argmax(axis=1) - RATE // 2
    assert (heard[0].sum(axis=1) == 1).all()
    assert -1600 <= offsets.min() < -800
    assert 800 < offsets.max() <= 1600


def test_silence_is_noise_that_stays_the_same_where_nothing_is_trained(folder: Path) -> None:
    module = opened(folder, {"words": 12})
    silent = np.flatnonzero(module.labels("test") == module.classes.index("silence"))
    first, second = (module.batch("test", silent).samples for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first[0], first[1])
    validation = np.flatnonzero(module.labels("validation") == module.classes.index("silence"))
    assert not np.array_equal(module.batch("validation", validation).samples, first)
    nothing = Mfcc()(np.zeros((1, RATE), np.float32))[0, 0, 0]
    assert (first[..., 0, 0].mean(axis=-1) > nothing).all()


def test_identity_is_of_recordings_lists_noise_and_options(tmp_path: Path) -> None:
    files = archive()
    folder = write_tree(tmp_path / "a", files)
    known = {
        opened(folder, {}).identity(),
        opened(folder, {"words": 10}).identity(),
        opened(folder, {"noise": 0.5}).identity(),
    }
    for name in ("yes/0_nohash_0.wav", "yes/9_nohash_0.wav", "_background_noise_/hum.wav"):
        (folder / name).write_bytes(files[name][:-2] + b"\x01\x01")
        known.add(opened(folder, {}).identity())
    (folder / "validation_list.txt").write_bytes(files["validation_list.txt"] + b"yes/0_nohash_0.wav\n")
    known.add(opened(folder, {}).identity())
    assert len(known) == 7
    assert opened(write_tree(tmp_path / "b", files), {}).identity() in known


LIST = "validation_list.txt"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (LIST, None, "validation_list.txt: missing; unpack the archive again"),
        (LIST, b"\xff\xfe", "validation_list.txt: not a text file"),
        (LIST, b"yes/none.wav", "validation_list.txt: names yes/none.wav, which is missing"),
        (LIST, b"../../etc/passwd", "validation_list.txt: names ../../etc/passwd, which is missing"),
        (
            LIST,
            b"yes/9_nohash_0.wav",
            "testing_list.txt: names yes/9_nohash_0.wav, which validation_list.txt names too",
        ),
        (LIST, b"yes/1_nohash_0.wav", "validation: no recordings of down, go"),
        ("_background_noise_/hum.wav", None, "_background_noise_: no background noise found"),
        ("_background_noise_/hum.wav", wav(tone(0, 9000)), "9000 samples, expected at least 16000"),
        (
            "_background_noise_/hum.wav",
            wav(tone(0), 8000),
            "8000 samples a second, 1 channels, 16 bits; expected 16000",
        ),
        ("_background_noise_/hum.wav", b"RIFF", "not a WAV file of PCM samples"),
    ],
)
def test_wrong_archive_is_one_line(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    folder = write_tree(tmp_path, archive())
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    assert message in refused(f"speech-commands:{folder}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a WAV file of PCM samples: it ends too early"),
        (b"RIFF\x04\x00\x00\x00WAVE", "not a WAV file of PCM samples"),
        (wav(tone(0))[:-10], "31990 bytes of samples, expected 32000"),
        (wav(tone(0, 0)), "0 bytes of samples"),
        (wav(tone(0), channels=2), "2 channels"),
        (wav(tone(0, RATE + 1)), "16001 samples, expected at most 16000"),
    ],
)
def test_bad_recording_is_one_line_when_it_is_read(tmp_path: Path, content: bytes, message: str) -> None:
    module = opened(write_tree(tmp_path, archive() | {"down/0_nohash_0.wav": content}), PLAIN)
    with pytest.raises(DataError) as caught:
        module.batch("train", np.arange(10))
    assert message in str(caught.value)
    assert "down/0_nohash_0.wav" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_words_folders_and_wrong_options_are_told_apart(tmp_path: Path) -> None:
    choice = f"speech-commands:{write_tree(tmp_path / 'some', {'yes/0.wav': b'', 'no/0.wav': b''})}"
    assert "found no folder for down, go, left, off, on, right, stop, up" in refused(choice)
    assert "no such folder" in refused(f"speech-commands:{tmp_path / 'absent'}", FileError)
    assert "option words 11: input should be 10, 12 or 35" in refused(choice, UsageError, {"words": "11"})
