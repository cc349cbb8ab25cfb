# ruff: noqa: E501, RUF001  (a sentence is a line; Chinese has its own commas)
"""A diagnosis to read: lines for the terminal, `diagnosis.json`, and one web page with its picture inside."""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path

import pandas as pd

from recsys_kit.workspace import atomic

__all__ = ["LIMITS", "lines", "picture", "write"]

_QUESTIONS = {
    "order": ("Does order matter? Learned and asked with order, against without", "顺序是否重要？"),
    "combinations": ("Do combinations matter? Items seen together, against a twin that adds them up", "组合是否重要？"),
    "own counts": ("What the customer bought before, taken away from counting", "去掉顾客自己的购买次数"),
    "time": ("Fading and each item's own rhythm, taken away", "去掉时间与购买节奏"),
    "follows": ("What follows the last baskets, taken away", "去掉前后篮的搭配"),
    "texts": ("Titles, taken away", "去掉商品标题"),
    "promotion": ("The promotion plan, taken away", "去掉促销计划"),
}
LIMITS = (
    "What it can't see: it tries one small network for a minute or two. A rule that this network does not learn from so "
    'much data is not found, and "counting is enough" then means: enough against a small sequence model.',
    "它看不到的：这里只训练一个小网络，用时一两分钟。小网络从这些数据中学不到的规律不会被发现；"
    "“计数方法已经足够”指的是与小型序列模型相比已经足够。",
)
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse}th,td{padding:.3em .8em;text-align:left;border-bottom:1px solid #ddd}"
    "td.n{text-align:right}img{max-width:100%}small{color:#555}.v{font-size:1.15em;border-left:4px solid #0072b2;"
    "padding-left:1em}"
)


def lines(found: dict) -> list[str]:
    """Returns what a terminal shows: the verdict in two languages, and what it rests on."""
    said = [found["verdict"]["english"], found["verdict"]["chinese"]]
    for one in found.get("answers", ()):
        word = "yes" if one["matters"] else "not shown"
        said.append(f"  {one['question']:14} {word:10} {_span(one['difference'], one)}")
    limits = [LIMITS[0]] if "answers" in found else []
    return said + [f"  note: {note}" for note in (*found["notes"], *limits)]


def _span(value: float, one: dict, sign: str = "+") -> str:
    return f"{value:{sign}.4f} [{one['low']:{sign}.4f}, {one['high']:{sign}.4f}]"


def picture(found: dict) -> bytes:
    """Draws how far each method goes, and what each kind of information adds, with intervals; returns a PNG."""
    import matplotlib.pyplot as plt

    from recsys_kit import plots

    plots.use_style()
    scores, answers = pd.DataFrame(found["scores"]), pd.DataFrame(found["answers"])
    size = {"height_ratios": [len(scores), len(answers)]}
    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(8, 1.8 + 0.32 * (len(scores) + len(answers))), gridspec_kw=size
    )
    for axes, table, name, value in ((upper, scores, "method", "ndcg"), (lower, answers, "question", "difference")):
        place = range(len(table))[::-1]
        spread = [table[value] - table["low"], table["high"] - table[value]]
        colours = [plots.COLOURS[0] if one.get("matters", True) else "0.75" for _, one in table.iterrows()]
        axes.barh(place, table[value], xerr=spread, color=colours, ecolor="0.25", capsize=3)
        axes.set_yticks(place, [plots.plain(one) for one in table[name]])
        axes.axvline(0, color="0.6", linewidth=1)
    upper.set(title="How far each method goes", xlabel="NDCG@10, 95% interval")
    lower.set(
        title="What each kind of information adds (grey: not shown)", xlabel="NDCG@10, intervals that hold together"
    )
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    plt.close(figure)
    return file.getvalue()


def write(found: dict, folder: Path) -> Path:
    """Writes `diagnosis.json` and `diagnosis.html` into a folder; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    for name, content in (("diagnosis.json", text), ("diagnosis.html", _page(found))):
        with atomic(folder / name) as part:
            part.write_text(content, encoding="utf-8")
    return folder / "diagnosis.html"


def _page(found: dict) -> str:
    verdict, body = found["verdict"], ""
    if "scores" in found:
        body = _body(found)
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in found["notes"])
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Diagnosis: {html.escape(found["shop"])}</title><style>{_STYLE}</style></head><body>
<h1>Is a sequence model worth it? {html.escape(found["shop"])}</h1>
<p class="v">{html.escape(verdict["english"])}</p><p class="v" lang="zh">{html.escape(verdict["chinese"])}</p>
{body}
<ul>{notes}</ul></body></html>
"""


def _body(found: dict) -> str:
    alt = "Bars with intervals: NDCG@10 of each method, and what each kind of information adds"
    image = base64.b64encode(picture(found)).decode()
    answers = [
        (*_QUESTIONS[one["question"]], "yes" if one["matters"] else "not shown", _span(one["difference"], one))
        for one in found["answers"]
    ]
    curve = [
        (f"{one['part']:.0%}", *(_span(one[name]["ndcg"], one[name], "") for name in ("counting", "model")))
        for one in found["curve"]
    ]
    costs = [(name, f"{value:.1f}") for name, value in found["seconds"].items()]
    return f"""<p>{html.escape(found["kind"]["sentence"])}</p>
<img alt="{alt}" src="data:image/png;base64,{image}">
<h2>What each kind of information is worth · 各类信息的作用</h2>
{_table(["", "", "", "NDCG@10"], answers)}
<h2>Would more data help? · 更多数据有用吗？</h2>
{_table(["customers learned from", "counting", "counting and sequence model"], curve)}
<h2>Cost on this machine · 成本</h2>
{_table(["", "seconds"], costs)}
<p><small>The verdict is one comparison, at {found["verdict"]["level"]:.0%}, over {found["customers"]:,} customers, who
were asked {found["cases"]:,} times. The other answers are secondary: their intervals are wider, so that all hold at
once in 95 of 100 shops. A kind of information that is taken away may be told by another one: counts by fading counts.
Order is asked without what counting knows of it.</small></p>
<p><small>{html.escape(LIMITS[0])}</small></p><p lang="zh"><small>{html.escape(LIMITS[1])}</small></p>"""


def _table(head: list[str], rows: list[tuple]) -> str:
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(c))}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"
