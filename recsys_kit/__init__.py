"""recsys_kit: the helper package behind the notebooks on Transformer-based search and recommendation."""

import contextlib
import ctypes
import os
import pkgutil
import sys
from collections.abc import Callable, Sequence

# TensorFlow writes its start-up chatter to stderr; a notebook should show only what it prints itself.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

if sys.platform == "linux":
    # From the first `fit` on, TensorFlow has the allocator hand freed memory back to the system at once
    # (M_TRIM_THRESHOLD), and every step asks for it anew: up to half of a step's time. So much is kept all the same.
    with contextlib.suppress(AttributeError):  # a C library that is not glibc
        _tune = ctypes.CDLL(None).mallopt
        _tune(-8, os.cpu_count() or 1)  # M_ARENA_MAX, in place of eight for each core: each may keep as much
        _tune(-2, 64 << 20)  # M_TOP_PAD, bytes that stay at the top of each heap
        _tune(-3, 32 << 20)  # M_MMAP_THRESHOLD: what glibc would arrive at by itself, had nothing been set

__version__ = "0.1.0"


def door(room: str, **names: Sequence[str]) -> tuple[Callable, Callable, list[str]]:
    """Returns a room's `__getattr__`, `__dir__` and `__all__`: its modules, and names in them, loaded when asked for.

    Args:
        room: The name of the sub-package.
        **names: Of a module, the names that the room hands out as its own.
    """
    import lazy_loader  # here, so that importing the package itself loads nothing but Python's own library

    modules = [found.name for found in pkgutil.iter_modules(sys.modules[room].__path__)]
    return lazy_loader.attach(room, modules, names)
