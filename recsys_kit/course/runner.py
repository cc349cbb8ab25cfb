"""Running notebooks: each in a fresh kernel, its time and memory measured, its failure explained."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import filelock
from tqdm import tqdm

from recsys_kit.course import figures, notebooks, profiles, report_page
from recsys_kit.course.results import LOG, Result
from recsys_kit.datasets import redacted
from recsys_kit.datasets.tables import NotForThisShop

__all__ = ["PeakMemory", "describe", "execute", "run"]

# The environment's own kernel comes first, also when the user has another one called python3.
os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
_EVERY = 1.0  # seconds between two saves
_LAST_LINES = 5  # of that file, told of a kernel that died
_SKIPS = NotForThisShop.__name__  # a kernel hands on an exception's name only


class PeakMemory:
    """Context manager that watches the resident memory of the child processes that start inside it."""

    def __init__(self, every_seconds: float = 0.2):
        self.every_seconds = every_seconds
        self.peak_mb = 0.0

    def __enter__(self) -> PeakMemory:
        import psutil

        self._process = psutil.Process()
        self._old = {child.pid for child in self._process.children(recursive=True)}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        import psutil

        while not self._stop.wait(self.every_seconds):
            total = 0
            children = [child for child in self._process.children(recursive=True) if child.pid not in self._old]
            for child in children:
                with contextlib.suppress(psutil.Error):  # it has ended
                    total += self._bytes(child, len(children) > 1)
            self.peak_mb = max(self.peak_mb, total / 1e6)

    @staticmethod
    def _bytes(child: Any, shared: bool) -> int:
        """Returns a child's memory; of pages that several share, its part, where the system tells.

        Children share libraries, and one that was just forked all that its parent holds.
        """
        import psutil

        if shared and psutil.LINUX:
            with contextlib.suppress(psutil.AccessDenied):
                return child.memory_full_info().pss
        return child.memory_info().rss


def execute(
    path: Path,
    output: Path,
    parameters: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    progress: bool = True,
) -> Result:
    """Runs one notebook with papermill; the output file is saved before and after cells, and at the end in any case.

    papermill alone saves twice a cell, the whole notebook each time; here a second passes between two saves. So a
    process that is killed loses the outputs of one second at most, and those of the cell that ran.

    What the kernel and its libraries write past Python, such as TensorFlow's search for a GPU, goes to a log beside the
    output, `NAME.log`; if they write nothing, there is none.

    Args:
        path: The notebook; it is not changed.
        output: Where the executed copy goes.
        parameters: Values for its parameters cell.
        folder: Working directory of the kernel; the notebook's folder by default.
        progress: Whether to show a bar that counts cells.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    bar = {"desc": path.stem, "file": sys.stdout, "leave": False, "dynamic_ncols": True} if progress else False
    start = time.perf_counter()
    status, error, traceback = "ok", "", ""
    with PeakMemory() as memory, _log(output) as log:
        try:
            papermill.execute_notebook(
                notebooks.read(path),
                str(output),
                dict(parameters or {}),
                cwd=str(folder or path.parent),
                kernel_name="python3",
                language="python",
                progress_bar=bar,
                extra_arguments=["--log-level=CRITICAL"],
                kernel_manager_class=_writes_to(log),
                engine_name=_saves_sparingly(),
            )
        except KeyboardInterrupt:
            status, error = "interrupted", "interrupted by the user"
        except PapermillExecutionError as caught:
            if caught.ename == _SKIPS:
                status, error = "skipped", caught.evalue
            else:
                status, error = "failed", _explain(output, f"{caught.ename}: {caught.evalue}")
                traceback = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(caught.traceback))
        except Exception as caught:  # a dead kernel, a notebook that papermill cannot read, a full disk
            status, error = "failed", _explain(output, f"{type(caught).__name__}: {caught}")
    found = notebooks.headline(notebooks.read(output)) if status == "ok" else None
    if found and (why := _says_nothing(found)):
        status, error, found = "skipped", why, None
    return Result(path.stem, status, time.perf_counter() - start, memory.peak_mb, found, error, traceback)


@contextlib.contextmanager
def _log(output: Path) -> Iterator[IO[bytes]]:
    """Opens the log beside an executed notebook, and removes it if nothing was written."""
    path = output.with_suffix(LOG)
    with path.open("wb") as log:
        yield log
    if not path.stat().st_size:
        path.unlink()


def _writes_to(log: IO[bytes]) -> type:
    """Returns a manager of kernels whose file descriptors 1 and 2 are a file, not this process's terminal."""
    from jupyter_client import AsyncKernelManager

    class Manager(AsyncKernelManager):
        def start_kernel(self, **settings: Any) -> Any:
            return super().start_kernel(stdout=log, stderr=log, **settings)

    return Manager


def _saves_sparingly() -> str:
    """Registers an engine of papermill that saves once in `_EVERY` seconds, and at the end; returns its name."""
    from papermill.engines import NBClientEngine, papermill_engines

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **settings: Any) -> Any:
            save = nb_man.save

            def sparingly() -> None:
                if (nb_man.now() - nb_man.last_save_time).total_seconds() >= _EVERY:
                    save()

            nb_man.save = sparingly
            try:
                return super().execute_managed_notebook(nb_man, kernel_name, **settings)
            finally:
                nb_man.save = save  # papermill's last one, whatever happened

    papermill_engines.register(name := "recsys_kit", Engine)
    return name


