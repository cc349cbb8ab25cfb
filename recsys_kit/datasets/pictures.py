"""Pictures of items: the column `items.image`, a shop's own photographs or the kit's drawings (notebook 23).

`image` is the path of a picture, seen from the shop's folder; empty where an item has none. The kit's own shop has no
photographs. For it there are drawings of *types* (data/pictures): all items of a type then share one drawing.

Letters for shapes: N pictures, S pixels of a side.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pandas as pd

from recsys_kit.datasets import shipped
from recsys_kit.datasets.tables import NotForThisShop, Shop, problem

__all__ = ["STYLES", "broken", "data_uri", "drawings", "folder", "has_pictures", "read", "types", "with_pictures"]

STYLES = ("3d", "flat", "noto")
"""Hands that the kit's drawings are by: shaded, the same without shading, and another designer's."""


def folder(data: str | Path = "") -> Path:
    """Returns the folder that the paths in `items.image` start from.

    Args:
        data: A shop's own folder; empty: that of the kit's drawings.
    """
    return Path(data).expanduser() if data else shipped.folder("data") / "pictures"


def drawings() -> pd.DataFrame:
    """Returns the kit's drawings: `picture` (its file without ending), `name` (what it shows) and `code` (Unicode)."""
    return pd.read_csv(folder() / "drawings.csv", dtype=str)


def types() -> pd.DataFrame:
    """Returns which drawing stands for which type of The Complete Journey: `category`, `product_type`, `picture`."""
    return pd.read_csv(folder() / "types.csv", dtype=str)


def has_pictures(items: pd.DataFrame) -> bool:
    """Says whether at least one item has a picture."""
    return "image" in items and bool(items["image"].notna().any())


def with_pictures(shop: Shop, style: str = "3d") -> Shop:
    """Returns the shop with a picture of its items: its own, or for the kit's own shop a drawing of each item's type.

    The shop's fingerprint stays: the drawings follow from its tables, and what was built from these stays valid.

    Args:
        shop: The shop.
        style: Of the drawings, one of `STYLES`; a wheel comes with the first alone.

    Raises:
        NotForThisShop: If it is another shop, and has no pictures.
    """
    if has_pictures(shop.items):
        return shop
    if not shop.is_kits_own:
        raise NotForThisShop(
            f"{shop.name}: no item has a picture. Give `items` a column `image`: the path of a picture file, seen from "
            "the shop's folder; leave it empty where there is none."
        )
    if style not in STYLES:
        raise ValueError(f"`style` must be one of {', '.join(STYLES)}. Received: style={style!r}.")
    keys = ["category", "product_type"]
    drawn = shop.items[keys].merge(types(), how="left", on=keys)["picture"].set_axis(shop.items.index)
    return replace(shop, items=shop.items.assign(image=f"{style}/" + drawn + ".webp"))


def broken(items: pd.DataFrame, shop: Path, file: str) -> list[str]:
    """Returns what is wrong with the pictures of a shop's own items, a message each rule; empty if all can be opened.

    Each distinct picture's head is read, not its pixels.

    Args:
        items: The items, before anything is filled in.
        shop: The shop's folder.
        file: Name that messages give the table.
    """
    if "image" not in items:
        return []
    given = items["image"].dropna()
    given = given[given.str.strip() != ""]
    wrong = {name: _fault(shop, name) for name in given.unique()}
    faults = given.map(wrong)
    return [
        problem(file, "image", rule, given[faults == rule], len(items))
        for rule in dict.fromkeys(faults[faults != ""])  # in the order of the rows
    ]


def _fault(shop: Path, name: str) -> str:
    """Returns the rule that a picture's path breaks, empty if it breaks none."""
    from PIL import Image

    outside = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or ".." in Path(name).parts
    if outside or "://" in name:
        return "must be a path inside the shop's folder, such as photos/4711.jpg (nothing is downloaded)"
    if not (shop / name).is_file():
        return "must name a picture that is there (check spelling and capitals; leave it empty where there is none)"
    try:
        with Image.open(shop / name):
            return ""
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "must be a picture that can be read, such as JPEG, PNG or WebP"


def read(paths: Iterable[str | Path], size: int = 160, margin: float = 0.0) -> np.ndarray:
    """Reads pictures, whole and in their proportions, on a white square.

    Args:
        paths: N files.
        size: S.
        margin: Part of the side that stays white on each side.

    Returns:
        (N, S, S, 3) bytes: red, green, blue.
    """
    from PIL import Image, ImageOps

    inner = max(1, round(size * (1 - 2 * margin)))
    found = []
    for path in paths:
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGBA")  # a telephone writes how it was held
        picture = ImageOps.pad(picture, (inner, inner), color=(255, 255, 255, 0))
        square = Image.new("RGBA", (size, size), "white")
        square.alpha_composite(picture, ((size - inner) // 2, (size - inner) // 2))
        found.append(np.asarray(square.convert("RGB")))
    return np.stack(found) if found else np.zeros((0, size, size, 3), np.uint8)


@lru_cache(maxsize=2048)
def data_uri(path: str | Path, size: int = 56) -> str:
    """Returns a small copy of a picture as text that a page can hold: `data:image/webp;base64,...`.

    Args:
        path: The file.
        size: Pixels of its longer side.
    """
    from PIL import Image, ImageOps

    with Image.open(path) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGBA")
    picture.thumbnail((size, size))
    content = io.BytesIO()
    picture.save(content, "WEBP", quality=70)
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()
