"""Where the files of the kit lie that are no code: the tables of texts, the example shop, the notebooks."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

__all__ = ["folder"]


def folder(name: str = "") -> Path:
    """Returns the folder of that name at the top of the kit: in a checkout there, in a wheel inside the package.

    Args:
        name: "data", "notebooks", or nothing for the folder that both lie in.

    Raises:
        FileNotFoundError: If the package was installed without its files.

    Example:
        >>> (folder("data") / "glossary.csv").exists()
        True
    """
    package = Path(str(resources.files("recsys_kit")))
    for top in (package / "shipped", package.parent):  # setup.py puts the files there; a checkout has them beside
        if (top / "data" / "glossary.csv").exists():
            return top / name
    raise FileNotFoundError(f"the kit's tables are neither in {package / 'shipped'} nor in {package.parent / 'data'}")
