"""`recsys-kit serve` under load on the loopback address: milliseconds, errors, and lists that are swapped meanwhile.

    python benchmarks/service_load.py                # 2 x 20 seconds, 16 clients
    python benchmarks/service_load.py --seconds 60 --clients 64

Lists and search index are two nights' of the kit's shop (`recsys-kit operate`, built in a folder of its own). Eight in
ten requests ask for a household's list, one in ten brings 1 to 5 purchases, one in ten is a search. In the second half
the other night's lists and index are put in place ten times. Every answer is held to the nights: it must be the one's
or the other's whole, or the list of the moment for a household that has bought. The clients are on the same machine, so
they take from its cores.
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

from recsys_kit.operations import served
from recsys_kit.search import queries

DAYS = ("2017-12-29", "2017-12-30")
LIVE = ("lists.parquet", "search.json")
QUERIES = 50
PORT = 8765
RUN = str(Path(sys.executable).with_name("recsys-kit"))


def nights(folder: Path) -> list[dict[str, bytes]]:
    """Builds two nights in a folder; returns what each makes live, by the names of the files."""
    found = []
    for day in DAYS:
        subprocess.run([RUN, "operate", "--day", day, "--out", str(folder)], check=True)
        found.append({name: (folder / name).read_bytes() for name in LIVE})
    return found


def put(folder: Path, night: dict[str, bytes]) -> None:
    """Makes a night live, each file at once."""
    for name, content in night.items():
        part = folder / f"{name}.part"
        part.write_bytes(content)
        os.replace(part, folder / name)


def known(folder: Path, night: dict[str, bytes]) -> dict[str, dict[str, list[str]]]:
    """Makes a night live and returns its list of each household, and its answer to each query."""
    put(folder, night)
    table = pd.read_parquet(folder / LIVE[0]).astype({"user_id": str, "item_id": str})
    search, texts = served.NightSearch(folder), queries.texts(queries.judged())["query"]
    asked = texts.sample(QUERIES, random_state=0)
    answers = {text: [str(one["item_id"]) for one in search(text, 10)] for text in asked}
    return {"lists": table.groupby("user_id")["item_id"].agg(list).to_dict(), "search": answers}


async def client(number: int, until: float, both: list[dict]) -> list[tuple]:
    """Asks until the time is over; returns (kind, milliseconds, what was wrong) of each request."""
    rng, rows = np.random.default_rng(number), []
    users, texts = list(both[0]["lists"]), list(both[0]["search"])
    items = sorted({item for some in both[0]["lists"].values() for item in some})
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", timeout=30) as web:
        while time.perf_counter() < until:
            user, kind = users[rng.integers(len(users))], rng.choice(["lists", "events", "search"], p=[0.8, 0.1, 0.1])
            some = [{"id": f"{number}/{until}/{len(rows)}/{n}", "user": user} for n in range(rng.integers(1, 6))]
            some = [one | {"item": items[rng.integers(len(items))], "time": time.time()} for one in some]
            text, began = texts[rng.integers(len(texts))], time.perf_counter()
            try:
                if kind == "events":
                    found = await web.post("/events", json=some)
                else:
                    asked = (f"/lists/{user}", None) if kind == "lists" else ("/search", {"q": text})
                    found = await web.get(asked[0], params=asked[1])
                took = (time.perf_counter() - began) * 1000
                wrong = found.text if found.status_code != 200 else check(found.json(), len(some), both, text)
            except httpx.HTTPError as error:
                took, wrong = (time.perf_counter() - began) * 1000, repr(error)
            rows.append((kind, took, wrong[:100]))
    return rows


def check(answer: dict, sent: int, both: list[dict], text: str) -> str:
    """Returns what is wrong with an answer; "" if nothing is."""
    if "new" in answer:
        return "" if answer["new"] == sent else f"{answer['new']} of {sent} events counted"
    items = [str(one["item_id"]) for one in answer["items"]]
    if "query" in answer:
        return "" if items in [night["search"][text] for night in both] else f"{text}: of neither night"
    if answer["source"] == "events":
        return "" if len(set(items)) == 10 else f"{answer['user']}: {len(set(items))} items of the moment"
    return (
        "" if items in [night["lists"].get(answer["user"]) for night in both] else f"{answer['user']}: of neither night"
    )


async def swap(folder: Path, files: list[dict[str, bytes]], seconds: float) -> None:
    """Makes the other night live ten times."""
    for number in range(10):
        await asyncio.sleep(seconds / 11)
        put(folder, files[(number + 1) % 2])


async def ask(options: argparse.Namespace, folder: Path, files: list[dict[str, bytes]], both: list[dict]) -> None:
    """Asks in two halves, without and with swaps, and prints what came back."""
    for half in ("one night stays", "two nights are swapped ten times"):
        until = time.perf_counter() + options.seconds
        asking = [client(number, until, both) for number in range(options.clients)]
        swapping = [swap(folder, files, options.seconds)] if half != "one night stays" else []
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
        both = [known(folder, night) for night in files]
        put(folder, files[0])
        command = [RUN, "serve", "--lists", str(folder / "lists.parquet"), "--state", str(folder / "live")]
        service = subprocess.Popen([*command, "--port", str(PORT)])
        try:
            began = time.perf_counter()
            while not up() and time.perf_counter() - began < 300 and service.poll() is None:
                time.sleep(0.2)
            print(
                f"ready after {time.perf_counter() - began:.0f} s: {httpx.get(f'http://127.0.0.1:{PORT}/health').json()}"
            )
            asyncio.run(ask(options, folder, files, both))
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
