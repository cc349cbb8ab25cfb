"""Do the tests notice small mistakes? Mutates core modules with cosmic-ray, each against its own test files.

    pip install -e ".[mutation]"
    python benchmarks/mutation.py --out benchmarks/results/mutation.json

A mutant is a module with one small change: `<` for `<=`, `-` for `+`, a number plus or minus one, a condition turned
round. It is killed if a test fails or if the tests take too long, and survives otherwise. Of each module a sample is
drawn uniformly from all mutants that cosmic-ray makes, without

- what is no Python any more (such as `def f(a, +, b)`), which nobody could miss,
- what differs in nothing but type annotations, `__all__`, docstrings, or decorators that only remember or only type
  (`cache`, `lru_cache`, `overload`, `override`, `final`), which no test of behaviour can see.

All work happens in a temporary copy of the checkout, with the files that git knows and the new ones that it does not
ignore. Tests marked slow are left out, and so are those that a module's entry in `MODULES` leaves out to keep one run
short. Hypothesis draws the same examples each time. The tests must pass before anything is changed.

    python benchmarks/mutation.py --modules tables losses        # some modules, nothing is written
    python benchmarks/mutation.py --list --modules tables        # what would be drawn
    python benchmarks/mutation.py --only-survivors FILE.json     # once more what survived then

A mutant that no test can kill because it does the same stands in `mutation_equivalents.yaml` with the argument for it.
Such mutants are counted apart, at most 5% of a run, and they must survive.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml
from mutants import Mutant, Refused, cosmic_ray, difference, draw, find, mutated, population

from recsys_kit import results_file

ROOT = Path(__file__).resolve().parents[1]
EQUIVALENTS = Path(__file__).with_name("mutation_equivalents.yaml")
MOST_EQUIVALENT = 0.05


@dataclass(frozen=True)
class Module:
    """What is mutated and which tests must notice, as paths and patterns seen from the repository's folder."""

    files: tuple[str, ...]
    tests: tuple[str, ...]  # the quickest first
    without: tuple[str, ...] = ()  # names of tests that take too long to run for each mutant


MODULES = {
    "tables": Module(("recsys_kit/datasets/tables.py",), ("tests/datasets/test_tables*.py",)),
    "preprocessing": Module(
        ("recsys_kit/preprocessing.py",), ("tests/test_preprocessing.py", "tests/test_preprocessing_*.py")
    ),
    "evaluation": Module(
        ("recsys_kit/evaluation/ranking.py", "recsys_kit/evaluation/intervals.py", "recsys_kit/evaluation/exposure.py"),
        ("tests/evaluation/test_exposure*.py", "tests/evaluation/test_ranking*.py", "tests/evaluation/test_*.py"),
    ),
    "losses": Module(
        ("recsys_kit/neural/losses.py",), ("tests/neural/test_losses*.py",), ("same_model_trains_under_every_loss",)
    ),
    "workspace": Module(("recsys_kit/workspace.py",), ("tests/test_workspace_*.py", "tests/test_workspace.py")),
    "transformer": Module(
        ("recsys_kit/transformer.py",),
        ("tests/test_transformer_*.py", "tests/test_transformer.py"),
        (
            *("padding_does_not_change", "a_saved_model_gives", "another_backend_gives", "gpt_style_sees_one_side"),
            *("sequences_of_different_length", "order_does_not_matter"),
        ),
    ),
}


