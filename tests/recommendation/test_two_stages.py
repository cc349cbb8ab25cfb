import itertools

import light_shop
import numpy as np
import pytest

from recsys_kit import baselines, evaluation, recommendation
from recsys_kit.recommendation import ranking, two_stages


def test_windows_lie_before_the_validation_and_do_not_overlap():
    task = light_shop.task()
    windows = recommendation.windows(task, 3, days=5)
    assert windows and windows[0].end == task.validation.cutoff
    for later, earlier in itertools.pairwise(windows):
        assert earlier.end == later.cutoff
    for window in windows:
        assert window.history["timestamp"].max() < window.cutoff <= window.answer_times.min()
        assert window.items.equals(task.test.items)


def test_the_next_item_model_is_one_source_among_others_where_more_was_learned():
    task, counted = light_shop.task(), recommendation.discoveries.NextItem()
    alone = recommendation.Model(next_item=counted)
    assert list(recommendation.sources(alone, task.test)) == ["next item"] and alone.is_alone
    beside = recommendation.Model(next_item=counted, ranker="not asked here")
    assert {"next item", *two_stages.RANKED} <= set(recommendation.sources(beside, task.test))
    assert not recommendation.Model(next_item=counted, transformer="before its ranker is fitted").is_alone


def test_some_cases_are_whole_cases_of_the_split_and_a_small_split_stays_as_it_is():
    split = light_shop.task().test
    assert recommendation.some_cases(split, len(split.test_users)) is split
    some = recommendation.some_cases(split, 20, seed=1)
    assert len(some.test_users) == 20 and (np.diff(some.test_users) > 0).all()
    rows = np.flatnonzero(np.isin(split.test_users, some.test_users))
    assert (some.answers != split.answers[rows]).nnz == 0
    assert some.answer_times.equals(split.answer_times[rows])
    again = recommendation.some_cases(split, 20, seed=1)
    assert (again.test_users == some.test_users).all()
    table = recommendation.labelled(light_shop.shop(), some, recommendation.Model())
    assert set(table["case"]) == set(range(20)) and table["label"].sum() > 0


def test_the_ranker_is_above_popularity_on_days_it_has_not_seen():
    shop, task = light_shop.shop(), light_shop.task()
    table = recommendation.labelled(shop, task.test, light_shop.model())
    value = light_shop.model().ranker.predict(table[light_shop.model().ranker.feature_name()])
    ours = evaluation.evaluate(ranking.pair_scorer(task.test, table, value), task.test.answers)["ndcg"].mean()
    assert ours > evaluation.evaluate(baselines.popularity(task.test), task.test.answers)["ndcg"].mean()


def test_the_order_listens_to_the_trees_and_to_the_transformer_alike():
    model, table = light_shop.model(), light_shop.tables()[0]
    trees = recommendation.score(model, table)
    chance = model.ranker.predict(table[model.ranker.feature_name()])
    np.testing.assert_allclose(trees, recommendation.log_odds(chance), atol=1e-4)
    logits = np.linspace(-3, 3, len(table)).astype(np.float32)
    together = recommendation.score(model, table.assign(Transformer=logits))
    np.testing.assert_allclose(together, (trees + logits) / 2, atol=1e-6)
    assert not [name for name in model.ranker.feature_name() if "Transformer" in name]


def test_a_part_of_what_was_not_bought_speaks_for_all_of_it():
    tables, names = light_shop.tables(), recommendation.columns(light_shop.tables()[0], light_shop.task().test)
    means = []
    for keep in (1.0, 0.3):
        ranker = recommendation.fit(tables, names, keep=keep, trees=20, threads=1)
        means.append(ranker.predict(tables[0][names]).mean())
    assert means[1] == pytest.approx(means[0], rel=0.1)
