import json

import numpy as np
import pandas as pd
import pytest
from shop_files import error

from recsys_kit import datasets
from recsys_kit.datasets import promotions, redacted

SECRETS = ("anna.muster@example.org", "Engraved mug for Anna", "SKU-ENGRAVED", "Zollikon", "Only for Anna", "bk-4711")


def write_shop(folder, customers=40):
    """Writes a shop in which forty buy everything, and Anna one thing more that nobody else has; returns the folder."""
    rng, rows = np.random.default_rng(0), []
    for user in [f"user-{n}@example.org" for n in range(customers)] + [SECRETS[0]]:
        for day in range(0, 60, 3):
            rows.append((user, f"SKU-{rng.integers(30)}", pd.Timestamp("2024-01-01") + pd.Timedelta(days=day), "b"))
    rows.append((SECRETS[0], SECRETS[2], pd.Timestamp("2024-02-20"), SECRETS[5]))
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "basket_id"])
    events["price"] = 2.5
    items = pd.DataFrame({"item_id": [f"SKU-{n}" for n in range(30)] + [SECRETS[2]]})
    items["title"] = [f"Mug {n}" for n in range(30)] + [SECRETS[1]]
    items["category"] = ["mugs"] * 30 + [SECRETS[4]]
    items["description"] = SECRETS[1]
    users = pd.DataFrame({"user_id": events["user_id"].unique()})
    users["city"] = ["Bern"] * customers + [SECRETS[3]]
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in {"events": events, "items": items, "users": users}.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    plan = pd.DataFrame({"item_id": ["SKU-1", SECRETS[2]], "start": "2024-01-01"})
    plan.to_csv(folder / "promotions.csv", index=False)
    (folder / "shop.json").write_text(json.dumps({"name": "Anna's shop", "timezone": "Europe/Zurich"}))
    return folder


@pytest.fixture
def pair(tmp_path):
    source = write_shop(tmp_path / "shop")
    redacted.write(source, tmp_path / "copy")
    return datasets.read_shop(source), datasets.read_shop(tmp_path / "copy"), tmp_path / "copy"


def test_nothing_of_a_single_customer_or_a_rare_item_is_left(pair):
    _, copy, folder = pair
    told = "".join(table.to_csv() for table in (copy.events, copy.items, copy.users)) + copy.name
    told += (folder / "shop.json").read_text() + (folder / redacted.MARK).read_text() + promotions.load(folder).to_csv()
    assert [secret for secret in (*SECRETS, "@example.org", "Mug", "Anna") if secret in told] == []
    assert not {"description", "image"} & set(copy.items)


def test_what_many_share_stays_and_so_does_the_number_of_everything(pair):
    original, copy, _ = pair
    for name in ("user_id", "item_id", "basket_id"):
        counts = [shop.events[name].value_counts().sort_values().tolist() for shop in (original, copy)]
        assert counts[0] == counts[1]
    assert set(copy.items["item_id"]) == {f"SKU-{n}" for n in range(30)} | {"rare item 1"}
    assert set(copy.items["category"]) == {"mugs", "other"}
    assert set(copy.users["city"].dropna()) == {"Bern"}
    assert (copy.items["title"] == copy.items["item_id"]).all()  # so pages know that there are no texts
    assert copy.timezone == "Europe/Zurich"
    assert copy.events["timestamp"].tolist() == sorted(original.events["timestamp"])
    assert promotions.load(pair[2])["item_id"].tolist() == ["SKU-1"]


def test_numbers_are_drawn_anew_so_that_no_two_copies_can_be_laid_side_by_side(pair, tmp_path):
    original, copy, _ = pair
    again = redacted.redact(original)
    histories = [shop.events.groupby("user_id")["item_id"].agg(list) for shop in (copy, again)]
    assert not histories[0].sort_index().equals(histories[1].sort_index())


def test_the_copy_goes_with_the_block_and_the_report_says_what_was_replaced(tmp_path):
    out = tmp_path / "out"
    with redacted.prepared(write_shop(tmp_path / "shop"), out) as work:
        assert "41 customers and 1 rare items got numbers" in redacted.note(work / "shop")
    assert not work.exists()
    assert redacted.note(out) and not redacted.note(tmp_path / "shop") and not redacted.note("")
    redacted.check_folder(out)  # a second redacted run may go there


def test_a_folder_with_pages_that_were_not_redacted_is_refused(tmp_path):
    (tmp_path / "index.html").touch()
    with pytest.raises(datasets.DataError, match="holds files already that were not redacted"):
        redacted.check_folder(tmp_path)
    with pytest.raises(datasets.DataError, match="goes with --data"):
        with redacted.prepared(None, tmp_path / "new"):
            pass


def test_a_shop_that_cannot_be_read_says_why_before_a_report_is_begun(tmp_path):
    (tmp_path / "shop").mkdir()
    assert "events.csv or events.parquet is missing" in error(tmp_path / "shop")
    with pytest.raises(datasets.DataError, match=r"events\.csv or events\.parquet is missing"):
        with redacted.prepared(tmp_path / "shop", tmp_path / "out"):
            pass
    assert not (tmp_path / "out").exists()
