"""Pictures of items: the kit's drawings are whole and mapped, and a shop's own are checked when it enters."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shop_files import GOOD, error, folder_with

from recsys_kit import datasets
from recsys_kit.datasets import pictures

ITEMS = "item_id,title,image\ntea,Green tea,photos/tea.png\nsoup,Soup,\n"


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 20), "red").save(tmp_path / "photos" / "tea.png")
    return folder_with(tmp_path, events=GOOD, items=ITEMS)


def with_image(folder, value):
    return folder_with(folder, items=f"item_id,title,image\ntea,Green tea,{value}\nsoup,Soup,\n")


def test_a_shop_s_own_pictures_are_a_column_and_a_gap_stays_a_gap(shop):
    items = datasets.load(str(shop)).items.set_index("item_id")
    assert items.loc["tea", "image"] == "photos/tea.png" and pd.isna(items.loc["soup", "image"])
    assert pictures.has_pictures(items)


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_is_no_picture(shop, blank):
    assert not pictures.has_pictures(datasets.load(str(with_image(shop, blank))).items)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("photos/coffee.png", "must name a picture that is there"),
        ("photos", "must name a picture that is there"),
        ("https://example.org/tea.png", "must be a path inside the shop's folder"),
        ("../tea.png", "must be a path inside the shop's folder"),
        ("/etc/hostname", "must be a path inside the shop's folder"),
        ("C:\\tea.png", "must be a path inside the shop's folder"),
        ("events.csv", "must be a picture that can be read"),
    ],
)
def test_a_picture_that_is_none_is_an_error_with_file_column_rule_and_row(shop, value, rule):
    message = error(with_image(shop, value))
    assert f"items.csv: column `image` {rule}" in message
    assert "1 row breaks it (of 2)" in message and f"row 2: {value!r}" in message


def test_each_rule_is_one_message_however_many_rows_break_it(shop):
    rows = "".join(f"i{place},Tea,photos/none{place}.png\n" for place in range(5))
    message = error(folder_with(shop, items=ITEMS + rows))
    assert "5 rows break it (of 7)" in message and "and 2 more" in message
    assert message.count("column `image`") == 1


def test_a_picture_is_read_whole_on_a_white_square(shop):
    (found,) = pictures.read([shop / "photos" / "tea.png"], size=20)
    assert found.shape == (20, 20, 3) and found.dtype == np.uint8
    assert found[10, 10].tolist() == [255, 0, 0] and found[0, 10].tolist() == [255, 255, 255]
    (smaller,) = pictures.read([shop / "photos" / "tea.png"], size=20, margin=0.25)
    assert smaller[10, 2].tolist() == [255, 255, 255] and smaller[10, 10].tolist() == [255, 0, 0]
    assert pictures.read([], size=8).shape == (0, 8, 8, 3)


def test_what_is_transparent_is_white(tmp_path):
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert (pictures.read([tmp_path / "a.png"], size=4) == 255).all()


def test_a_shop_without_pictures_says_what_to_do(example):
    with pytest.raises(datasets.NotForThisShop, match="Give `items` a column `image`"):
        pictures.with_pictures(example)


def test_a_shop_s_own_pictures_are_left_alone(shop):
    own = datasets.load(str(shop))
    assert pictures.with_pictures(own) is own


# The kit's drawings


def test_every_drawing_is_there_in_every_style_as_its_checksum_says():
    lines = (pictures.folder() / "checksums.sha256").read_text(encoding="utf-8").splitlines()
    listed = {path: checksum for checksum, path in (line.split("  ") for line in lines)}
    names = pictures.drawings()["picture"]
    assert set(listed) == {f"{style}/{name}.webp" for style in pictures.STYLES for name in names}
    assert names.is_unique and 130 <= len(names) <= 160
    for path, checksum in listed.items():
        assert hashlib.sha256((pictures.folder() / path).read_bytes()).hexdigest() == checksum, path


def test_the_drawings_can_be_read_and_no_two_of_a_style_are_alike():
    for style in pictures.STYLES:
        paths = [pictures.folder() / style / f"{name}.webp" for name in pictures.drawings()["picture"]]
        found = pictures.read(paths, 48)
        assert len(np.unique(found.reshape(len(found), -1), axis=0)) == len(found)


def test_a_type_has_one_drawing_at_most_and_every_drawing_stands_for_a_type(journey):
    table = pictures.types()
    assert not table.duplicated(["category", "product_type"]).any()
    assert set(table["picture"]) == set(pictures.drawings()["picture"])
    pairs = journey.items[["category", "product_type"]].drop_duplicates()
    assert len(table.merge(pairs)) == len(table)


def test_the_kit_s_own_shop_gets_drawings_and_keeps_its_fingerprint(journey):
    drawn = pictures.with_pictures(journey, "flat")
    assert drawn.fingerprint == journey.fingerprint and "image" not in journey.items
    assert drawn.items["item_id"].equals(journey.items["item_id"])
    bananas = drawn.items[drawn.items["product_type"] == "BANANAS"]
    assert set(bananas["image"]) == {"flat/banana.webp"}
    assert 0.8 < drawn.items["image"].notna().mean() < 1
    assert (pictures.folder() / bananas["image"].iloc[0]).exists()


def test_an_unknown_style_is_refused(journey):
    with pytest.raises(ValueError, match=r"`style` must be one of 3d, flat, noto. Received: style='oil'"):
        pictures.with_pictures(journey, "oil")


def test_a_picture_becomes_text_for_a_page_small_and_in_its_proportions(tmp_path):
    import base64
    import io

    Image.new("RGB", (300, 150), "red").save(tmp_path / "a.png")
    head, content = pictures.data_uri(tmp_path / "a.png", 40).split(",")
    assert head == "data:image/webp;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (40, 20)