class Bench:
    """Tries mutants of one module in a copy of the checkout.

    Args:
        tree: The copy. Its files are changed and put back.
        module: What to mutate and what to test it with.

    Raises:
        Refused: If the tests would import another copy, or fail without any change.
    """

    def __init__(self, tree: Path, module: Module):
        self.tree, self.module = tree, module
        paths = os.pathsep.join([str(tree), str(tree / "tests")])
        self.start = ["env", f"PYTHONPATH={paths}", "PYTHONDONTWRITEBYTECODE=1", sys.executable]
        self._check_imports()
        began = time.perf_counter()
        done = subprocess.run(self._tests(), cwd=tree, capture_output=True, text=True)
        self.seconds = time.perf_counter() - began
        if done.returncode:
            raise Refused(f"the tests fail without any change:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")

    def _check_imports(self) -> None:
        names = [file.removesuffix(".py").replace("/", ".") for file in self.module.files]
        code = f"from importlib.util import find_spec\nfor name in {names}: print(find_spec(name).origin)"
        done = subprocess.run([*self.start, "-c", code], cwd=self.tree, capture_output=True, text=True)
        wanted = [str(self.tree / file) for file in self.module.files]
        if done.stdout.splitlines() != wanted:
            raise Refused(f"the tests would not import {wanted}:\n{done.stdout}{done.stderr[-2000:]}")

    def _tests(self) -> list[str]:
        found = [sorted(self.tree.glob(pattern)) for pattern in self.module.tests]
        files = list(dict.fromkeys(str(path.relative_to(self.tree)) for paths in found for path in paths))
        if not files:
            raise Refused(f"no test file is called {' or '.join(self.module.tests)}.")
        command = [*self.start, "-m", "pytest", "-x", "-q", "-m", "not slow", "--hypothesis-profile=ci"]
        command += ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:nbval", "--rootdir", str(self.tree)]
        if self.module.without:
            command += ["-k", f"not ({' or '.join(self.module.without)})"]
        return [*command, *files]

    def verdict(self, mutant: Mutant) -> str:
        """Returns "killed", "timeout" (which is as good) or "survived"."""
        cosmic = cosmic_ray()
        spec = cosmic.MutationSpec(
            self.tree / mutant.file, f"core/{mutant.operator}", mutant.position, (1, 0), (1, 1)
        )  # of the places, nobody asks
        with contextlib.chdir(self.tree):
            found = cosmic.mutate_and_test([spec], shlex.join(self._tests()), 3 * self.seconds + 30)
        if found.worker_outcome != "normal" or found.test_outcome not in ("killed", "survived"):
            raise Refused(f"cosmic-ray could not try {mutant}: {found.output}")
        return "timeout" if found.output == "timeout" else found.test_outcome.value


def entry(tree: Path, name: str, mutant: Mutant, verdict: str) -> dict[str, object]:
    """Returns a mutant as a row of the results file; without its line number, which changes with every edit above."""
    old, new = ((tree / mutant.file).read_text(encoding="utf-8"), mutated(tree, mutant))
    return {
        "module": name,
        "file": mutant.file,
        "operator": mutant.operator,
        "text": mutant.text,
        "occurrence": mutant.occurrence,
        "verdict": verdict,
        "diff": difference(old, new),
    }


