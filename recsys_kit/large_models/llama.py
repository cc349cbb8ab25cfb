"""The Llama model in Keras: RMS norm, rotary positions, grouped-query attention, SwiGLU, a key-value cache.

Letters for shapes: B texts (batch), T tokens, P tokens in the cache, D width, H query heads, G key-value heads, E width
of a head, F width of the feed-forward part, V words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from recsys_kit.large_models.gguf_file import ModelFile
from recsys_kit.neural import devices

__all__ = ["Config", "GroupedQueryAttention", "LlamaBlock", "Reader", "SwiGLU", "TiedWords"]
__all__ += ["blocks", "build", "config", "generate", "load", "log_probabilities", "rotate", "token_scores"]

_register = keras.saving.register_keras_serializable(package="recsys_kit.large_models")


@dataclass(frozen=True)
class Config:
    """Sizes of a Llama model.

    Attributes:
        words: V, size of the vocabulary.
        blocks: How many blocks.
        width: D.
        heads: H, query heads.
        kv_heads: G, heads of keys and values; H / G query heads share one.
        hidden: F, width inside the feed-forward part.
        base: How slowly the slowest rotary pair turns.
        epsilon: Keeps the norm from dividing by zero.
    """

    words: int
    blocks: int
    width: int
    heads: int
    kv_heads: int
    hidden: int
    base: float = 10000.0
    epsilon: float = 1e-5


def config(file: ModelFile) -> Config:
    """Returns the sizes that a file's facts tell."""
    fact = {name.removeprefix("llama."): value for name, value in file.facts.items()}
    return Config(
        words=len(fact["tokenizer.ggml.tokens"]),
        blocks=fact["block_count"],
        width=fact["embedding_length"],
        heads=fact["attention.head_count"],
        kv_heads=fact["attention.head_count_kv"],
        hidden=fact["feed_forward_length"],
        base=fact["rope.freq_base"],
        epsilon=fact["attention.layer_norm_rms_epsilon"],
    )


def rotate(x, start: int = 0, base: float = 10000.0):
    """Turns each pair of numbers by an angle that grows with the position.

    A product of two turned vectors then depends only on how far apart they are.

    Args:
        x: (B, T, heads, E) queries or keys.
        start: Position of the first token.
        base: The pair j turns by base ** (-2 j / E) a position.
    """
    length, size = x.shape[1] or ops.shape(x)[1], x.shape[-1]
    speed = ops.convert_to_tensor(base ** (-np.arange(0, size, 2) / size), "float32")  # (E / 2,)
    angle = ops.cast(ops.arange(start, start + length), "float32")[:, None] * speed  # (T, E / 2)
    cosine, sine = ops.cos(angle)[:, None], ops.sin(angle)[:, None]  # (T, 1, E / 2)
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = ops.stack([even * cosine - odd * sine, even * sine + odd * cosine], axis=-1)  # (B, T, heads, E / 2, 2)
    return ops.reshape(turned, ops.shape(x))


