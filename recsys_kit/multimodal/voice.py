"""A spoken question: an English text said by espeak-ng, heard by PocketSphinx, as words that a search can take.

Both are extras: `pip install --no-deps pocketsphinx espeakng-loader` (29 MB and 10 MB). A machine's voice is no
shopper's: it is always the same, and clear. So the errors here say little of people.

Letters for shapes: S samples of sound.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Iterable, Sequence

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
        words: All that can be heard, such as the words of a shop's titles; those without a known pronunciation are
            left out. None: any English, by the package's own model of sentences.
    """

    def __init__(self, words: Iterable[str] | None = None):
        from pocketsphinx import Decoder

        self.decoder = Decoder(samprate=RATE, cmn="batch", loglevel="FATAL")  # batch: loudness over the whole question
        self.words: list[str] = []
        if words is not None:
            self.words = sorted(word for word in {word.lower() for word in words} if self.decoder.lookup_word(word))
            if not self.words:
                raise ValueError("no word of `words` has a known pronunciation: there is nothing to hear.")
            grammar = f"#JSGF V1.0; grammar shop; public <question> = ({' | '.join(self.words)})+;"
            self.decoder.add_jsgf_string("shop", grammar)
            self.decoder.activate_search("shop")

    def hear(self, sound: np.ndarray) -> str:
        """Returns the words of a sound (S,), empty if there are none."""
        self.decoder.start_utt()
        self.decoder.process_raw(sound.tobytes(), full_utt=True)
        self.decoder.end_utt()
        found = self.decoder.hyp()
        return found.hypstr if found else ""


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
