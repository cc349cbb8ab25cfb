"""A packed file is read as the file in it; what can't be unpacked is said."""

import bz2
import gzip
import io
import lzma
import zipfile

import pytest
from shop_files import GOOD, error, folder_with

from recsys_kit import datasets


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.csv", text)
    return buffer.getvalue()


PACKED = {
    "gz": gzip.compress(GOOD.encode()),
    "bz2": bz2.compress(GOOD.encode()),
    "xz": lzma.compress(GOOD.encode()),
    "zip": zipped(orders=GOOD),
}


@pytest.mark.parametrize("ending", PACKED)
def test_a_packed_file_is_read_as_what_is_in_it(tmp_path, ending):
    plain = datasets.read_shop(folder_with(tmp_path, events=GOOD))
    (tmp_path / "events.csv").unlink()
    packed = datasets.read_shop(folder_with(tmp_path, **{f"events.csv.{ending}": PACKED[ending]}))
    assert packed.fingerprint == plain.fingerprint


def test_parts_of_a_folder_may_be_packed(tmp_path):
    (tmp_path / "events.csv").mkdir()
    folder_with(tmp_path / "events.csv", **{"a.csv.gz": PACKED["gz"], "b.csv": GOOD})
    assert len(datasets.read_shop(tmp_path).events) == 6


def test_the_packing_may_be_named_where_the_ending_does_not_tell(tmp_path):
    settings = '{"format": {"compression": "gzip"}}'
    assert len(datasets.read_shop(folder_with(tmp_path, events=PACKED["gz"], **{"shop.json": settings})).events) == 3


def test_a_damaged_file_and_an_archive_of_many_are_refused(tmp_path):
    assert "events.csv.gz: is no readable gzip file" in error(
        folder_with(tmp_path, **{"events.csv.gz": PACKED["gz"][:60]})
    )
    (tmp_path / "events.csv.gz").unlink()
    message = error(folder_with(tmp_path, **{"events.csv.zip": zipped(a=GOOD, b=GOOD)}))
    assert "events.csv.zip: must hold one file. It holds: a.csv, b.csv." in message
