"""Your own data, from files to an evaluated ranking: on the example shop and on one that the kit has never seen."""

import subprocess
import sys
from pathlib import Path

import pytest
from unseen_shop import DAYS, ITEMS, USERS, write_unseen_shop

from recsys_kit import baselines, datasets, evaluation, preprocessing

ROOT = Path(__file__).parents[2]


def recsys_kit(*arguments):
    command = [sys.executable, "-c", "from recsys_kit.cli import app; app()", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(params=["example", "unseen"])
def folder(request, tmp_path):
    return ROOT / "data" / "example_shop" if request.param == "example" else write_unseen_shop(tmp_path / "shop")


def test_a_shop_goes_from_files_to_an_evaluated_ranking(folder):
    shop = datasets.load(str(folder))
    task = preprocessing.task(shop)
    assert len(task.test.test_users) >= 20
    assert len(task.validation.test_users) >= 20
    scores = {name: getattr(baselines, name)(task.test) for name in ("popularity", "personal_frequency")}
    ndcg = {name: evaluation.evaluate(score, task.test.answers)["ndcg"].mean() for name, score in scores.items()}
    assert all(0.1 < value < 1 for value in ndcg.values())  # far above chance
    if shop.name == "Markthalle am See":  # its customers have habits
        assert ndcg["personal_frequency"] > ndcg["popularity"]
    places = datasets.positions(task.test.items, task.test.items[::-1])
    assert places.tolist() == list(range(len(task.test.items)))[::-1]


def test_the_unseen_shop_is_what_it_claims(tmp_path):
    folder = write_unseen_shop(tmp_path)
    assert [path.name for path in folder.iterdir()] == ["events.csv"]
    shop = datasets.load(str(folder))
    assert shop.events["user_id"].nunique() == USERS
    assert shop.events["item_id"].nunique() <= ITEMS
    assert (shop.events["timestamp"].max() - shop.events["timestamp"].min()).days < DAYS
    assert shop.events["item_id"].str.contains("🧀").any()
    assert shop.events["item_id"].str.fullmatch("0[0-9]+").any()
    assert not shop.is_reference


def test_the_command_refuses_a_broken_shop_before_it_runs_anything(tmp_path):
    folder = write_unseen_shop(tmp_path / "shop")
    text = (folder / "events.csv").read_text(encoding="utf-8").replace("item_id", "product")
    (folder / "events.csv").write_text(text, encoding="utf-8")
    done = recsys_kit("run", "--data", folder, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "events.csv: column `item_id` is missing. Columns found: user_id, product, timestamp." in done.stderr
    assert not (tmp_path / "out").exists()
