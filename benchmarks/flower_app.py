"""What Flower runs for `flower.py`: a client in a process of its own trains on its own file, a server averages.

Both are in an environment that has Flower, and neither pandas nor TensorFlow. A client's training is not written again:
it is `recsys_kit.privacy.federated.local_change`, which is NumPy.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

from recsys_kit.privacy import federated

client = ClientApp()
server = ServerApp()


def folder() -> Path:
    """Returns where `flower.py` has put each client's data, and waits for what comes of it."""
    return Path(os.environ["FLOWER_FOLDER"])


@client.train()
def train(message: Message, context) -> Message:
    """Trains the server's weights on this client's own file, and returns them with how many households it has."""
    weights = message.content["arrays"].to_numpy_ndarrays()
    data = SimpleNamespace(**np.load(folder() / f"client{context.node_config['partition-id']}.npz"))
    local = {name: message.content["config"][name] for name in ("epochs", "learning_rate", "clip")}
    change = federated.local_change(weights, data, **local)
    after = ArrayRecord([old + new for old, new in zip(weights, change, strict=True)])
    told = MetricRecord({"num-examples": len(data.facts), "process": os.getpid(), "bytes": size(after)})
    return Message(RecordDict({"arrays": after, "metrics": told}), reply_to=message)


def size(arrays: ArrayRecord) -> int:
    """Returns how many bytes some arrays have as Flower sends them, without its envelope."""
    return sum(len(array.data) for array in arrays.values())


def told(records: list[RecordDict], _) -> MetricRecord:
    """Keeps what each client said beside its weights."""
    said = [record["metrics"] for record in records]
    return MetricRecord({name: [one[name] for one in said] for name in ("num-examples", "process", "bytes")})


@server.main()
def main(grid, context) -> None:
    """Averages the clients' weights round by round, all clients in each, and keeps the weights of every round."""
    settings = json.loads((folder() / "settings.json").read_text())
    start = np.load(folder() / "start.npz")
    path = []
    result = FedAvg(
        fraction_evaluate=0.0,
        min_train_nodes=settings["clients"],
        min_available_nodes=settings["clients"],
        train_metrics_aggr_fn=told,
    ).start(
        grid,
        ArrayRecord([start[name] for name in start.files]),
        num_rounds=settings["rounds"],
        train_config=ConfigRecord(settings["local"]),
        evaluate_fn=lambda number, arrays: path.append(arrays.to_numpy_ndarrays()),
    )
    told_of = [dict(result.train_metrics_clientapp[number + 1]) for number in range(settings["rounds"])]
    (folder() / "told.json").write_text(json.dumps(told_of))
    np.savez(folder() / "path.npz", **{f"{n}_{i}": part for n, each in enumerate(path) for i, part in enumerate(each)})
