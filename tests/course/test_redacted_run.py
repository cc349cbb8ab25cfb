"""A report that leaves the house: a real run of a notebook that shows all that it gets, and all its files searched."""

import json
import zipfile

import pytest

from recsys_kit import datasets

SHOWS = """import matplotlib.pyplot as plt
from recsys_kit import datasets, workspace
from recsys_kit.datasets import promotions
shop = datasets.load(DATA)
store = workspace.Workspace(WORKSPACE)
store.get("everything", lambda: shop.events, data=shop.fingerprint)
print(shop.name, *shop.users["user_id"], *shop.items["title"], *shop.items.columns)
plt.hist(shop.events["price"])
shop.events.to_html(); shop.events"""
FAILS = 'raise ValueError(f"no: {datasets.load(DATA).users.iloc[-1].to_dict()}")'


def everything(folder):
    """All that stands in the files of a folder, their names included, and what is packed in them."""
    told = b""
    for path in sorted(folder.rglob("*")):
        told += str(path.relative_to(folder)).encode()
        if path.is_file():
            told += path.read_bytes()
        if path.is_file() and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                told += b"".join(packed.read(name) for name in packed.namelist())
    return told.decode("latin-1")


@pytest.fixture
def shop(tmp_path):
    """A shop in which Anna is a customer whom nobody else is like, and bought something of her own."""
    folder = tmp_path / "Annas house"
    folder.mkdir()
    rows = [f"user-{n % 20},SKU-{n % 7},2024-01-{1 + n % 28:02d},2" for n in range(400)]
    rows += ["anna.muster,SKU-ENGRAVED,2024-02-20,2", "anna.muster,SKU-1,2024-02-21,2"]
    (folder / "events.csv").write_text("user_id,item_id,timestamp,price\n" + "\n".join(rows), encoding="utf-8")
    titles = [f"SKU-{n},Mug no. {n}" for n in range(7)] + ["SKU-ENGRAVED,Mug with the name Muster"]
    (folder / "items.csv").write_text("item_id,title\n" + "\n".join(titles), encoding="utf-8")
    return folder


def test_no_file_of_a_redacted_report_holds_a_customer_a_title_or_a_rare_item(
    recsys_kit, write_notebook, tmp_path, shop
):
    write_notebook("01_shows", SHOWS)
    write_notebook("02_fails", "from recsys_kit import datasets", FAILS)
    done = recsys_kit("run", "--data", str(shop), "--redact")
    out = tmp_path / "runs" / "quick-redacted"
    told = everything(out)
    assert done.exit_code == 1, done.output
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))["results"]
    assert [result["status"] for result in results] == ["ok", "failed"], results
    assert "customer 7" in told and "rare item 1" in told and "SKU-3" in told  # it did show what it got
    assert "This report is redacted." in (out / "index.html").read_text(encoding="utf-8")
    for secret in ("anna", "Anna", "muster", "user-1", "Muster", "Mug", "ENGRAVED", str(shop)):
        assert secret not in told, secret
    assert datasets.read_shop(shop).users["user_id"].str.contains("anna").any()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--redact"], "--redact goes with --data"),
        (["--redact", "--data", "SHOP", "-p", "WORKSPACE", "here"], "chooses DATA and WORKSPACE itself"),
        (["--redact", "--data", "SHOP", "--out", "notebooks"], "were not redacted"),
    ],
)
def test_what_would_not_be_redacted_is_refused(recsys_kit, write_notebook, shop, words, why):
    write_notebook("01_shows", SHOWS)
    done = recsys_kit("run", *[word.replace("SHOP", str(shop)) for word in words])
    assert done.exit_code == 2 and why in done.output
