import fairness

from recsys_kit import results_file
from recsys_kit.fairness import bubble

FILE = fairness.Path(__file__).parents[2] / "benchmarks" / "results" / "fairness.json"


def test_every_arm_is_tried_and_every_remedy_with_several_weights():
    assert tuple(fairness.WEIGHTS) == bubble.ARMS
    assert all(len(fairness.WEIGHTS[arm]) >= 3 for arm in bubble.ARMS[4:])
    assert not set(fairness.CHOOSE) & set(fairness.JUDGE)


def test_the_file_holds_thirty_rounds_of_every_arm_for_each_seed():
    table = results_file.read(FILE).table
    assert set(table["seed"]) == {*fairness.CHOOSE, *fairness.JUDGE}
    assert len(table) == table["seed"].nunique() * sum(map(len, fairness.WEIGHTS.values()))
    for name in ("entropy", "ndcg", "coverage", "gini"):
        assert (table[f"{name}_curve"].map(len) == fairness.ROUNDS).all()


def test_a_row_of_the_file_comes_out_again():
    kept, again = results_file.recompute(FILE)
    assert kept == again
