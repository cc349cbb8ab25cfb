"""Optional: a language model that rephrases an answer, for readers who are online; nothing depends on it (notebook 16).

The model never sees the customer's message and never decides what is said. It gets a finished answer and may say it
more kindly; if a number, a name or a date of the answer is lost or a new one appears, the finished answer stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

__all__ = ["generator", "rephrase"]


def generator(preset: str) -> tuple[Callable[[str], str] | None, str]:
    """Loads a causal language model through KerasHub.

    Args:
        preset: Such as "gemma3_instruct_1b"; empty: none.

    Returns:
        What maps a prompt to its continuation, or None; and a sentence that says what happened.

    Example:
        >>> generator("")
        (None, 'No preset is set: answers stay as the templates have them.')
    """
    if not preset:
        return None, "No preset is set: answers stay as the templates have them."
    try:
        import keras_hub
    except ImportError:
        return None, "KerasHub is not installed (pip install keras-hub): answers stay as the templates have them."
    try:
        model = keras_hub.models.CausalLM.from_preset(preset)
    except Exception as error:  # an unknown name, no network, no licence, no memory: KerasHub raises many kinds
        short = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        return None, f"The preset {preset!r} can't be loaded ({short}): answers stay as the templates have them."

    def generate(prompt: str) -> str:
        return str(model.generate(prompt, max_length=256)).removeprefix(prompt)

    return generate, f"{preset} rephrases the answers."


def rephrase(text: str, generate: Callable[[str], str] | None, kept: Iterable[str] = ()) -> str:
    """Returns an answer in the model's words, or as it was if the model changed what it says.

    Args:
        text: The finished answer.
        generate: What `generator` returned.
        kept: Further texts that must stay word for word, such as titles.

    Example:
        >>> rephrase("It costs $3.50.", lambda prompt: "That would be $3.50, with pleasure.")
        'That would be $3.50, with pleasure.'
        >>> rephrase("It costs $3.50.", lambda prompt: "It costs $2.00.")
        'It costs $3.50.'
    """
    if generate is None:
        return text
    prompt = f"Say this to a customer in friendly words, in the same language. Keep every number and name.\n{text}\n"
    try:
        said = generate(prompt).strip()
    except Exception:  # a model that fails must not take the answer with it
        return text
    numbers = re.findall(r"\d[\d.,]*\d|\d", text)
    same = sorted(re.findall(r"\d[\d.,]*\d|\d", said)) == sorted(numbers)
    return said if said and same and all(part in said for part in kept) and len(said) < 3 * len(text) + 80 else text
