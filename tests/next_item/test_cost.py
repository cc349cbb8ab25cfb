from recsys_kit.next_item import cost


def test_operations_match_a_count_by_hand():
    # One block, width 2, rows of 3: 8 · 2² for the projections, 2 · 3 · 2 for the comparisons; 5 candidates: 5 · 2.
    assert cost.flops_a_target(width=2, blocks=1, candidates=5, length=3) == 3 * 2 * (32 + 12 + 10)


def test_more_blocks_and_more_candidates_cost_more():
    few = cost.flops_a_target(64, 2, 2048, 10)
    assert cost.flops_a_target(64, 3, 2048, 10) > few < cost.flops_a_target(64, 2, 4096, 10)


def test_the_matrix_speed_is_one_that_a_machine_can_have():
    assert 1e6 < cost.matrix_speed(64, 16, 32, seconds=0.01) < 1e15
