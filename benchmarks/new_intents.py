"""New shopping intents: do the trained stages of notebook 10 stay above the sum that nobody trained?

    python benchmarks/new_intents.py --out benchmarks/results/new_intents.json

`new_queries.csv` lies beside this file: 88 intents, all in English and Chinese, 54 also in Spanish, French and German,
with rules as in `hard_queries.csv` for what answers them. It was fixed before any search was run on it.
Nothing had been chosen by it at the first look. Since then it has chosen how readily the search refuses
(`refusals.py`), and the dictionary was tried on its Chinese before it went in, after it had learned to forgive less,
and alone; what the dictionary weighs, the dev queries had chosen for the glossary. Queries and rules have one author, a
large language model; no shopper wrote or judged them.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import hard_search
import numpy as np
import pandas as pd

from recsys_kit import datasets, report, results_file, search, workspace
from recsys_kit.search import corpus, fusion, glossary, queries, translation
from recsys_kit.search import index as search_index
from recsys_kit.search import vectors as search_vectors

FILE = Path(__file__).with_name("new_queries.csv")
SUM = "dense + words + sales"
RULES = f"{SUM} + rules"
STAGES = {
    SUM: "sum",
    RULES: "rules",
    "towers + words + sales": "fused",
    "+ spelling, wishes": "wished",
    "translated, dictionary alone": "dictionary",
    "translated, glossary alone": "glossary",
    "translated": "translated",
    "re-ranked": "reranked",
}
"""The stages as notebook 10 and its table of new intents call them, and what `judged` calls them. `RULES`: spelling,
wishes and translation around the sum that nobody trained."""

BEFORE = dict(zip(list(STAGES)[1:], STAGES, strict=False)) | {
    "towers + words + sales": SUM,
    "translated, glossary alone": "+ spelling, wishes",
    "translated": "translated, dictionary alone",
}
"""What each stage is compared with: either book alone with no translation, both with the better book alone."""

WITH_RULES = ("translated", "re-ranked")  # trained stages that have all the rules: `RULES` is their strongest rival

BESIDE = "zh beside en"


def read() -> pd.DataFrame:
    """Returns the queries: query_id, intent_id, language, kind, query, rule."""
    return pd.read_csv(FILE, dtype="str", keep_default_na=False)


def untrained() -> search.Index:
    """Returns words and meaning of the kit's own shop, without a trained part."""
    shop = datasets.load()
    documents, items = corpus.documents(shop)
    parts = search_vectors.vectors(shop, workspace.Workspace("workspace"), documents)
    return search_index.assembled(documents, items, fusion.views(parts), glossary.uses_codes(shop))


def judged(index: search.Index, table: pd.DataFrame) -> pd.DataFrame:
    """Returns the NDCG@10 of each query, a column a stage; of an index without towers, those of the sum."""
    texts = table["query"].tolist()
    found = search.scores(index, texts)
    without_towers = replace(index, query_tower=None, tower_views=None, rerankers=())
    found["rules"] = search.scores(without_towers, texts)["translated"]
    base = found["meaning"] + search_index.SALES * np.log1p(index.documents["sold"].to_numpy())
    weighed = fusion.weighted(base, found["words"], search_index.WEIGHT)
    found["sum"] = fusion.gated(weighed, base, found["known"])
    books = {
        "dictionary": lambda text: translation.by_cedict(text, index.words.known, glossary=False),
        "glossary": lambda text: translation.by_glossary(text, spelling=True),
    }
    for name, book in books.items():
        english, sure = zip(*map(book, table["query"]), strict=True)
        other = search_index.translation_scores(index, english)
        weight = (search_index.TRANSLATED, search_index.TRANSLATION)
        found[name] = translation.mixed(found["wished"], other, np.array(sure), *weight)
    grade = np.stack([2 * hard_search.fits(rule, index.documents) for rule in table["rule"]]).astype(np.int8)
    names = STAGES if index.query_tower is not None else [SUM, RULES]
    return pd.DataFrame({name: queries.scores(found[STAGES[name]], grade)["ndcg"].to_numpy() for name in names})


