"""Time to quality of SASRec in RecBole, in RecTools and in this kit, on one core and one split.

    export OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1
    taskset -c 0 python benchmarks/compare_peers.py Beauty.txt --methods recsys_kit recbole rectools --seconds 900

Every method trains on the same training part (each user's last two items left out) and is judged by the same code on
each user's last item: whole catalogue, seen items left out, ties against the method. After each epoch one JSON line
says how many seconds the method has trained and what it reaches. The lines draw a curve; nothing is chosen by them.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit.next_item import leave_one_out
from recsys_kit.next_item.leave_one_out import LeaveOneOut

LENGTH = 20  # of the peers' sequences
FOR_SPEED = {"dropout": 0.2, "learning_rate": 0.012, "candidates": 1600}
"""Settings that are ahead in the first epochs and end lower; chosen on the validation items, with one seed."""


class Stopwatch:
    """Judges a method after each epoch; judging takes no time on its clock. CPU seconds count the whole process.

    Args:
        method: Name of the method.
        data: The sequences.
        seconds: Training seconds after which `TimeoutError` is raised.
    """

    def __init__(self, method: str, data: LeaveOneOut, seconds: float):
        self.method, self.data, self.seconds = method, data, seconds
        self.began, self.judging, self.judging_cpu = time.perf_counter(), 0.0, 0.0

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stops the clock."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.judging += time.perf_counter() - wall
        self.judging_cpu += time.process_time() - cpu

    def judge(self, **scorers) -> None:
        """Prints a line for each scorer, a function from users (B,) to scores (B, V)."""
        trained = time.perf_counter() - self.began - self.judging
        cpu = time.process_time() - self.judging_cpu
        with self.paused():
            for variant, scorer in scorers.items():
                metrics = leave_one_out.judge(scorer, self.data, 1)
                line = {"method": self.method, "variant": variant}
                line |= {"seconds": round(trained, 1), "cpu_seconds": round(cpu, 1)}
                print(json.dumps(line | {name: round(value, 4) for name, value in metrics.items()}), flush=True)
        if trained > self.seconds:
            raise TimeoutError


def recsys_kit(data: LeaveOneOut, watch: Stopwatch, **settings) -> None:
    """Trains as `recsys-kit bench` does; importing Keras, counting and tracing are on the clock."""
    from tqdm import tqdm

    from recsys_kit.next_item import fit
    from recsys_kit.next_item.prior import ItemPrior

    prior = ItemPrior(data, 2).scorer(1)

    class Judged(fit.Trainer):
        def ndcg(self, held_out: int, users: np.ndarray) -> float:
            with watch.paused():
                model = self.scores.scorer(1)
            watch.judge(without_prior=model, with_prior=lambda rows: model(rows) + prior(rows))
            return time.perf_counter()  # always better than before: training goes on

    trainer = Judged(data, 50, fit.Settings(**settings))
    trainer.fit(2, 1000, 0, tqdm(disable=True), time.perf_counter() + 1e9, np.arange(0))


def recbole(data: LeaveOneOut, watch: Stopwatch) -> None:
    """RecBole's SASRec: cross-entropy, width 64, 2 layers, dropout 0.5, batches of 512."""
    import torch
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.data.interaction import Interaction
    from recbole.model.sequential_recommender import SASRec
    from recbole.trainer import Trainer

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        users, place, items = data.events(0)
        table = pd.DataFrame({"user_id:token": users, "item_id:token": items, "timestamp:float": place})
        (Path(folder) / "bench").mkdir()
        table.to_csv(Path(folder) / "bench" / "bench.inter", sep="\t", index=False)
        split = {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"}
        config = Config(
            model="SASRec",
            dataset="bench",
            config_dict={
                "data_path": folder,
                "checkpoint_dir": folder,
                "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
                "eval_args": split,
                "MAX_ITEM_LIST_LENGTH": LENGTH,
                "loss_type": "CE",
                "train_neg_sample_args": None,
                "hidden_size": 64,
                "n_layers": 2,
                "hidden_dropout_prob": 0.5,
                "attn_dropout_prob": 0.5,
                "train_batch_size": 512,
                "learning_rate": 1e-3,
                "show_progress": False,
                "use_gpu": False,
            },
        )
        training, _, _ = data_preparation(config, create_dataset(config))
        dataset = training.dataset
        model = SASRec(config, dataset)
        with contextlib.chdir(folder):  # it leaves a log for TensorBoard where it is started
            trainer = Trainer(config, model)
    number = dataset.token2id("item_id", [str(item) for item in range(data.size)])  # their id of each of our items
    low, high = data.history(held_out=1)
    low = np.maximum(low, high - LENGTH)

    def scorer(rows: np.ndarray) -> np.ndarray:
        model.eval()
        ids = np.zeros((len(rows), LENGTH), np.int64)
        part, _, _ = leave_one_out.padded(data, low[rows], high[rows])
        ids[:, : part.shape[1]] = np.where(part > 0, number[part - 1], 0)
        inputs = {"item_id_list": torch.from_numpy(ids), "item_length": torch.from_numpy((high - low)[rows])}
        with torch.no_grad():
            return model.full_sort_predict(Interaction(inputs)).view(len(rows), -1).numpy()[:, number]

    for epoch in range(1000):
        trainer._train_epoch(training, epoch)
        watch.judge(alone=scorer)


def rectools(data: LeaveOneOut, watch: Stopwatch) -> None:
    """RecTools' SASRec: softmax, width 64, 2 blocks, batches of 128."""
    from rectools.dataset import Dataset
    from rectools.models import SASRecModel

    def dataset(held_out: int) -> Dataset:
        users, place, items = data.events(held_out)
        when = pd.Timestamp("2020-01-01") + pd.to_timedelta(place, unit="D")
        return Dataset.construct(pd.DataFrame({"user_id": users, "item_id": items, "weight": 1.0, "datetime": when}))

    training, visible = dataset(2), dataset(1)
    settings = {"n_factors": 64, "n_blocks": 2, "session_max_len": LENGTH, "batch_size": 128, "lr": 1e-3}
    model = SASRecModel(**settings, loss="softmax", dataloader_num_workers=0, deterministic=True)

    def scorer(rows: np.ndarray) -> np.ndarray:
        best = model.recommend(rows, visible, k=10, filter_viewed=True, on_unsupported_targets="ignore")
        scores = np.full((len(rows), data.size), -1e9, np.float32)
        scores[pd.Index(rows).get_indexer(best["user_id"]), best["item_id"]] = best["score"]
        return scores

    for _ in range(1000):
        model.fit_partial(training, min_epochs=1, max_epochs=1)
        watch.judge(alone=scorer)


def recsys_kit_for_speed(data: LeaveOneOut, watch: Stopwatch) -> None:
    """Does the same with `FOR_SPEED`."""
    recsys_kit(data, watch, **FOR_SPEED)


METHODS = {
    "recsys_kit": recsys_kit,
    "recsys_kit_for_speed": recsys_kit_for_speed,
    "recbole": recbole,
    "rectools": rectools,
}


def main() -> None:
    """Runs the methods that are installed, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seconds", type=float, default=900, help="training seconds of each method")
    arguments = parser.parse_args()
    data = leave_one_out.read(arguments.file)
    for method in arguments.methods:
        if importlib.util.find_spec(method.removesuffix("_for_speed")) is None:
            print(json.dumps({"method": method, "skipped": "not installed; see benchmarks/README.md"}), flush=True)
            continue
        try:
            METHODS[method](data, Stopwatch(method, data, arguments.seconds))
        except TimeoutError:
            pass


if __name__ == "__main__":
    main()
