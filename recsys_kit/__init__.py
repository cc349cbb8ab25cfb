"""recsys_kit: the helper package behind the notebooks on Transformer-based search and recommendation."""

import os
import pkgutil
import sys
from collections.abc import Callable, Sequence

# TensorFlow writes its start-up chatter to stderr; a notebook should show only what it prints itself.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

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