@_register
class GroupedQueryAttention(layers.Layer):
    """Causal attention in which several query heads share keys and values: the cache is H / G times smaller.

    Args:
        heads: H.
        kv_heads: G.
        base: Of the rotary positions.

    Example:
        >>> GroupedQueryAttention(heads=4, kv_heads=2)(np.zeros((1, 3, 8), "float32")).shape
        TensorShape([1, 3, 8])
    """

    def __init__(self, heads: int, kv_heads: int, base: float = 10000.0, **kwargs):
        super().__init__(**kwargs)
        if heads % kv_heads:
            raise ValueError(f"`kv_heads` must divide `heads`. Received: heads={heads}, kv_heads={kv_heads}.")
        self.heads, self.kv_heads, self.base = heads, kv_heads, base

    def build(self, input_shape):
        """Creates the four projections."""
        width = input_shape[-1]
        self.size = width // self.heads
        outputs = {"query": width, "key": self.kv_heads * self.size, "value": self.kv_heads * self.size, "out": width}
        for name, units in outputs.items():
            setattr(self, name, layers.Dense(units, use_bias=False, name=name))
            getattr(self, name).build((None, None, width))

    def call(self, x, past=None, return_cache: bool = False):
        """Attends over the tokens in `past` and those before in x.

        Args:
            x: (B, T, D).
            past: Keys and values of P earlier tokens, (B, P, G, E) each (or (1, P, G, E), shared by the batch).
            return_cache: Return the keys and values of all P + T tokens, too.
        """
        batch, length = ops.shape(x)[0], x.shape[1] or ops.shape(x)[1]
        start = 0 if past is None else ops.shape(past[0])[1]
        split = lambda y, heads: ops.reshape(y, (batch, length, heads, self.size))  # noqa: E731
        query = rotate(split(self.query(x), self.heads), start, self.base)
        key, value = rotate(split(self.key(x), self.kv_heads), start, self.base), split(self.value(x), self.kv_heads)
        if past is not None:
            old = [ops.broadcast_to(part, (batch, start, self.kv_heads, self.size)) for part in past]
            key, value = ops.concatenate([old[0], key], 1), ops.concatenate([old[1], value], 1)
        query = ops.reshape(query, (batch, length, self.kv_heads, self.heads // self.kv_heads, self.size))
        score = ops.einsum("btgre,bsge->bgrts", query, key) / self.size**0.5  # (B, G, H / G, T, P + T)
        later = ops.arange(start + length)[None] > ops.arange(start, start + length)[:, None]
        weight = ops.softmax(ops.where(later, -1e9, score))
        mixed = ops.reshape(ops.einsum("bgrts,bsge->btgre", weight, value), (batch, length, self.heads * self.size))
        return (self.out(mixed), (key, value)) if return_cache else self.out(mixed)

    def compute_output_spec(self, x, past=None, return_cache: bool = False):
        """Returns the shape of the output, (B, T, D)."""
        return keras.KerasTensor(x.shape, self.compute_dtype)

    def get_config(self):
        """Returns the arguments."""
        return super().get_config() | {"heads": self.heads, "kv_heads": self.kv_heads, "base": self.base}


@_register
class SwiGLU(layers.Layer):
    """The feed-forward part: one projection opens and closes the gates of another.

    Args:
        hidden: F.

    Example:
        >>> SwiGLU(hidden=6)(np.zeros((1, 3, 8), "float32")).shape
        TensorShape([1, 3, 8])
    """

    def __init__(self, hidden: int, **kwargs):
        super().__init__(**kwargs)
        self.hidden = hidden

    def build(self, input_shape):
        """Creates the three projections."""
        width = input_shape[-1]
        sizes = {"gate": (width, self.hidden), "up": (width, self.hidden), "down": (self.hidden, width)}
        for name, (inputs, units) in sizes.items():
            setattr(self, name, dense := layers.Dense(units, use_bias=False, name=name))
            dense.build((None, None, inputs))

    def call(self, x):
        """Returns (B, T, D)."""
        return self.down(ops.silu(self.gate(x)) * self.up(x))

    def get_config(self):
        """Returns the arguments."""
        return super().get_config() | {"hidden": self.hidden}


@_register
class LlamaBlock(layers.Layer):
    """Attention, then the feed-forward part; each reads a normalised x and adds to it.

    Args:
        heads: H.
        kv_heads: G.
        hidden: F.
        base: Of the rotary positions.
        epsilon: Of the norms.

    Example:
        >>> LlamaBlock(heads=4, kv_heads=2, hidden=6)(np.zeros((1, 3, 8), "float32")).shape
        TensorShape([1, 3, 8])
    """

    def __init__(self, heads: int, kv_heads: int, hidden: int, base: float = 10000.0, epsilon: float = 1e-5, **kwargs):
        super().__init__(**kwargs)
        self.arguments = {"heads": heads, "kv_heads": kv_heads, "hidden": hidden, "base": base, "epsilon": epsilon}
        self.norm, self.second_norm = (layers.RMSNormalization(epsilon=epsilon) for _ in range(2))
        self.attention, self.feed_forward = GroupedQueryAttention(heads, kv_heads, base), SwiGLU(hidden)

    def build(self, input_shape):
        """Builds the parts."""
        for part in (self.norm, self.attention, self.second_norm, self.feed_forward):
            part.build(input_shape)

    def call(self, x, past=None, return_cache: bool = False):
        """Returns (B, T, D), and the cache if that is asked for; see `GroupedQueryAttention`."""
        found = self.attention(self.norm(x), past=past, return_cache=return_cache)
        attended, cache = found if return_cache else (found, None)
        x = x + attended
        x = x + self.feed_forward(self.second_norm(x))
        return (x, cache) if return_cache else x

    def compute_output_spec(self, x, past=None, return_cache: bool = False):
        """Returns the shape of the output, (B, T, D)."""
        return keras.KerasTensor(x.shape, self.compute_dtype)

    def get_config(self):
        """Returns the arguments."""
        return super().get_config() | self.arguments


@_register
class TiedWords(layers.Layer):
    """The table of word vectors, read both ways: ids to vectors, and vectors to logits.

    Args:
        words: V.
        width: D.

    Example:
        >>> TiedWords(words=5, width=8)(np.zeros((1, 3), "int32")).shape
        TensorShape([1, 3, 8])
    """

    def __init__(self, words: int, width: int, **kwargs):
        super().__init__(**kwargs)
        self.words, self.width = words, width

    def build(self, input_shape):
        """Creates the table."""
        self.table = self.add_weight(shape=(self.words, self.width), initializer="random_normal", name="table")

    def call(self, x, reverse: bool = False):
        """Returns the vectors (B, T, D) of ids, or in reverse the logits (B, T, V) of vectors."""
        return ops.matmul(x, ops.transpose(self.table)) if reverse else ops.take(self.table, x, axis=0)

    def compute_output_spec(self, x, reverse: bool = False):
        """Returns the shape of the output."""
        shape = (*x.shape[:-1], self.words) if reverse else (*x.shape, self.width)
        return keras.KerasTensor(shape, self.compute_dtype)

    def get_config(self):
        """Returns the arguments."""
        return super().get_config() | {"words": self.words, "width": self.width}


def build(sizes: Config) -> keras.Model:
    """Returns a Llama model with random weights: ids (B, T) to the logits (B, T, V) of the next word.

    Args:
        sizes: Its sizes.
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    words = TiedWords(sizes.words, sizes.width, name="words")
    x = words(ids)
    for i in range(sizes.blocks):
        settings = (sizes.heads, sizes.kv_heads, sizes.hidden, sizes.base, sizes.epsilon)
        x = LlamaBlock(*settings, name=f"block_{i}")(x)
    x = layers.RMSNormalization(epsilon=sizes.epsilon, name="norm")(x)
    return keras.Model(ids, words(x, reverse=True), name="llama")


def blocks(model: keras.Model) -> list[LlamaBlock]:
    """Returns the blocks of a model, from the bottom up."""
    return [layer for layer in model.layers if isinstance(layer, LlamaBlock)]


def load(file: ModelFile, count: int = 0) -> keras.Model:
    """Returns a model with a file's weights.

    Args:
        file: A GGUF file of a Llama model.
        count: Only so many of its blocks, from the bottom (for a quick look); 0: all.
    """
    sizes = config(file)
    if count:
        sizes = Config(**vars(sizes) | {"blocks": min(count, sizes.blocks)})
    model = build(sizes)
    model.get_layer("words").table.assign(file.weights("token_embd.weight"))
    model.get_layer("norm").scale.assign(file.weights("output_norm.weight"))
    for i, block in enumerate(blocks(model)):
        attention, forward_part = block.attention, block.feed_forward
        names = {"attn_q": attention.query, "attn_k": attention.key, "attn_v": attention.value}
        names |= {"attn_output": attention.out, "ffn_gate": forward_part.gate, "ffn_up": forward_part.up}
        for name, dense in (names | {"ffn_down": forward_part.down}).items():
            dense.kernel.assign(file.weights(f"blk.{i}.{name}.weight").T)
        block.norm.scale.assign(file.weights(f"blk.{i}.attn_norm.weight"))
        block.second_norm.scale.assign(file.weights(f"blk.{i}.ffn_norm.weight"))
    return model


class Reader(keras.Model):
    """A model that remembers: new tokens and what came before them in, vectors and the longer memory out.

    With TensorFlow the step is compiled once, for all lengths, so the first call takes seconds.

    Args:
        model: From `build` or `load`; its weights are shared.
    """

    def __init__(self, model: keras.Model, **kwargs):
        super().__init__(**kwargs)
        self.model, one = model, blocks(model)[0].attention
        self.empty = np.zeros((1, len(blocks(model)), 2, 0, one.kv_heads, one.size), np.float32)
        past = keras.KerasTensor((None, len(blocks(model)), 2, None, one.kv_heads, one.size))
        devices.trace_once(self, [keras.KerasTensor((None, None), "int32"), past])

    def call(self, inputs):
        """Walks the layers; returns vectors, and the keys and values of the new tokens alone. See `read`."""
        past, found, x = inputs[1], [], self.model.get_layer("words")(inputs[0])
        for i, block in enumerate(blocks(self.model)):
            x, kept = block(x, past=(past[:, i, 0], past[:, i, 1]), return_cache=True)
            found.append(ops.stack([part[:, ops.shape(past)[3] :] for part in kept], 1))  # (B, 2, T, G, E)
        return self.model.get_layer("norm")(x), ops.stack(found, 1)

    def read(self, ids, cache: np.ndarray | None = None, remember: bool = True):
        """Reads on.

        Args:
            ids: (B, T) new tokens.
            cache: What came before them; None: nothing. A cache of one text serves a batch.
            remember: Whether anything will be read after them.

        Returns:
            (B, T, D) vectors before the last step, see `log_probabilities`, and the cache with the new tokens, or None.
        """
        past = self.empty if cache is None else cache
        x, new = self.predict_on_batch([np.asarray(ids, np.int32), past])
        old = np.broadcast_to(past, (*new.shape[:3], *past.shape[3:]))  # (B, N, 2, P, G, E), no copy
        return x, np.concatenate([old, new], 3) if remember else None


def log_probabilities(model: keras.Model, x) -> np.ndarray:
    """Returns the (..., V) log-probabilities of the next word.

    Args:
        model: The model.
        x: (..., D) vectors of a `Reader`.
    """
    return ops.convert_to_numpy(ops.log_softmax(model.get_layer("words")(x, reverse=True)))


def token_scores(model: keras.Model, x, ids) -> np.ndarray:
    """Returns the (B, T) log-probability of each given next token, without a table of all V beside the logits.

    Args:
        model: The model.
        x: (B, T, D) vectors of a `Reader`.
        ids: (B, T) the tokens that follow.
    """
    logits = model.get_layer("words")(x, reverse=True)  # (B, T, V)
    chosen = ops.take_along_axis(logits, ops.convert_to_tensor(ids, "int32")[..., None], -1)[..., 0]
    return ops.convert_to_numpy(chosen - ops.logsumexp(logits, -1))


def generate(
    reader: Reader, ids: list, length: int = 20, choose: Callable = np.argmax, stop: tuple = (), cached: bool = True
) -> Iterator[int]:
    """Writes on, one token at a time.

    Args:
        reader: The model with its memory.
        ids: What it goes on from.
        length: How many tokens at most.
        choose: Function from (V,) log-probabilities to the next token; the best one by default.
        stop: Tokens that end the text.
        cached: Keep keys and values; False reads the whole text again for each token.

    Yields:
        Tokens.
    """
    text, new, cache = list(ids), list(ids), None
    for _ in range(length):
        x, cache = reader.read([new if cached else text], cache if cached else None)
        token = int(choose(log_probabilities(reader.model, x[0, -1])))
        if token in stop:
            return
        yield token
        text, new = [*text, token], [token]
