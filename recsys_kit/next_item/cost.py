"""How fast the training is, beside what the machine multiplies: targets a second as a share of the matrix speed.

Letters for shapes: T targets of a batch, C candidates, D width, L positions of a row.
"""

from __future__ import annotations

import time

import numpy as np
from keras import ops

__all__ = ["flops_a_target", "matrix_speed"]

_EXPANSION = 2  # of the small network in a block


def flops_a_target(width: int, blocks: int, candidates: int, length: float) -> float:
    """Returns the floating-point operations that the matrix products of one training step take, for each target.

    A product of (M, K) and (K, N) takes 2 M K N. For each position a block projects to query, key, value and back
    (4 D²) and there and back in its small network (4 D²), and compares the position with the L positions of its row,
    twice (2 L D). At the end a target is compared with C candidates (C D). The way back takes twice as much as the way
    there, for the gradients of both factors. All else counts as nothing: norms, softmax, dropout, the optimizer.

    Args:
        width: D.
        blocks: Transformer blocks.
        candidates: C.
        length: L, of the row of an average position.

    Example:
        >>> flops_a_target(width=2, blocks=0, candidates=10, length=5)
        120.0
    """
    a_block = (4 + 2 * _EXPANSION) * width**2 + 2 * length * width
    return 3 * 2.0 * (blocks * a_block + candidates * width)


def matrix_speed(targets: int, width: int, candidates: int, seconds: float = 0.3) -> float:
    """Returns the operations a second of this process in the product that training spends most on, in float32.

    That is (T, D) states with (D, C) candidates, alone, again and again, on the backend that trains.

    Args:
        targets: T.
        width: D.
        candidates: C.
        seconds: How long to measure, at least.
    """
    rng = np.random.default_rng(0)
    states, vectors = (
        ops.convert_to_tensor(rng.random(s, np.float32)) for s in ((targets, width), (width, candidates))
    )
    ops.convert_to_numpy(ops.matmul(states, vectors)[0, 0])  # the first takes longer
    best, began = np.inf, time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        for _ in range(10):
            product = ops.matmul(states, vectors)
        ops.convert_to_numpy(product[0, 0])  # some backends are done only when they are asked for a number
        best = min(best, time.perf_counter() - start)  # what else the machine does makes it slower, never faster
    return 10 * 2.0 * targets * width * candidates / best