def _says_nothing(headline: Mapping[str, Any]) -> str:
    """Returns why a headline says nothing: no method found anything, or no case to judge on.

    A model that finds nothing where its baseline finds something has failed: that is a result, and it is shown.
    """
    value, other = headline["value"], headline["baseline_value"]
    if value != value:
        return f"{headline['metric']} has no case to be measured on in this shop"
    if value == other == 0 and headline.get("higher_is_better", True):
        return (
            f"{headline['metric']} is 0.0000 for all: no method found anything that was bought later, so there is "
            "nothing to compare. A shop of few customers, or of many things that are bought once, needs more data"
        )
    return ""


def _explain(output: Path, error: str) -> str:
    # papermill adds cells (injected parameters, error markers): number the cells as the author's notebook does.
    reached, number = "", 0
    for cell in notebooks.read(output).cells if output.exists() else ():
        added = {"injected-parameters", "papermill-error-cell-tag"} & set(cell.metadata.get("tags", []))
        if cell.cell_type != "code" or added:
            continue
        number += 1
        if not cell.metadata.get("papermill", {}).get("start_time"):
            break
        first = next((line for line in cell.source.splitlines() if line.strip()), "(nothing)")
        reached = f"code cell {number}, which begins with\n    {first}\n"
        if cell.metadata.papermill.get("exception"):
            break
    if "DeadKernelError" in error:
        error += " (often: out of memory)"
        log = output.with_suffix(LOG)
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:] if log.exists() else []
        error += "".join(f"\n    {line}" for line in ["the last that it wrote:", *last] if last)
    return reached + error


def run(
    folder: Path,
    out: Path,
    profile: str = "quick",
    only: Iterable[str] = (),
    data: str = "",
    parameters: Mapping[str, str] | None = None,
    keep_going: bool = True,
    say: Callable[[str], None] = print,
) -> list[Result]:
    """Runs notebooks one after the other and writes a report after each, so that an interrupted run has one too.

    Args:
        folder: The folder of the notebooks, with the profiles in its subfolder `profiles`.
        out: Where executed notebooks, their pages, the report and the artifacts go.
        profile: Which values to run with; see `notebooks/profiles`.
        only: Numbers or names of notebooks; empty for all.
        data: Folder with your own shop; empty for the kit's data.
        parameters: Values that go before the profile's, as text; each goes to the notebooks that have it.
        keep_going: Whether a failing notebook lets the others run.
        say: Called with each line of progress.

    Returns:
        One result a notebook.

    Raises:
        ValueError: If a notebook, a profile, a parameter or a value is not what it should be, or another run writes to
            `out`; nothing has run then.
    """
    paths = notebooks.find(folder, only)
    values = profiles.values(folder, profile, paths, parameters or {})
    common = {"DATA": str(Path(data).resolve()) if data else "", "WORKSPACE": str((out / "workspace").resolve())}
    (out / "workspace").mkdir(parents=True, exist_ok=True)
    results = {path: Result(path.stem) for path in paths}
    samples = Counter(own["USERS"] for own in values.values() if own.get("USERS"))  # 0: all households
    about = report_page.About(
        profile=profile,
        data=data,
        started=time.time(),
        users=samples.most_common(1)[0][0] if samples else 0,
        committed={} if data else report_page.committed(folder),
        redacted=redacted.note(data),
    )
    show_bars = sys.stdout.isatty()
    outer = tqdm(total=len(paths), desc="notebooks", file=sys.stdout, disable=not show_bars, leave=False, position=1)

    def report() -> None:
        report_page.write_index(out, list(results.values()), about)

    with _alone(out), outer:
        for number, path in enumerate(paths, 1):
            results[path] = Result(path.stem, "running")
            report()
            if not show_bars:
                say(f"[{number}/{len(paths)}] {path.stem} ...")
            known = notebooks.parameters(notebooks.read(path))
            own = {name: value for name, value in common.items() if name in known}
            result = results[path] = execute(path, out / path.name, own | values[path], progress=show_bars)
            if (out / path.name).exists():
                report_page.render(out / path.name, folder, [other.stem for other in paths])
                if result.status == "ok" and (figure := figures.main_figure(notebooks.read(out / path.name))):
                    about.pictures[path.stem] = figures.thumbnail(figure)
            report()
            outer.update()
            tqdm.write(f"[{number}/{len(paths)}] {describe(result)}", file=sys.stdout)
            if result.status == "interrupted" or (result.status == "failed" and not keep_going):
                break
    say(f"report: {(out / 'index.html').resolve()}")
    return list(results.values())


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keeps a second run out of a folder: each would write over the other's pages. A killed run's lock opens itself."""
    lock = filelock.FileLock(out / ".running")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise ValueError(f"another run writes to {out} now: wait for it, or give this one another --out") from None
    try:
        yield
    finally:
        lock.release()


def describe(result: Result) -> str:
    """Returns a result as one line, or a few where there is an error to tell."""
    line = f"{result.name}: {result.status}, {report_page.duration(result.seconds)}, {result.peak_mb / 1000:.1f} GB"
    if result.headline:
        line += f", {report_page.describe_headline(result.headline)}"
    return line + (f"\n    {result.error.replace(chr(10), chr(10) + '    ')}" if result.error else "")
