"""Makes the small drawings in this folder from the packages that they come in, and the list of their checksums.

    npm pack @lobehub/fluent-emoji-3d@1.1.0 @lobehub/fluent-emoji-flat@1.1.0 @iconify-json/noto@1.2.9
    pip install resvg-py
    python data/pictures/make.py FOLDER

FOLDER is where the three files of `npm pack` lie. `drawings.csv` says which drawings; it
and `types.csv`, which says what they stand for, are not touched.
"""

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

import pandas as pd
from PIL import Image

HERE = Path(__file__).parent
PACKED = {"3d": "lobehub-fluent-emoji-3d", "flat": "lobehub-fluent-emoji-flat", "noto": "iconify-json-noto"}
SIZE = 96  # pixels of a side
XLINK = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def pixels(svg: str) -> Image.Image:
    """Draws a picture that is made of lines."""
    import resvg_py

    return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=2 * SIZE, height=2 * SIZE))))


def noto(icons: dict, chars: dict, code: str) -> str:
    """Returns a drawing of the third set, which lies in one JSON file."""
    name = chars.get(code) or chars[code.removesuffix("-fe0f")]
    name = icons.get("aliases", {}).get(name, {}).get("parent", name)
    icon = icons["icons"][name]
    width, height = (icon.get(side, icons.get(side, 128)) for side in ("width", "height"))
    return f'<svg {XLINK} viewBox="0 0 {width} {height}">{icon["body"]}</svg>'


def main(folder: Path) -> None:
    """Writes the drawings and their checksums."""
    packed = {style: tarfile.open(next(folder.glob(f"{name}*.tgz"))) for style, name in PACKED.items()}

    def content(style: str, name: str) -> bytes:
        return packed[style].extractfile(f"package/{name}").read()

    icons, chars = (json.loads(content("noto", name)) for name in ("icons.json", "chars.json"))
    for _, picture, _, code in pd.read_csv(HERE / "drawings.csv", dtype=str).itertuples():
        found = {
            "3d": Image.open(io.BytesIO(content("3d", f"assets/{code}.webp"))),
            "flat": pixels(content("flat", f"assets/{code}.svg").decode()),
            "noto": pixels(noto(icons, chars, code)),
        }
        for style, image in found.items():
            small = image.convert("RGBA").resize((SIZE, SIZE), Image.LANCZOS)
            (HERE / style).mkdir(exist_ok=True)
            small.save(HERE / style / f"{picture}.webp", "WEBP", quality=60, method=6, alpha_quality=60)
    paths = sorted(path.relative_to(HERE).as_posix() for style in PACKED for path in (HERE / style).iterdir())
    lines = [f"{hashlib.sha256((HERE / path).read_bytes()).hexdigest()}  {path}\n" for path in paths]
    (HERE / "checksums.sha256").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
