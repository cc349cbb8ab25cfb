"""`recsys-kit serve` under load on the loopback address: milliseconds, errors, and lists that are swapped meanwhile.

    python benchmarks/service_load.py                # 2 x 20 seconds, 16 clients
    python benchmarks/service_load.py --seconds 60 --clients 64

The lists are two nights' of the kit's shop (`recsys-kit operate`, built in a folder of its own). Nine in ten requests
ask for a household's list, one in ten brings 1 to 5 purchases. In the second half the other night's lists are put in
place ten times. Every answer is held to the lists: it must be the one night's or the other's whole, or the list of the
moment for a household that has bought. The clients are processes on the same machine, so they take from its cores.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import pandas as pd

DAYS = ("2017-12-29", "2017-12-30")
PORT = 8765
RUN = str(Path(sys.executable).with_name("recsys-kit"))


def nights(folder: Path) -> list[Path]:
    """Builds the lists of two nights."""
    found = []
    for day in DAYS:
        command = [RUN, "operate", "--day", day, "--out", str(folder / "operations")]
        subprocess.run(command, check=True)
        found.append(folder / f"{day}.parquet")
        found[-1].write_bytes((folder / "operations" / "lists.parquet").read_bytes())
    return found


async def client(number: int, until: float, known: list[dict]) -> list[tuple]:
    """Asks until the time is over; returns (kind, milliseconds, what was wrong) of each request."""
    rng, rows, users = np.random.default_rng(number), [], list(known[0])
    items = sorted({item for some in known[0].values() for item in some})
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", timeout=30) as web:
        while time.perf_counter() < until:
            user, kind = users[rng.integers(len(users))], "lists" if rng.random() < 0.9 else "events"
            some = [{"id": f"{number}/{until}/{len(rows)}/{n}", "user": user} for n in range(rng.integers(1, 6))]
            some = [one | {"item": items[rng.integers(len(items))], "time": time.time()} for one in some]
            began = time.perf_counter()
            try:
                asked = web.get(f"/lists/{user}") if kind == "lists" else web.post("/events", json=some)
                found = await asked
                took = (time.perf_counter() - began) * 1000
                wrong = found.text if found.status_code != 200 else check(found.json(), len(some), known)
            except httpx.HTTPError as error:
                took, wrong = (time.perf_counter() - began) * 1000, repr(error)
            rows.append((kind, took, wrong[:100]))
    return rows


def check(answer: dict, sent: int, known: list[dict]) -> str:
    """Returns what is wrong with an answer; "" if nothing is."""
    if "new" in answer:
        return "" if answer["new"] == sent else f"{answer['new']} of {sent} events counted"
    items = [one["item_id"] for one in answer["items"]]
    if answer["source"] == "events":
        return "" if len(set(items)) == 10 else f"{answer['user']}: {len(set(items))} items of the moment"
    return "" if items in [night.get(answer["user"]) for night in known] else f"{answer['user']}: of neither night"


async def swap(lists: Path, files: list[Path], seconds: float) -> None:
    """Puts the other night's lists in place ten times."""
    for number in range(10):
        await asyncio.sleep(seconds / 11)
        part = lists.with_suffix(".part")
        part.write_bytes(files[(number + 1) % 2].read_bytes())
        os.replace(part, lists)


async def ask(options: argparse.Namespace, folder: Path, files: list[Path]) -> None:
    """Asks in two halves, without and with swaps, and prints what came back."""
    tables = [pd.read_parquet(file).astype({"user_id": str, "item_id": str}) for file in files]
    known = [table.groupby("user_id")["item_id"].agg(list).to_dict() for table in tables]
    for half in ("lists stay", "lists are swapped ten times"):
        until = time.perf_counter() + options.seconds
        asking = [client(number, until, known) for number in range(options.clients)]
        swapping = [swap(folder / "lists.parquet", files, options.seconds)] if half != "lists stay" else []
        done = await asyncio.gather(*asking, *swapping)
        table = pd.DataFrame([row for some in done if some for row in some], columns=["kind", "ms", "wrong"])
        shown = table.groupby("kind")["ms"].describe(percentiles=[0.5, 0.99])[["count", "50%", "99%", "max"]]
        shown["wrong"] = (table["wrong"] != "").groupby(table["kind"]).sum()
        print(f"{half}: {len(table) / options.seconds:,.0f} requests a second, {options.clients} clients")
        print(shown.round(1).to_string(), *table.loc[table["wrong"] != "", "wrong"].head(3), sep="\n", flush=True)


def main() -> None:
    """Starts the service, asks it, and ends it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20, help="of each half")
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="service_load_") as work:
        folder = Path(work)
        files = nights(folder)
        (folder / "lists.parquet").write_bytes(files[0].read_bytes())
        command = [RUN, "serve", "--lists", str(folder / "lists.parquet"), "--state", str(folder / "live")]
        service = subprocess.Popen([*command, "--no-search", "--port", str(PORT)])
        try:
            began = time.perf_counter()
            while not up() and time.perf_counter() - began < 300 and service.poll() is None:
                time.sleep(0.2)
            print(
                f"ready after {time.perf_counter() - began:.0f} s: {httpx.get(f'http://127.0.0.1:{PORT}/health').json()}"
            )
            asyncio.run(ask(options, folder, files))
        finally:
            service.terminate()
            service.wait(30)


def up() -> bool:
    """Returns whether the service answers."""
    try:
        return httpx.get(f"http://127.0.0.1:{PORT}/health").status_code == 200
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    main()