def refused(index: search.Index, table: pd.DataFrame) -> np.ndarray:
    """Returns which queries are told that nothing fits."""
    return np.array([answer.empty for answer in search.search_many(index, table["query"].tolist(), 1)])


def row(language: str, stage: str, measured: pd.DataFrame | None = None) -> dict[str, Any]:
    """Returns a row of the results file.

    Args:
        language: A language, "all" (an intent counts by the mean of its languages), or "zh beside en".
        stage: A stage, or "refused": the part of the queries that are told that nothing fits.
        measured: The queries with a column for each stage and `refused`; None: what the row needs is measured.
    """
    if measured is None:
        table = read()
        table = table[table["language"].isin(queries.LANGUAGES if language == "all" else language.split(" beside "))]
        index = untrained() if stage in (SUM, RULES) else hard_search.opened("workspace")
        measured = _measured(index, table.reset_index(drop=True), stage == "refused")
    if language in queries.LANGUAGES:
        measured = measured[measured["language"] == language]
    made = {"language": language, "stage": stage, "intents": int(measured["intent_id"].nunique())}
    if stage == "refused":
        return made | {"queries": len(measured), "refused": _rounded(measured["refused"].mean())}
    if language == BESIDE:
        sides = measured.pivot(index="intent_id", columns="language", values=stage)
        compared = report.compare({name: sides[name] for name in ("en", "zh")}, "en").table.loc["zh"]
        return made | {"ndcg": _rounded(compared["value"])} | _difference("english", compared)
    by_intent = measured[[name for name in STAGES if name in measured]].groupby(measured["intent_id"]).mean()
    made["ndcg"] = _rounded(by_intent[stage].mean())
    others = {"sum": SUM, "before": BEFORE.get(stage)} | ({"rules": RULES} if stage in WITH_RULES else {})
    for name, other in others.items():
        if stage != SUM:
            compared = report.compare({each: by_intent[each] for each in dict.fromkeys((other, stage))}, other)
            made |= _difference(name, compared.table.loc[stage])
    return made


def _measured(index: search.Index, table: pd.DataFrame, refusals: bool) -> pd.DataFrame:
    if refusals:
        return table.assign(refused=refused(index, table))
    return pd.concat([table, judged(index, table)], axis=1)


def _difference(name: str, compared: pd.Series) -> dict[str, Any]:
    numbers = {f"{name}_{part}": _rounded(compared[part]) for part in ("difference", "low", "high")}
    return numbers | {f"{name}_verdict": compared["verdict"]}


def _rounded(value: float) -> float:
    return round(float(value), 6)


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of the stages as they are read: a stage of a language a line, differences with intervals."""
    rows = rows[rows["stage"] != "refused"].reset_index(drop=True)
    found = rows[["language", "stage", "intents"]].assign(ndcg=rows["ndcg"].map("{:.3f}".format))
    for name in ("sum", "before", "rules", "english"):
        numbers = rows[[f"{name}_{part}" for part in ("difference", "low", "high")]].to_numpy()
        texts = [f"{difference:+.3f} [{low:+.3f}, {high:+.3f}]" for difference, low, high in numbers]
        found[f"minus {name}"] = np.where(np.isnan(numbers[:, 0]), "", texts)
    return found


def main() -> None:
    """Looks at the queries, prints what comes out, and keeps it if it is told where."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, help="write the rows into this file")
    chosen = options.parse_args()
    index, asked = hard_search.opened("workspace"), read()
    measured = _measured(index, asked, False).assign(refused=refused(index, asked))
    languages = ("all", *queries.LANGUAGES)
    rows = [row(language, stage, measured) for language in (*languages, BESIDE) for stage in STAGES]
    rows += [row(language, "refused", measured) for language in languages]
    if chosen.out:
        results_file.write(
            chosen.out,
            rows,
            command=f"python benchmarks/new_intents.py --out {chosen.out.as_posix()}",
            row="benchmarks/new_intents.py:row",
            cheapest={"language": "de", "stage": SUM},
            data=datasets.load().fingerprint,
        )
    print(shown(pd.DataFrame(rows)).to_string(index=False))
    print(pd.DataFrame(rows).query("stage == 'refused'")[["language", "queries", "refused"]].to_string(index=False))


if __name__ == "__main__":
    main()
