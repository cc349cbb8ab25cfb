import discovery_shop
import pandas as pd
import pytest
import shop_kinds

from recsys_kit import report, shop_kind


def test_the_last_purchase_is_hidden_of_who_has_enough():
    rows = [("ann", "a", 1), ("ann", "c", 3), ("ann", "b", 2), ("bob", "a", 1), ("bob", "b", 2)]
    past, hidden = shop_kinds.hide_last(pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]))
    assert hidden.to_dict() == {"ann": "c"} and sorted(past["user_id"]) == ["ann", "ann", "bob", "bob"]


def test_lists_are_judged_as_worked_by_hand():
    lists = pd.DataFrame([("ann", 1, "a"), ("ann", 2, "c"), ("bob", 1, "a")], columns=["user_id", "rank", "item_id"])
    table = shop_kinds.judged(lists, pd.Series({"ann": "c", "bob": "b", "zoe": "a"}))
    assert table["recall"].tolist() == [1, 0, 0] and table["served"].tolist() == [1, 1, 0]
    assert table.loc["ann", "ndcg"] == pytest.approx(0.6309, abs=1e-4)


def test_the_task_that_fits_serves_everybody_and_is_not_below_a_pure_one():
    for kind, fits in (("discovery", shop_kind.NEXT_ITEM), ("mixed", shop_kind.BOTH)):
        found = shop_kinds.compare(kind, 0, light=True, customers=400, items=200)
        assert next(iter(found)) == fits and found[fits]["served"].all()
        table = report.compare({task: one["recall"] for task, one in found.items()}, fits).table
        assert not (table["verdict"] == "above").any()


@pytest.mark.slow
def test_recommend_is_as_good_as_bench_on_the_same_shop_within_a_standard_error(tmp_path):
    events = discovery_shop.events(seed=0, customers=400, items=200)
    past, hidden = shop_kinds.hide_last(events)
    past.to_csv(tmp_path / "events.csv", index=False)
    lists = shop_kinds.lists_of(str(tmp_path), shop_kind.NEXT_ITEM, light=False, new_only=True)
    found, other = shop_kinds.judged(lists, hidden), shop_kinds.refitted(events)
    assert found["served"].all()
    for name in ("recall", "ndcg"):
        assert found[name].mean() > other[f"{name}@10"] - found[name].std() / len(found) ** 0.5
