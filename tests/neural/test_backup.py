"""A training that was interrupted goes on, and what can't be read of it is named and made anew."""

import json
import shutil

import keras
import numpy as np
import pytest

from recsys_kit.formats import Damaged
from recsys_kit.neural import backup


def small(width=3):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(width), keras.layers.Dropout(0.5)])
    model.compile(keras.optimizers.AdamW(0.1), "mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def values(number, width=3):
    """Returns values for the model of which each is one number."""
    return [np.full(value.shape, number, value.dtype) for value in backup.values(small(width))]


@pytest.fixture
def folder(tmp_path):
    """The folder of a training that was killed in its fourth epoch; the second was the best."""
    folder = tmp_path / "training"
    for epoch in (2, 3):
        backup.save(folder / "backup" / f"epoch-{epoch:04d}.npz", values(epoch))
    backup.save(folder / "best.npz", values(2))
    rows = [{"epoch": i, "loss": 1.0, "ndcg": 0.1} for i in (1, 2, 3)]
    (folder / "record.json").write_text(json.dumps(rows))
    return folder


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def make_folder(path):
    path.unlink()
    path.mkdir()


def another_model(path):
    backup.save(path, values(1, width=4))


def same(found, wanted):
    return all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_the_last_backup_is_loaded_with_the_record_and_the_best_weights(folder, capsys):
    model = small()
    epochs, record, best = backup.resume(folder, model)
    assert (epochs, len(record)) == (3, 3)
    assert same(backup.values(model), values(3)) and same(best, values(2))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("damage", [cut, empty, flip, make_folder, another_model])
def test_if_the_last_backup_cannot_be_read_the_one_before_is_taken(folder, damage, capsys):
    path, model = folder / "backup" / "epoch-0003.npz", small()
    damage(path)
    assert backup.resume(folder, model).epochs == 2
    assert same(backup.values(model), values(2))
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith(f"{path} can't be read") and said.endswith("the training goes on after epoch 2")


@pytest.mark.parametrize("damage", [cut, empty, flip, make_folder, another_model])
@pytest.mark.parametrize("names", [["best.npz"], ["backup/epoch-0003.npz", "backup/epoch-0002.npz"]])
def test_what_cannot_be_read_is_named_and_the_training_starts_afresh(folder, names, damage, capsys):
    model = small()
    before = backup.values(model)
    for name in names:
        damage(folder / name)
    assert backup.resume(folder, model) == (0, [], None)
    assert same(backup.values(model), before)
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith(f"{folder / names[-1]} can't be read") and said.endswith("the training starts afresh")
    assert not folder.exists()


@pytest.mark.parametrize("text", ["", '[{"epoch": 1', "{}", "[1, 2]", '[{"epoch": 2}]', "null"])
def test_a_record_that_is_none_is_named_and_the_training_starts_afresh(folder, text, capsys):
    (folder / "record.json").write_text(text)
    with pytest.raises(Damaged, match=r"record.json can't be read"):
        backup.read_record(folder / "record.json")
    assert backup.resume(folder, small()).epochs == 0
    assert str(folder / "record.json") in capsys.readouterr().out


@pytest.mark.parametrize("name", ["", "backup"])
def test_a_file_where_a_folder_should_be_is_named_and_removed(folder, name, capsys):
    path = folder / name
    shutil.rmtree(path)
    path.write_text("")
    assert backup.resume(folder, small()).epochs == 0
    assert f"{path} can't be read (it is a file, not a folder)" in capsys.readouterr().out
    assert not folder.exists()


def test_what_a_killed_writer_left_is_removed_and_nothing_else(folder):
    (folder / "logs").mkdir()
    for name in (".0a1b2c3d-best.npz", ".0a1b2c3d-record.json", "backup/.0a1b2c3d-epoch-0004.npz", "logs/.kept.npz"):
        (folder / name).write_text("half")
    assert backup.resume(folder, small()).epochs == 3
    assert [path.name for path in folder.rglob(".*")] == [".kept.npz"]


def test_a_backup_of_an_epoch_without_a_row_in_the_record_is_not_taken(folder):
    (folder / "record.json").write_text(json.dumps([{"epoch": i, "loss": 1.0} for i in (1, 2)]))
    assert backup.resume(folder, small()).epochs == 2


def test_without_a_backup_the_training_begins_again_and_knows_how_far_it_was(folder, tmp_path, capsys):
    shutil.rmtree(folder / "backup")
    assert backup.resume(folder, small())[:2] == (0, backup.read_record(folder / "record.json"))
    assert backup.resume(tmp_path / "none", small()) == (0, [], None)
    assert capsys.readouterr().out == ""


def test_two_backups_are_kept_while_a_training_runs_and_none_after_it(tmp_path):
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(sorted(path.name for path in (tmp_path / "backup").iterdir()))

    x = np.eye(2, dtype="float32")
    small().fit(x, np.ones((2, 3)), epochs=3, verbose=0, callbacks=[backup.Backup(tmp_path), Look()])
    assert seen[1:] == [["epoch-0001.npz", "epoch-0002.npz"], ["epoch-0002.npz", "epoch-0003.npz"]]
    assert list(tmp_path.iterdir()) == []
