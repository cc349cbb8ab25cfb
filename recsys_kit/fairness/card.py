# ruff: noqa: E501, RUF001  (a sentence of the card is a line; Chinese has its own commas)
"""A model card from the run's own numbers, in English and Chinese: no sentence in it is older than its figures.

The model is the counting recommender, "decayed frequency + popularity": what `recsys-kit recommend --light` leans on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit import baselines, datasets, evaluation, output_file, preprocessing
from recsys_kit.datasets import Shop
from recsys_kit.evaluation import Scorer
from recsys_kit.fairness import audit, shares

__all__ = ["LANGUAGES", "WORDS", "ask", "build", "figures", "items_of", "write"]

LANGUAGES = ("en", "zh")

WORDS = {
    "en": {
        "title": "# Model card: {model}",
        "what": "## What it is\n\nIt ranks the {items:,} items of the shop “{shop}” for a household's next basket. It was "
        "judged on the first baskets from {cutoff} on, of {cases:,} households; nothing from that day on was known to it.",
        "use": "## What it is for\n\nShopping lists and reminders in this shop. Not for prices, credit or anything that "
        "is decided about a person.",
        "quality": "## How good it is\n\nNDCG@{k} is {ndcg:.4f} [{low:.4f}, {high:.4f}]; one list for all, popularity, "
        "has {popularity:.4f}.",
        "groups": "## Who is served how well\n\nThe gap is a group's NDCG minus all others' at an equal number of "
        "purchases and an equal size of the next basket (for groups of history, of the basket alone). p counts "
        "all {looks} looks.",
        "columns": ("attribute", "group", "cases", "NDCG", "gap, adjusted", "p", "clear"),
        "yes": ("no", "yes"),
        "none": "No attribute of this shop has two groups that are large enough.",
        "shown": "## What it shows\n\n{coverage:.0%} of the catalogue is in at least one list. A list's items have "
        "{lift} times the buyers of what the household buys. Divergence from the household's own mix of categories: "
        "{divergence:.2f} nats.",
        "share": "- {name}: {exposure:.1%} of the attention of the lists, {sales:.1%} of the sales.",
        "names": {"private label": "private label", "small manufacturers": "small manufacturers"},
        "limits": "## Limits\n\n- A group is what is recorded; {unknown} of the {cases:,} households have nothing "
        "recorded.\n- NDCG says what was bought, not what would have been liked.\n- One test period, one shop.",
    },
    "zh": {
        "title": "# 模型卡：{model}",
        "what": "## 这是什么\n\n为一个家庭的下一次购物，对商店“{shop}”的 {items:,} 种商品排序。评测对象：{cutoff} 起 {cases:,} "
        "个家庭的第一次购物；模型不知道那天起的任何数据。",
        "use": "## 用途\n\n本店的购物清单和提醒。不用于定价、信贷，也不用于对个人作任何决定。",
        "quality": "## 质量\n\nNDCG@{k} 为 {ndcg:.4f} [{low:.4f}, {high:.4f}]；所有人同一份的热门榜为 {popularity:.4f}。",
        "groups": "## 各群体的服务质量\n\n差距：在购买次数和下一次购物篮大小相同时，该群体的 NDCG 减去其他所有家庭的 NDCG"
        "（按历史长短分组时只校正购物篮大小）。p 已按 {looks} 次检验校正。",
        "columns": ("属性", "群体", "家庭数", "NDCG", "校正后的差距", "p", "明确"),
        "yes": ("否", "是"),
        "none": "本店没有任何属性具有两个足够大的群体。",
        "shown": "## 展示什么\n\n{coverage:.0%} 的商品至少出现在一份清单里。清单商品的购买家庭数是该家庭所购商品的 {lift} 倍。"
        "与家庭自身品类构成的散度：{divergence:.2f} nat。",
        "share": "- {name}：占清单关注度的 {exposure:.1%}，占销量的 {sales:.1%}。",
        "names": {"private label": "自有品牌", "small manufacturers": "小厂商"},
        "limits": "## 局限\n\n- 群体以登记信息为准；{cases:,} 个家庭中有 {unknown} 个没有任何登记信息。\n- NDCG "
        "反映买了什么，不反映本来会喜欢什么。\n- 只有一个测试期、一家店。",
    },
}
"""What the card says, in each language. The placeholders are names in `figures`."""


def items_of(shop: Shop, split: preprocessing.Split) -> dict[str, np.ndarray]:
    """Returns for each group of items that the shop knows (V,) whether an item belongs to it."""
    table = datasets.items.look_up(shop.items, split.items)
    sales = np.asarray(split.counts().sum(0)).ravel()
    members = {}
    if "brand" in table:
        members["private label"] = (table["brand"] == "Private").to_numpy()
    if "manufacturer" in table:
        members["small manufacturers"] = shares.small_makers(table["manufacturer"], sales)
    return {name: member for name, member in members.items() if 0 < member.sum() < len(member)}


def ask(scorer: Scorer, cases: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the (N, M) best items of each test case and their scores, a block at a time."""
    found, scores = [], []
    for rows in np.array_split(np.arange(cases), 1 + cases // 256):
        block = scorer(rows)
        found.append(evaluation.top_k(block, m))
        scores.append(np.take_along_axis(block, found[-1], 1))
    return np.concatenate(found), np.concatenate(scores)


def figures(shop: Shop, cutoff: str = "", k: int = 10) -> dict[str, Any]:
    """Measures all that a card says.

    Args:
        shop: The shop.
        cutoff: First day of the test (YYYY-MM-DD); empty: its last 31 days are the test.
        k: Length of the lists.

    Returns:
        Numbers by name, and the tables `gaps` (see `audit.gaps`) and `exposure` (see `shares.exposure`).
    """
    split = preprocessing.task(shop, cutoff).test
    scorer = baselines.personal_frequency(split, decay=120, popularity_weight=0.3)
    values = evaluation.evaluate(scorer, split.answers, k)["ndcg"]
    lists = ask(scorer, len(split.test_users), k)[0]
    groups, counts = audit.groups(shop, split), split.counts()
    category = datasets.items.look_up(shop.items, split.items)["category"]
    code = pd.factorize(category.astype(str))[0]
    buyers, mine = np.bincount(counts.indices, minlength=counts.shape[1]), counts[split.test_users]
    low, high = evaluation.bootstrap_interval(values.to_numpy())
    known = groups["recorded"] == "recorded" if "recorded" in groups else pd.Series(False, index=groups.index)
    return {
        "model": "decayed frequency + popularity",
        "shop": shop.name,
        "items": len(split.items),
        "cases": len(values),
        "unknown": f"{int((~known).sum()):,}",
        "cutoff": f"{split.cutoff:%Y-%m-%d}",
        "k": k,
        "ndcg": float(values.mean()),
        "low": low,
        "high": high,
        "popularity": float(evaluation.evaluate(baselines.popularity(split), split.answers, k)["ndcg"].mean()),
        "gaps": audit.gaps(values, groups, audit.covariates(split)),
        "coverage": len(np.unique(lists[lists >= 0])) / len(split.items),
        "lift": f"{2 ** np.nanmean(shares.popularity_lift(lists, mine, buyers)):.1f}",
        "divergence": float(shares.miscalibration(lists, shares.mix_of(mine, code), code).mean()),
        "exposure": shares.exposure(lists, split.answers, np.asarray(counts.sum(0)).ravel(), items_of(shop, split)),
    }


def build(found: dict[str, Any], language: str = "en") -> str:
    """Returns the card as Markdown.

    Args:
        found: From `figures`.
        language: "en" or "zh".
    """
    if language not in WORDS:
        raise ValueError(f"`language` must be one of {', '.join(WORDS)}. Received: language={language!r}.")
    words, table = WORDS[language], found["gaps"]
    numbers = {**found, "looks": table["attribute"].nunique()}
    parts = [words[part].format(**numbers) for part in ("title", "what", "use", "quality")]
    if len(table):
        head = "| " + " | ".join(words["columns"]) + " |\n|" + "---|" * len(words["columns"])
        rows = [
            f"| {row.attribute} | {row.group} | {row.cases} | {row.value:.3f} | {row.adjusted:+.3f} "
            f"[{row.adjusted_low:+.3f}, {row.adjusted_high:+.3f}] | {row.p_holm:.3f} | {words['yes'][row.clear]} |"
            for row in table.itertuples()
        ]
        parts += [words["groups"].format(**numbers), "\n".join([head, *rows])]
    else:
        parts += [words["groups"].partition("\n")[0], words["none"]]
    parts.append(words["shown"].format(**numbers))
    if len(found["exposure"]):
        rows = found["exposure"].iterrows()
        parts.append("\n".join(words["share"].format(name=words["names"][name], **row) for name, row in rows))
    return "\n\n".join([*parts, words["limits"].format(**numbers)]) + "\n"


def write(shop: Shop, path: Path, cutoff: str = "", languages: tuple[str, ...] = LANGUAGES) -> None:
    """Measures a shop's model and writes its card, one language after the other, whole or not at all."""
    found = figures(shop, cutoff)
    text = "\n".join(build(found, language) for language in languages)
    output_file.write(path, lambda part: part.write_text(text, encoding="utf-8"))
