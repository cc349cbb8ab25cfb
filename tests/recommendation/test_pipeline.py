"""From a shop to files of lists: the command, and what is written."""

import subprocess
import sys

import light_shop
import pandas as pd
import pytest
from typer.testing import CliRunner

from recsys_kit import cli, recommendation


def test_parquet_is_written_whole_with_its_columns(everyone, tmp_path):
    path = recommendation.write(everyone, tmp_path / "recs.parquet")
    back = pd.read_parquet(path)
    assert tuple(back.columns) == recommendation.LIST_COLUMNS and len(back) == len(everyone)
    assert [path.name for path in tmp_path.iterdir()] == ["recs.parquet"]
    with pytest.raises(ValueError, match=r"must end in \.parquet"):
        recommendation.write(everyone, tmp_path / "recs.csv")
    with pytest.raises(ValueError, match="does not exist"):
        recommendation.write(everyone, tmp_path / "nowhere" / "recs.parquet")


def test_the_command_writes_lists_and_refuses_unknown_ids(tmp_path):
    common = ["recommend", "--data", str(light_shop.FOLDER), "--workspace", str(tmp_path / "ws"), "--light"]
    out = tmp_path / "recs.parquet"
    (tmp_path / "ids.txt").write_text("kd-003\n\nkd-001\n")
    done = CliRunner().invoke(
        cli.app, [*common, "--users", str(tmp_path / "ids.txt"), "kd-002", "--k", "4", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    assert "3 users, 12 recommendations" in done.output
    assert pd.read_parquet(out)["user_id"].unique().tolist() == ["kd-003", "kd-001", "kd-002"]
    done = CliRunner().invoke(cli.app, [*common, "--users", "nobody", "--out", str(tmp_path / "other.parquet")])
    assert done.exit_code == 2 and "'nobody'" in done.output
    assert not (tmp_path / "other.parquet").exists()


def test_importing_the_module_does_not_load_keras():
    script = "import sys, recsys_kit.recommendation; print({'keras', 'tensorflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
