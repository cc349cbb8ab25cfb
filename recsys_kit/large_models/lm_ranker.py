"""A language model as recommender: how much more likely is an item after this history than after none? (notebook 09).

Letters for shapes: C candidates, T tokens of the longest, V words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from recsys_kit.large_models import llama

__all__ = ["FRAMES", "Frame", "LanguageModelRanker"]


@dataclass(frozen=True)
class Frame:
    """How a history is written down.

    Attributes:
        before: What stands before the items.
        between: What stands between two of them.
        after: What stands before the candidate, which follows a space.
        none: What stands before the candidate if there is no history.

    Example:
        >>> Frame("Shopping list:", ",", ",", "Shopping list:").prompt(["milk", "eggs"])
        'Shopping list: milk, eggs,'
    """

    before: str
    between: str
    after: str
    none: str

    def prompt(self, names: Sequence[str]) -> str:
        """Returns the text before the candidate."""
        return f"{self.before} {f'{self.between} '.join(names)}{self.after}" if len(names) else self.none


FRAMES = {
    "list": Frame("Shopping list:", ",", ",", "Shopping list:"),
    "sentence": Frame("This week I bought", ",", " and I still need", "This week I bought food and I still need"),
    "lines": Frame("Grocery receipt\n-", "\n-", "\n-", "Grocery receipt\n-"),
}
"""Wordings that say the same."""


@dataclass
class LanguageModelRanker:
    """Ranks names by a language model.

    Attributes:
        reader: A Llama model with its memory.
        tokenizer: Its tokenizer.
        frame: How a history is written.
        batch: How many candidates are read at once; bounds the memory.
        known: Log-likelihoods of names without a history, kept.
    """

    reader: llama.Reader
    tokenizer: object
    frame: Frame = FRAMES["list"]
    batch: int = 64
    known: dict[str, float] = field(default_factory=dict, repr=False)

    def log_likelihood(self, prompt: str, names: Sequence[str]) -> np.ndarray:
        """Returns (C,) the log-likelihood of each name after a text.

        The text is read once; its keys and values serve all names. Their last tokens need not be read at all.

        Args:
            prompt: The text.
            names: C names.
        """
        tokens = [self.tokenizer.encode(f" {name}").ids for name in names]
        x, cache = self.reader.read([self.tokenizer.encode(prompt).ids])
        first = llama.log_probabilities(self.reader.model, x[0, -1])  # (V,)
        found = np.array([first[some[0]] for some in tokens], float)
        sizes = np.array([len(some) for some in tokens])
        for size in sorted(set(sizes.tolist()) - {1}):  # names of one length together: nothing is padded
            of_size = np.flatnonzero(sizes == size)
            for part in np.array_split(of_size, -(-len(of_size) // self.batch)):
                ids = np.array([tokens[i] for i in part])  # (C, T)
                x, _ = self.reader.read(ids[:, :-1], cache, remember=False)
                found[part] += llama.token_scores(self.reader.model, x, ids[:, 1:]).sum(1)
        return found

    def prior(self, names: Sequence[str]) -> np.ndarray:
        """Returns (C,) the log-likelihood of each name without a history; each is computed once."""
        new = [name for name in dict.fromkeys(names) if name not in self.known]
        if new:
            self.known |= dict(zip(new, self.log_likelihood(self.frame.none, new).tolist(), strict=True))
        return np.array([self.known[name] for name in names])

    def lift(self, history: Sequence[str], names: Sequence[str]) -> np.ndarray:
        """Returns (C,) log p(name | history) - log p(name): what the history adds to how common the words are.

        Args:
            history: Names of what was bought, oldest first.
            names: C candidates.
        """
        return self.log_likelihood(self.frame.prompt(history), names) - self.prior(names)
