"""What every model shares: losses, sampling, batches, fitting, start vectors, the text encoder."""

import contextlib
import ctypes
import os
import sys

from recsys_kit import door

__getattr__, __dir__, __all__ = door(__name__)

if sys.platform == "linux":
    # From the first `fit` on, TensorFlow has the allocator hand freed memory back to the system at once
    # (M_TRIM_THRESHOLD), and every step asks for it anew: up to half of a step's time. So much is kept all the same.
    with contextlib.suppress(AttributeError):  # a C library that is not glibc
        _tune = ctypes.CDLL(None).mallopt
        _tune(-8, os.cpu_count() or 1)  # M_ARENA_MAX, in place of eight for each core: each may keep as much
        _tune(-2, 64 << 20)  # M_TOP_PAD, bytes that stay at the top of each heap
