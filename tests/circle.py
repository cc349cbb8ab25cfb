"""A next-item benchmark in which what comes next is certain."""

import numpy as np


def write(path, users=60, items=20, lengths=(5, 12), seed=0):
    """Writes users who walk a circle of items: what comes next is certain."""
    rng = np.random.default_rng(seed)
    lines = []
    for user in range(users):
        start, length = rng.integers(items), rng.integers(*lengths)
        lines.append(f"u{user} " + " ".join(f"i{(start + step) % items}" for step in range(length)))
    path.write_text("\n".join(lines) + "\n")
    return path
