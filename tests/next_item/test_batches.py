import circle
import numpy as np

from recsys_kit import next_item
from recsys_kit.next_item import leave_one_out


def test_an_epoch_learns_every_item_but_the_first_and_the_last_two_once(tmp_path):
    data = leave_one_out.read(circle.write(tmp_path / "c.txt", lengths=(3, 40)))
    low, high = data.history(held_out=2)
    batches = next_item.NextItemBatches(data, length=7, tokens=32, candidates=19)
    learned = []
    for i in range(len(batches)):
        inputs, weights = batches[i]
        real = weights > 0
        ids, answer = inputs["ids"].ravel()[inputs["place"]], inputs["candidates"][inputs["columns"][:, 0]]
        assert (ids[real] > 0).all() and inputs["ids"].shape[1] <= 7
        learned.append(np.stack([ids, answer])[:, real])
    learned = np.sort(np.concatenate(learned, axis=1).T @ [100, 1])
    expected = [data.items[i] * 100 + data.items[i + 1] for u in range(len(low)) for i in range(low[u], high[u] - 1)]
    np.testing.assert_array_equal(learned, np.sort(expected))


def test_a_masked_batch_hides_what_it_asks_for_and_always_the_last_item(tmp_path):
    data = leave_one_out.read(circle.write(tmp_path / "c.txt", lengths=(3, 40)))
    batches = next_item.MaskedItemBatches(data, length=7, tokens=32, candidates=19, hidden=0.3)
    low, high = data.history(held_out=2)
    asked = places = 0
    for i in range(len(batches)):
        inputs, weights = batches[i]
        ids, real = inputs["ids"], weights > 0
        place = inputs["place"][real]
        answers = inputs["candidates"][inputs["columns"][real, 0]]
        assert (ids.ravel()[place] == data.size + 1).all() and (ids == data.size + 1).sum() == len(place)
        last = (ids > 0).sum(1) - 1
        assert (ids[np.arange(len(ids)), last] == data.size + 1).all() and ids.shape[1] <= 8
        rows = batches.rows[batches.edges[batches.order[i]] : batches.edges[batches.order[i] + 1]]
        row, column = np.divmod(place, ids.shape[1])
        np.testing.assert_array_equal(answers, data.items[batches.low[rows][row] + column])
        asked, places = asked + len(place), places + (ids > 0).sum()
    assert places >= (high - low).sum()  # rows of a long history share an item
    assert 0.3 < asked / places < 0.6


def test_batches_have_few_shapes_and_little_padding(tmp_path):
    data = leave_one_out.read(circle.write(tmp_path / "c.txt", users=800, lengths=(5, 40)))
    batches = next_item.NextItemBatches(data, length=50, tokens=256)
    shapes = [{name: part.shape for name, part in batches[i][0].items()} for i in range(len(batches))]
    for name in ("place", "candidates", "columns", "log_chance"):
        assert len({shape[name] for shape in shapes}) == 1
    places = sum(np.prod(shape["ids"]) for shape in shapes)
    assert batches.positions <= places <= 1.1 * batches.positions
    assert len(batches) * batches.tokens <= 1.2 * batches.positions


def test_the_order_of_an_epoch_follows_the_seed(data):
    same = [next_item.NextItemBatches(data, length=20, tokens=32, seed=1)[2][0]["ids"] for _ in range(2)]
    np.testing.assert_array_equal(*same)
    batches = next_item.NextItemBatches(data, length=20, tokens=32, seed=1)
    batches.on_epoch_end()
    assert not np.array_equal(batches.rows, next_item.NextItemBatches(data, length=20, tokens=32, seed=1).rows)


def test_the_chance_of_being_a_candidate_is_estimated_well(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"u{u} " + " ".join(map(str, rng.zipf(1.5, 8) % 200)) for u in range(300)]
    (tmp_path / "zipf.txt").write_text("\n".join(lines))
    data = leave_one_out.read(tmp_path / "zipf.txt")
    batches = next_item.NextItemBatches(data, length=8, tokens=16, candidates=85)
    seen, chance, times = np.zeros(data.size), np.zeros(data.size), 0
    for _ in range(20):
        for i in range(len(batches)):
            inputs, _ = batches[i]
            assert len(inputs["candidates"]) == 85
            seen[inputs["candidates"] - 1] += 1
            chance[inputs["candidates"] - 1] += np.exp(inputs["log_chance"])
            times += 1
        batches.on_epoch_end()
    often = seen > 50
    assert often.sum() > 50
    np.testing.assert_allclose((chance / np.maximum(seen, 1))[often], (seen / times)[often], atol=0.12)