@contextlib.contextmanager
def copied() -> Iterator[Path]:
    """Makes a copy of the checkout that lasts as long as the block."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        tree = Path(folder).resolve()
        for name in sorted({name for name in names if (ROOT / name).is_file()}):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
        # Compiled files are found by what is in a source, so that a mutant is never taken for the file before it.
        command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "recsys_kit"]
        subprocess.run(command, cwd=tree, check=True)
        yield tree


def row(module: str, file: str, operator: str, text: str, occurrence: int) -> dict[str, object]:
    """Tries one mutant, in a copy of its own, and returns its row."""
    with copied() as tree:
        wanted = {"file": file, "operator": operator, "text": text, "occurrence": occurrence}
        return try_all(tree, module, find(tree, MODULES[module].files, [wanted]))[0]


def known(tree: Path, module: str) -> dict[Mutant, str]:
    """Returns the mutants of a module that are said to do the same, each with the argument."""
    listed = (yaml.safe_load(EQUIVALENTS.read_text(encoding="utf-8")) or {}).get(module) or []
    return dict(zip(find(tree, MODULES[module].files, listed), [one["why"] for one in listed], strict=True))


def try_all(tree: Path, name: str, drawn: Sequence[Mutant]) -> list[dict[str, object]]:
    """Tries mutants of one module, one after the other, says how each went, and returns their rows.

    Raises:
        Refused: If a test kills one that is said to do the same.
    """
    bench, same, rows = Bench(tree, MODULES[name]), known(tree, name), []
    print(f"{name}: the tests pass in {bench.seconds:.0f} s; {len(drawn)} mutants", flush=True)
    for number, mutant in enumerate(drawn, start=1):
        began = time.perf_counter()
        verdict = bench.verdict(mutant)
        if mutant in same and verdict != "survived":
            raise Refused(f"{mutant} stands in {EQUIVALENTS.name}, and a test kills it: take it out there.")
        verdict = "equivalent" if mutant in same else verdict
        rows.append(entry(tree, name, mutant, verdict))
        seconds = time.perf_counter() - began
        print(f"  {number:3} {verdict:10} {seconds:4.0f} s  {place(mutant)}", flush=True)
        if verdict in ("survived", "equivalent"):
            print(*(f"        {line}" for line in rows[-1]["diff"]), sep="\n", flush=True)
    return rows


def place(mutant: Mutant) -> str:
    """Returns where a mutant is and what it changes, for people."""
    return f"{mutant.file}:{mutant.line}  {mutant.operator} {mutant.occurrence}"


def table(rows: Sequence[Mapping]) -> pd.DataFrame:
    """Returns one row a module and one for all: mutants, killed, survived, equivalent, and the share killed.

    A timeout counts as killed; the share is of those that are not equivalent.
    """
    verdicts = pd.DataFrame(rows).replace({"verdict": {"timeout": "killed"}})
    found = pd.crosstab(verdicts["module"], verdicts["verdict"])
    found = found.reindex(index=verdicts["module"].unique(), columns=["killed", "survived", "equivalent"], fill_value=0)
    found.loc["all"] = found.sum()
    found.insert(0, "mutants", found.sum(axis=1))
    found["share killed"] = (found["killed"] / (found["mutants"] - found["equivalent"])).round(3)
    return found.rename_axis(index="module", columns=None).reset_index()


def chosen(tree: Path, options: argparse.Namespace) -> dict[str, list[Mutant]]:
    """Returns what to try, by module: a new sample, or what survived before.

    Raises:
        Refused: If more than 5% of a sample are said to be equivalent.
    """
    if options.only_survivors:
        before = [one for one in results_file.read(options.only_survivors).rows if one["verdict"] == "survived"]
        rows = {name: [one for one in before if one["module"] == name] for name in options.modules}
        return {name: find(tree, MODULES[name].files, rows[name]) for name in options.modules if rows[name]}
    found, number, same = {}, 0, 0
    for name in options.modules:
        there = population(tree, MODULES[name].files)
        found[name] = draw(tree, there, options.mutants, f"{options.seed} {name}")
        number, same = number + len(found[name]), same + len(known(tree, name).keys() & set(found[name]))
    if same > MOST_EQUIVALENT * number:
        raise Refused(f"{same} of {number} mutants are said to be equivalent; at most {MOST_EQUIVALENT:.0%} may be.")
    return found


def run(options: argparse.Namespace) -> None:
    """Tries what is asked for, says what came out, and writes it after each module, for a run takes long."""
    with copied() as tree:
        drawn = chosen(tree, options)
        if options.list:
            print("\n".join(f"{place(one)}  {one.text}" for found in drawn.values() for one in found))
            return
        rows = []
        for name, found in drawn.items():
            rows += try_all(tree, name, found)
            if options.out:
                write(options, rows)
    print(table(rows).to_string(index=False) if rows else "Nothing survived before: there is nothing to try.")


def write(options: argparse.Namespace, rows: Sequence[Mapping]) -> None:
    """Writes a results file; see `recsys_kit.results_file`."""
    words = [] if list(options.modules) == list(MODULES) else ["--modules", *options.modules]
    if options.only_survivors:
        words += ["--only-survivors", options.only_survivors.as_posix()]
    else:
        words += ["--mutants", str(options.mutants), "--seed", str(options.seed)]
    words += ["--out", options.out.resolve().relative_to(ROOT).as_posix()]
    again = next((one for one in rows if one["verdict"] == "killed"), rows[0])
    results_file.write(
        options.out,
        rows,
        command=f"python benchmarks/mutation.py {shlex.join(words)}",
        row="benchmarks/mutation.py:row",
        cheapest={key: again[key] for key in ("module", "file", "operator", "text", "occurrence")},
        data="",
        seeds=[options.seed],
        packages=["cosmic-ray", "pytest", "hypothesis"],
    )


def main() -> int:
    """Reads what is asked for; returns 2 with a message if the run can't be made or doesn't count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modules", nargs="+", choices=MODULES, default=list(MODULES), metavar="MODULE")
    parser.add_argument("--mutants", type=int, default=40, help="how many to draw of each module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, metavar="FILE", help="a results file, inside this repository")
    parser.add_argument("--list", action="store_true", help="print what would be tried, and try nothing")
    parser.add_argument("--only-survivors", type=Path, metavar="FILE", help="try what survived in this results file")
    options = parser.parse_args()
    if options.out and not options.out.resolve().is_relative_to(ROOT):
        parser.error(f"--out must be a file of the repository {ROOT}. Received: {options.out}.")
    if options.only_survivors and not options.only_survivors.is_file():
        parser.error(f"--only-survivors must be a results file. Received: {options.only_survivors}.")
    try:
        run(options)
    except Refused as refused:
        print(f"error: {refused}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
