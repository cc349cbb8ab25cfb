"""A shop is loaded and said to be what it is; a sample of it keeps what it keeps whole."""

from shop_files import least

from recsys_kit import datasets


def test_two_loads_have_the_same_fingerprint_and_a_sample_has_another(journey):
    sample = datasets.sample_users(journey, 300, seed=1)
    assert datasets.complete_journey.load().fingerprint == journey.fingerprint
    assert len({journey.fingerprint, sample.fingerprint, datasets.sample_users(journey, 300, seed=2).fingerprint}) == 3
    assert datasets.sample_users(journey, 300, seed=1).fingerprint == sample.fingerprint


def test_a_sample_keeps_every_event_of_the_users_it_keeps(journey):
    sample = datasets.sample_users(journey, 300)
    assert len(sample.users) == sample.events["user_id"].nunique() == 300
    kept = journey.events["user_id"].isin(sample.users["user_id"])
    assert len(sample.events) == kept.sum()
    assert len(sample.items) == len(journey.items)
    assert not sample.is_reference
    assert sample.is_kits_own
    assert datasets.sample_users(journey, 10_000) is journey


def test_users_without_events_are_not_sampled(tmp_path):
    least(tmp_path)
    (tmp_path / "users.csv").write_text("user_id\n" + "".join(f"u{n}\n" for n in range(50)) + "a\nb\n")
    assert datasets.load(str(tmp_path), users=1).events["user_id"].nunique() == 1


def test_what_was_assumed_is_said(tmp_path, capsys):
    shop = datasets.load(str(least(tmp_path, quantity=[2, None, None])))
    said = capsys.readouterr().out
    assert said.splitlines() == list(shop.notes)
    for part in (
        "events.csv: 2 empty values of `quantity` are filled with 1.",
        "events.csv: columns that are not there are filled in: event_type = purchase, price = unknown",
        "events.csv: the timestamps carry no time zone and are read as UTC.",
        "events.csv: 3 rows name no basket; what a user buys on one local day is one.",
        "There is no items file",
        "There is no users file",
    ):
        assert part in said
