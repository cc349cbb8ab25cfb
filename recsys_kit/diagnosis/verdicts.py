# ruff: noqa: E501, RUF001  (a sentence is a line; Chinese has its own commas)
"""From differences with intervals to a verdict in words, by thresholds that stand in the code before it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys_kit import evaluation

__all__ = ["THRESHOLDS", "Thresholds", "answers", "first", "mean", "refused", "verdict"]


@dataclass(frozen=True)
class Thresholds:
    """What a verdict needs. It is the code's, whatever the shop.

    Tuned on shops of seed 0 of `benchmarks/diagnosis.py`, and frozen on 2026-11-27, before any other seed was judged.

    Attributes:
        level: Of the verdict's interval, one comparison a shop.
        least: A gain below this part of the rival's score is not worth a model, however sure.
        excluded: If the interval ends below this part of the rival's score, counting is enough.
        customers: With fewer customers, counting is never called enough: where weights are fitted on few, a network gets
            hardly any, and a difference of nearly nothing has a narrow interval that says nothing.
        family: Chance that the interval of any of the other answers misses, all together.
    """

    level: float = 0.99
    least: float = 0.02
    excluded: float = 0.10
    customers: int = 300
    family: float = 0.05


THRESHOLDS = Thresholds()

_FIRST = {
    "own counts": ("what the customer buys again (notebook 03)", "顾客的重复购买（笔记本 03）"),
    "time": ("reminders by each item's own rhythm (notebooks 02 and 03)", "按商品自身的购买节奏提醒（笔记本 02、03）"),
    "follows": ("what goes with the last basket (notebooks 03 and 11)", "与上一篮搭配的商品（笔记本 03、11）"),
    "texts": ("items with similar titles (notebooks 07 and 10)", "标题相近的商品（笔记本 07、10）"),
    "promotion": ("lists that read the promotion plan (notebooks 05 and 13)", "读取促销计划的列表（笔记本 05、13）"),
}


def mean(values: pd.Series, level: float = 0.95) -> dict[str, float]:
    """Returns the mean of the cases with its bootstrap interval."""
    low, high = evaluation.bootstrap_interval(values.to_numpy(), level)
    return {"ndcg": float(values.mean()), "low": low, "high": high}


def answers(
    scores: pd.DataFrame, compared: Mapping[str, tuple[str, str]], thresholds: Thresholds = THRESHOLDS
) -> list[dict]:
    """Returns for each question the difference of two methods, and whether its interval lies above 0.

    The intervals are wider the more questions there are (Bonferroni): all hold at once with a chance of 95%.

    Args:
        scores: One column a method, one row a case.
        compared: For each question the method with, and the one without.
        thresholds: See there.
    """
    level, found = 1 - thresholds.family / len(compared), []
    for question, (with_it, without) in compared.items():
        pair = evaluation.paired_difference(scores[with_it], scores[without], level)
        values = {name: pair[name] for name in ("difference", "low", "high")}
        found.append({"question": question, **values, "matters": values["low"] > 0})
    return found


def first(
    scores: pd.DataFrame, added: Mapping[str, tuple[str, str]], thresholds: Thresholds = THRESHOLDS
) -> str | None:
    """Returns what to try first: the kind of information that brings most, of those that were shown to bring anything.

    Args:
        scores: One column a method, one row a case.
        added: For each kind the method with it, and the simpler one without.
        thresholds: See there.

    Returns:
        The kind; None if none was shown to help.
    """
    shown = [one for one in answers(scores, added, thresholds) if one["matters"]]
    return max(shown, key=lambda one: one["difference"])["question"] if shown else None


def refused(reason: str) -> dict:
    """Returns the verdict on a shop that no test can be made of."""
    return {
        "verdict": "too little to say",
        "english": f"This shop is too small for an answer: {reason}.",
        "chinese": f"数据太少，无法回答：{reason}。",
        "needed": None,
    }


def verdict(
    model: pd.Series, rival: pd.Series, first: str | None, seconds: float, thresholds: Thresholds = THRESHOLDS
) -> dict:
    """Reads the verdict off the interval of what a sequence model adds to all counting together.

    Args:
        model: NDCG@10 of each case with the sequence model.
        rival: Without.
        first: What to try first, see `first`.
        seconds: What the training took.
        thresholds: See there.

    Returns:
        `verdict` ("worth it", "counting is enough" or "too little to say"), the numbers, `needed` (cases, where there
        are too few), `first`, and the sentences `english` and `chinese`.
    """
    pair = evaluation.paired_difference(model, rival, thresholds.level)
    gain, low, high, base = pair["difference"], pair["low"], pair["high"], float(rival.mean())
    least, excluded = thresholds.least * base, thresholds.excluded * base
    if low > 0 and gain > least:
        word = "worth it"
    elif len(rival) >= thresholds.customers and (high < excluded or (low > 0 and gain <= least)):
        word = "counting is enough"
    else:
        word = "too little to say"
    needed = None
    if word == "too little to say":
        half = (high - low) / 2
        ways = [half / gain] * (gain > least) + [half / (excluded - gain)] * (gain < excluded)
        needed = max(thresholds.customers, int(np.ceil(min(ways, default=1.0) ** 2 * len(rival) / 100) * 100))
    numbers = {
        "gain": gain,
        "low": low,
        "high": high,
        "rival": base,
        "customers": len(rival),
        "level": thresholds.level,
    }
    english, chinese = _sentences(word, numbers, needed, first, seconds)
    return {
        "verdict": word,
        **numbers,
        "needed": needed,
        "first": first,
        "english": english,
        "chinese": chinese,
    }


def _sentences(word: str, n: dict, needed: int | None, first: str | None, seconds: float) -> tuple[str, str]:
    said = {
        "span": f"{n['gain']:+.4f} [{n['low']:+.4f}, {n['high']:+.4f}]",
        "part": f"{n['gain'] / max(n['rival'], 1e-9):+.1%}",
        "seconds": seconds,
        "needed": needed or 0,
    }
    more = _FIRST.get(first or "", ("best sellers: nothing else was shown to help", "畅销商品，其他信息未见作用"))
    return tuple(
        _WORDS[language][word].format(**n | said) + _WORDS[language]["end"].format(first=more[place], **n)
        for place, language in enumerate(("english", "chinese"))
    )


_WORDS = {
    "english": {
        "worth it": "A sequence model is worth it: {span} NDCG@10 ({part}) for {seconds:.0f} s of training, beside all "
        "counting together at {rival:.4f}",
        "counting is enough": "Counting is enough: all together it reaches NDCG@10 {rival:.4f}, and a small sequence "
        "model adds {span} ({part})",
        "too little to say": "There is too little data to say: a small sequence model adds {span} NDCG@10 to {rival:.4f}; "
        "about {needed:,} customers who come back in the test period would tell, {customers:,} are there",
        "end": " ({level:.0%} interval over {customers:,} customers). Try first: {first}.",
    },
    "chinese": {
        "worth it": "序列模型值得采用：训练 {seconds:.0f} 秒，NDCG@10 比全部计数方法合用的 {rival:.4f} 高 {span}（{part}）",
        "counting is enough": "计数方法已经足够：合用时 NDCG@10 为 {rival:.4f}，序列模型再增加 {span}（{part}）",
        "too little to say": "数据太少，还不能下结论：序列模型在 {rival:.4f} 之上增加 {span}；约需 {needed:,} 位在测试期内"
        "回来的顾客，现有 {customers:,} 位",
        "end": "（{level:.0%} 区间，{customers:,} 位顾客）。先试：{first}。",
    },
}
