"""A spoken question: an English text said by espeak-ng, heard by PocketSphinx, as words that a search can take.

Both are extras: `pip install --no-deps pocketsphinx espeakng-loader` (29 MB and 10 MB). A machine's voice is no
shopper's: it is always the same, and clear. So the errors here say little of people.

Letters for shapes: S samples of sound.
"""

from __future__ import annotations

import ctypes
import importlib.util
import math
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

__all__ = ["PACKAGES", "RATE", "Listener", "missing", "say", "word_errors"]

PACKAGES = ("pocketsphinx", "espeakng_loader")
RATE = 16_000
"""Samples a second that the listener's sounds were recorded with."""


def missing() -> list[str]:
    """Returns which of the two packages are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def say(texts: Sequence[str], words_a_minute: int = 140) -> list[np.ndarray]:
    """Returns each text as sound, (S,) 16-bit samples at `RATE`, a quarter of a second of silence on both sides.

    Args:
        texts: English.
        words_a_minute: How fast it is said.
    """
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(2, 0, str(espeakng_loader.get_data_path()).encode(), 0)  # 2: samples, all at once
    library.espeak_SetVoiceByName(b"en-us")
    library.espeak_SetParameter(1, words_a_minute, 0)
    parts: list[np.ndarray] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def collect(samples, count, _):
        if samples and count > 0:
            parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    library.espeak_SetSynthCallback(collect)
    silence, found = np.zeros(RATE // 4), []
    for text in texts:
        parts.clear()
        content = text.encode() + b"\0"
        library.espeak_Synth(content, ctypes.c_size_t(len(content)), 0, 0, 0, 1, None, None)  # 1: the text is UTF-8
        sound = np.concatenate([np.zeros(1), *parts])
        sound = resample_poly(sound, RATE, rate)
        sound = np.r_[silence, sound * 12_000 / max(np.abs(sound).max(), 1.0), silence]
        found.append((sound + np.random.default_rng(0).normal(0, 5, len(sound))).astype(np.int16))  # no room is silent
    library.espeak_Terminate()
    return found


class Listener:
    """Turns sounds into words.

    Args:
        texts: What a shop writes, such as its titles: their words can be heard, common ones more easily. Words without
            a known pronunciation are left out. None: any English, by the package's own model of sentences.
    """

    def __init__(self, texts: Iterable[str] | None = None):
        from pocketsphinx import Decoder

        settings = {"samprate": RATE, "cmn": "batch", "loglevel": "FATAL"}  # batch: loudness over the whole question
        self.decoder, self.words = Decoder(**settings), []
        if texts is None:
            return
        count = Counter(word for text in texts for word in re.findall("[a-z']+", text.lower()))
        count = {word: size for word, size in sorted(count.items()) if self.decoder.lookup_word(word)}
        if not count:
            raise ValueError("no word of `texts` has a known pronunciation: there is nothing to hear.")
        self.words = list(count)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "words.arpa"
            path.write_text(_chances(count), encoding="utf-8")
            self.decoder = Decoder(lm=str(path), **settings)

    def hear(self, sound: np.ndarray) -> str:
        """Returns the words of a sound (S,), empty if there are none."""
        self.decoder.start_utt()
        self.decoder.process_raw(sound.tobytes(), full_utt=True)
        self.decoder.end_utt()
        found = self.decoder.hyp()
        return found.hypstr if found else ""


def _chances(count: dict[str, int]) -> str:
    """Writes how often each word comes, whatever stood before it, as a language model in ARPA's format."""
    total = sum(count.values()) * 1.5  # a third of all are ends: questions are short
    rows = [("<s>", 1e-9), ("</s>", 1 / 3), *((word, size / total) for word, size in count.items())]
    lines = "\n".join(f"{math.log10(chance):.4f} {word}" for word, chance in rows)
    return f"\\data\\\nngram 1={len(rows)}\n\n\\1-grams:\n{lines}\n\n\\end\\\n"


def word_errors(said: str, heard: str) -> int:
    """Counts the words to change, add and take out until what was heard is what was said (Levenshtein).

    Example:
        >>> word_errors("frozen pizza", "the frozen visa")
        2
    """
    left, right = said.lower().split(), heard.lower().split()
    row = list(range(len(right) + 1))
    for i, word in enumerate(left, 1):
        before, row[0] = row[:], i
        for j, other in enumerate(right, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (word != other))
    return row[-1]
