import hashlib, nbformat, sys
cells=[]
def md(s): cells.append(nbformat.v4.new_markdown_cell(s.strip("\n")))
def code(s,*tags):
    c=nbformat.v4.new_code_cell(s.strip("\n"))
    if tags: c.metadata["tags"]=list(tags)
    cells.append(c)
md("""
# 07 · Optimization: solutions

Possible answers to the exercises of notebook 07, with the numbers that come out.

<!-- nav -->
<!-- /nav -->
""")
md("## Setup")
code("""
import numpy as np
import pandas as pd

from recsys_kit import datasets, evaluation, features, preprocessing, promotions, report, workspace

with report.quiet():
    from recsys_kit.optimization import cold_items, meta_learning, new_kinds, tuning
""")
code("""
DATA: str = ""  # folder with your own shop; empty: The Complete Journey
USERS: int = 0  # random sample of so many users; 0: all
WORKSPACE: str = "../../workspace"  # where built artifacts are kept
SEED: int = 0  # of samples, initial weights and the search
CUTOFF: str = ""  # first day of the test period, YYYY-MM-DD; empty: the last 31 days are the test
""","parameters")
code("""
shop = datasets.load(DATA, USERS, SEED)
task = preprocessing.task(shop, CUTOFF, promotions=promotions.load(DATA))
table = shop.items.set_index("item_id").reindex(task.test.items)
kind = pd.factorize(table["category"] + "|" + table["product_type"])[0]
print(f"{len(table):,} items of {kind.max() + 1:,} kinds")
""")
md("""
## ★ Without the category

One guess: text neighbours loses little or even gains, since the category's words blur the mean; the trained model can learn what a category says, so it should lose a little.
""")
code("""
def cold_start(texts, new):
    \"\"\"Ranks the new items of the test weeks at random, by text neighbours and by the text-tied model.\"\"\"
    code, distinct = pd.factorize(pd.Series(texts))
    vectors = features.text_embeddings(list(distinct))
    learn, case = (cold_items.arrivals(split, new) for split in (task.validation, task.test))
    model, _ = cold_items.train(learn, vectors, code, windows=1, seed=SEED)
    scorers = {
        "random": cold_items.random_scores(case, SEED),
        "text neighbours": cold_items.text_neighbours(case, vectors[code]),
        "text-tied": cold_items.model_scorer(model, case, code),
    }
    return {
        name: evaluation.evaluate(
            lambda rows, scorer=scorer: np.where(new, scorer(rows), -np.inf), case.split.answers, ties="shuffled"
        )
        for name, scorer in scorers.items()
    }


new = np.random.default_rng(SEED).random(len(table)) < 0.2
with_category = cold_start(cold_items.item_text(shop.items, task.test.items), new)
without = cold_start(cold_items.item_text(shop.items.drop(columns="category"), task.test.items), new)
assert np.allclose(with_category["random"]["ndcg"], without["random"]["ndcg"])
pd.DataFrame(
    {
        "with category": {name: result["ndcg"].mean() for name, result in with_category.items()},
        "without": {name: result["ndcg"].mean() for name, result in without.items()},
    }
).round(4)
""")
md("## ★★ New kinds, not only new items")
code("""
new_kind = np.random.default_rng(SEED).random(kind.max() + 1) < 0.2
by_kind = cold_start(cold_items.item_text(shop.items, task.test.items), new_kind[kind])
gain = evaluation.paired_difference(by_kind["text-tied"]["ndcg"], by_kind["random"]["ndcg"])
report.promise("still above random", gain["low"] > 0, shop.is_reference)
pd.DataFrame(
    {
        "new items": {name: result["ndcg"].mean() for name, result in with_category.items()},
        "new kinds": {name: result["ndcg"].mean() for name, result in by_kind.items()},
    }
).round(4)
""")
md("""
The two columns have different candidates, so compare within a column. Without an old item of the same kind, a household's history says much less about a new one. An evaluation by random items is kind to the model; a shop that adds a new department should expect the second column.

## ★★ Two more trials
""")
code("""
kinds = new_kinds.new_kinds(task, shop.items, seed=SEED)
some = np.random.default_rng(SEED).permutation(len(kinds.users))[:300]
recipe = new_kinds.Recipe(epochs=2, seed=SEED)
journal = workspace.Workspace(WORKSPACE).path("exercise", shop.fingerprint, code=tuning).with_suffix(".journal")
journal.unlink(missing_ok=True)
first = tuning.trials_table(tuning.search(kinds, recipe, journal, trials=2, users=some))
more = tuning.trials_table(tuning.search(kinds, recipe, journal, trials=len(first) + 2, users=some))
assert len(more) == len(first) + 2 and more["ndcg"].max() >= first["ndcg"].max()
more.round(4)
""")
md("## ★★★ Which facts carry the newcomers?")
code("""
valid, split = meta_learning.lean(task.validation), meta_learning.lean(task.test)
learn = np.flatnonzero(meta_learning.basket_counts(valid) > 5)
episodes = meta_learning.training_episodes(valid, shop.items, learn, seed=SEED)
counts = meta_learning.basket_counts(split)
cases = np.flatnonzero(counts >= min(40, max(2, int(np.median(counts)))))


def with_facts(names):
    \"\"\"Trains a start that reads some of the facts only, and returns it.\"\"\"
    lessons = meta_learning.Lessons(episodes, drawn=300, seed=SEED)
    hide = [place for place, name in enumerate(meta_learning.FACTS) if name not in names]
    for x, _ in lessons.batches:
        x["query"][..., hide] = 0
    return meta_learning.train(lessons, epochs=2, steps=0, seed=SEED)[0]


groups = {
    "popularity only": ["popularity", "popularity, two weeks"],
    "and what was bought": [name for name in meta_learning.FACTS[:9]],
    "and its kind": [name for name in meta_learning.FACTS[:13]],
    "and neighbours, promotions": [name for name in meta_learning.FACTS[:22]],
}
models = {name: with_facts(names) for name, names in groups.items()}
found = meta_learning.compare(split, shop.items, cases, [2], models)[2]
carried = pd.Series({name: found[name]["ndcg"].mean() for name in [*groups, "popularity"]})
near = abs(carried["popularity only"] - carried["popularity"]) < 0.02
report.promise("popularity alone is near the popularity baseline", near, shop.is_reference)
carried.round(4)
""")
md("""
What was bought carries most, after two baskets already. The household's kinds add to it what no count of items can know: another item of the same kind.
""")
for i,c in enumerate(cells):
    c["id"]=f"c{i:03d}-"+hashlib.md5(c.source.encode()).hexdigest()[:8]
nb=nbformat.v4.new_notebook(cells=cells,metadata={"kernelspec":{"display_name":"Python 3 (ipykernel)","language":"python","name":"python3"}})
nbformat.write(nb,sys.argv[1] if len(sys.argv)>1 else "notebooks/solutions/07_optimization.ipynb")
