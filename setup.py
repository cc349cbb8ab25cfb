"""What pyproject.toml cannot say: the wheel carries the folders data/ and notebooks/ inside the package."""

import json
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SHIPPED = ("README.md", "data", "notebooks")  # recsys_kit.datasets.shipped finds them, there as here
# `flat` and `noto` are further styles of drawings, 0.5 MB: without them notebook 23 says that its question is no test.
# The list of checksums names them all; that licence is noto's, and the script made all styles from packages.
LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", ".ipynb_checkpoints", ".*", "flat", "noto", "checksums.sha256", "LICENSE-APACHE", "make.py"
)


class BuildWithFiles(build_py):
    """Copies them; the notebooks without outputs, which are three quarters of the wheel otherwise."""

    def run(self):
        """Builds the package anew, then adds the files."""
        if self.editable_mode:  # the checkout has them
            return super().run()
        package = Path(self.build_lib) / "recsys_kit"
        shutil.rmtree(package, ignore_errors=True)  # else a module that is gone stays, from the last build
        super().run()
        target = package / "shipped"
        target.mkdir(parents=True)
        for name in SHIPPED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, target / name, ignore=LEFT_OUT)
            else:
                shutil.copy(source, target / name)
        for path in target.rglob("*.ipynb"):
            path.write_text(without_outputs(path.read_text(encoding="utf-8")), encoding="utf-8")


def without_outputs(text):
    """Returns a notebook as it is before it has run, in as few bytes as it needs."""
    notebook = json.loads(text)
    notebook["metadata"].pop("widgets", None)
    if "language_info" in notebook["metadata"]:
        notebook["metadata"]["language_info"] = {"name": "python"}  # the rest a kernel tells anew
    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = f"cell-{number:03d}"  # random names of three thousand cells can't be packed
        cell["source"] = "".join(cell["source"])
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    return json.dumps(notebook, separators=(",", ":"), ensure_ascii=False) + "\n"


def description():
    """Returns the README up to its table of notebooks, whose links lead into a checkout; the wheel holds all of it."""
    return (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Notebooks")[0]


setup(
    cmdclass={"build_py": BuildWithFiles},
    long_description=description(),
    long_description_content_type="text/markdown",
)
