"""A script in a process of its own, on another backend of Keras, where TensorFlow can't be imported."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BLOCK = """
import sys
from importlib.machinery import PathFinder

class WithoutTensorFlow(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] == "tensorflow" else super().find_spec(name, path, target)

sys.meta_path[:] = [WithoutTensorFlow if finder is PathFinder else finder for finder in sys.meta_path]
"""
PATHS = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]  # the package, and the helpers of the tests


def needs(backend):
    """Skips a test where a backend is missing."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: `make test BACKENDS={backend}` installs it")


def printed(script, backend, **environment):
    """Returns what a script prints on its last line, as JSON; skips the test without that backend."""
    needs(backend)
    paths = os.pathsep.join([*PATHS, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + script],
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": paths} | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
