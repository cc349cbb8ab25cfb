import dataclasses

import keras
import numpy as np
import pytest
import without_tensorflow

from recsys_kit import training, workspace

SMALL = training.Settings(width=8, blocks=1, epochs=2, positions=2, candidates=20, batch_size=24, patience=2)


class Eagerly(keras.callbacks.Callback):
    """Runs without a compiled graph, as a training of seconds is over before one is traced; keeps the last weights."""

    def set_model(self, model):
        super().set_model(model)
        model.run_eagerly = True

    def on_epoch_end(self, epoch, logs=None):
        self.last = self.model.get_weights()  # the training ends with the best epoch's


class Stop(keras.callbacks.Callback):
    """Stops the training as Ctrl-C would, when an epoch begins."""

    def __init__(self, epoch):
        super().__init__()
        self.at = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.at:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def eagerly():
    return Eagerly()


@pytest.fixture(scope="module")
def whole(shop, task, tmp_path_factory, eagerly):
    return training.train(shop, task, SMALL, tmp_path_factory.mktemp("whole"), callbacks=[eagerly])


@pytest.mark.slow
def test_a_resumed_training_ends_with_the_weights_of_an_uninterrupted_one(shop, task, whole, eagerly, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        training.train(shop, task, SMALL, tmp_path, callbacks=[Eagerly(), Stop(epoch=1)])
    going_on = Eagerly()
    resumed, record = training.train(shop, task, SMALL, tmp_path, callbacks=[going_on])
    pairs = zip([*resumed.get_weights(), *going_on.last], [*whole[0].get_weights(), *eagerly.last], strict=True)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours, theirs)
    columns = ["epoch", "loss", "ndcg", "explore"]
    np.testing.assert_allclose(record[columns], whole[1][columns], rtol=1e-6)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(shop, task, whole, tmp_path):
    same, _ = training.train(shop, task, SMALL, tmp_path / "same", callbacks=[Eagerly()])
    assert all(np.array_equal(a, b) for a, b in zip(same.get_weights(), whole[0].get_weights(), strict=True))
    other = training.build(shop, task.test, dataclasses.replace(SMALL, seed=1))
    assert any(not np.array_equal(a, b) for a, b in zip(other.get_weights(), whole[0].get_weights(), strict=True))


@pytest.mark.parametrize("left", ["", '[{"epoch": 1, "lo', "{}"])
def test_a_record_that_was_cut_off_is_named_and_the_training_starts_afresh(
    shop, task, whole, tmp_path, capsys, left, monkeypatch
):
    (tmp_path / "record.json").write_text(left)
    (tmp_path / "best.weights.h5").write_text("half")
    (tmp_path / "backup").mkdir()
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **named: None)
    training.train(shop, task, SMALL, tmp_path)
    assert list(tmp_path.iterdir()) == []
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1
    assert str(tmp_path / "record.json") in said[0] and said[0].endswith("the training starts afresh")


def test_a_training_leaves_no_temporary_file(whole, tmp_path_factory):
    folder = next(tmp_path_factory.getbasetemp().glob("whole*"))
    names = {path.name for path in folder.iterdir()}
    assert names == {"record.json", "best.npz"}


@pytest.mark.slow
def test_a_trained_model_is_found_again_with_its_history(shop, task, whole, tmp_path):
    store = workspace.Workspace(tmp_path)
    with pytest.raises(FileNotFoundError, match="call `trained`"):
        training.history(store, shop, task, SMALL)
    assert not training.is_trained(store, shop, task, SMALL)
    model = training.trained(store, shop, task, SMALL, callbacks=[Eagerly()])
    assert training.is_trained(store, shop, task, SMALL)
    seen = []
    spy = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: seen.append(1))
    again = training.trained(store, shop, task, SMALL, callbacks=[spy])
    assert not seen
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))
    assert list(training.history(store, shop, task, SMALL)["epoch"]) == list(whole[1]["epoch"])


ELSEWHERE = """
import json, pathlib, tempfile
from unseen_shop import write_unseen_shop
from recsys_kit import datasets, preprocessing, training

folder = pathlib.Path(tempfile.mkdtemp())
shop = datasets.load(str(write_unseen_shop(folder / "shop")))
task = preprocessing.task(shop)
settings = training.Settings(width=8, blocks=1, epochs=2, positions=2, candidates=20, batch_size=24)
data = training.BasketBatches(training.baskets.sequences(task.validation), settings)
record = training.train(shop, task, settings, folder / "run").curve
shapes = {data[index][0]["incidence"].shape[1:] for index in range(len(data))}
print(json.dumps({"loss": record["loss"].tolist(), "ndcg": record["ndcg"].max(), "sides": sorted({*sum(shapes, ())})}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_it_trains_on_another_backend_where_tensorflow_is_missing(whole, backend):
    found = without_tensorflow.printed(ELSEWHERE, backend)
    assert len(found["loss"]) == 2 and np.isfinite(found["loss"]).all()
    assert found["ndcg"] > 0.5 * whole[1]["ndcg"].max()
    if backend == "jax":  # each shape is compiled anew
        assert all(side & (side - 1) == 0 for side in found["sides"])
