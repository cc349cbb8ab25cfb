import pandas as pd
import pytest
from priced_shop import write_priced_shop


def test_the_command_writes_prices_for_a_shop_of_ones_own(recsys_kit, tmp_path):
    folder = write_priced_shop(tmp_path / "shop")
    result = recsys_kit("price", "--data", str(folder), "--out", "prices.csv", "--largest", "0.2")
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "prices.csv")
    assert len(table) == 6 and (table["change"].abs() <= 0.2 + 1e-9).all()
    assert (table["elasticity"] + 2).abs().max() < 0.3
    assert "cost is not in the data" in result.output and "promotions.csv" in result.output


def test_parquet_is_written_too(recsys_kit, tmp_path):
    folder = write_priced_shop(tmp_path / "shop")
    assert recsys_kit("price", "--data", str(folder), "--out", "prices.parquet").exit_code == 0
    assert {"new_price", "gain_low", "note"} <= set(pd.read_parquet(tmp_path / "prices.parquet"))


def test_a_missing_price_is_named_and_nothing_is_written(recsys_kit, tmp_path):
    folder = write_priced_shop(tmp_path / "shop", without=("price",))
    result = recsys_kit("price", "--data", str(folder), "--out", "prices.csv")
    assert result.exit_code == 2 and "events.price is missing" in result.output
    assert not (tmp_path / "prices.csv").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "prices.txt"], "must end in .parquet or .csv"),
        (["--out", "prices.csv", "--cost", "2"], "`cost` must be"),
        (["--out", "prices.csv", "--ending", "12"], "`ending` must be"),
    ],
)
def test_what_is_out_of_range_is_refused_before_anything_is_read(recsys_kit, words, message):
    result = recsys_kit("price", *words)
    assert result.exit_code == 2 and message in result.output
