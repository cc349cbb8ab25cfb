"""Did a change of the code change a figure? Compares the headlines of two runs of the notebooks.

    python benchmarks/compare_reports.py OLD/results.json NEW/results.json --tolerance 1e-6

`recsys-kit run` writes a `results.json` beside its report. Prints one row a headline and one a baseline, and ends with
1 if a number differs, or if a notebook failed or is missing in the new run.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pandas as pd


def read(path: str | Path) -> dict[str, dict]:
    """Returns the results by notebook; a folder stands for its `results.json`."""
    path = Path(path)
    path = path / "results.json" if path.is_dir() else path
    return {result["name"]: result for result in json.loads(path.read_text(encoding="utf-8"))["results"]}


def compare(old: dict[str, dict], new: dict[str, dict], tolerance: float = 1e-6) -> pd.DataFrame:
    """Returns one row a number: notebook, number ("value", "baseline"), old, new, difference, verdict.

    Args:
        old: Results by notebook, of the run before.
        new: The same of the run after. What only this run has is listed as "new", which is no fault.
        tolerance: The largest difference that counts as none.
    """
    rows = []
    for name in sorted(old | new):
        before, after = old.get(name), new.get(name)
        status = "missing" if after is None else after["status"]
        for number, key in (("value", "value"), ("baseline", "baseline_value")):
            a, b = (((result or {}).get("headline") or {}).get(key) for result in (before, after))
            difference = None if a is None or b is None else b - a
            if status != "ok":
                verdict = status
            elif before is None or before["status"] != "ok":
                verdict = "new"
            elif difference is None:
                verdict = "ok" if a is None and b is None else "no headline"
            else:
                verdict = "ok" if abs(difference) <= tolerance else "differs"
            rows.append((name, number, a, b, difference, verdict))
    columns = ["notebook", "number", "old", "new", "difference", "verdict"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"old": float, "new": float, "difference": float})


def main() -> int:
    """Runs the comparison; returns 1 if anything but "ok" and "new" is in the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--tolerance", type=float, default=1e-6)
    wanted = parser.parse_args()
    table = compare(read(wanted.old), read(wanted.new), wanted.tolerance)
    print(table.to_string(index=False, float_format="{:.8f}".format, na_rep="-"))
    bad = ~table["verdict"].isin(["ok", "new"])
    notebooks = table["notebook"].nunique()
    print(
        f"{table.loc[bad, 'notebook'].nunique()} of {notebooks} notebooks are not as they were" if bad.any() else "same"
    )
    return int(bad.any())


if __name__ == "__main__":
    sys.exit(main())
