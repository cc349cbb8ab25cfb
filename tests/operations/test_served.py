"""What the nights left is taken up whole, and what is broken leaves what is served; the lists: `test_service.py`."""

from busy_shop import busy_shop, titled_shop

from recsys_kit.operations import nights, served


def run(folder, day, shop):
    settings = nights.Settings(every=1)
    nights.Nights(shop, folder, settings, lambda split: {"decay": 120.0, "popularity_weight": 0.1}).run(day, len)


def test_search_serves_the_night_s_index_and_takes_up_the_next_and_the_one_before(tmp_path):
    run(tmp_path, "2017-10-20", titled_shop())
    search = served.NightSearch(tmp_path)
    assert search and search("green tea", 1)[0]["title"] == "green tea"

    def found():
        search("kettle", 1)  # notices
        search._reading.join()
        return [one["title"] for one in search("kettle 0", 1)]

    run(tmp_path, "2017-10-21", titled_shop(1))
    before = (tmp_path / "search.json").read_bytes()
    assert found() == ["kettle 0"]
    nights.roll_back(tmp_path, len)
    assert found() != ["kettle 0"] and not search.problem
    assert (tmp_path / "search.json").read_bytes() != before
    yesterday = tmp_path / "nights" / "2017-10-20" / "search.json"
    assert (tmp_path / "search.json").read_bytes() == yesterday.read_bytes()


def test_a_broken_index_keeps_the_one_that_is_served(tmp_path):
    run(tmp_path, "2017-10-20", titled_shop())
    search = served.NightSearch(tmp_path)
    (tmp_path / "search.json").write_text("{}")
    search("tea", 1)
    search._reading.join()
    assert search.problem and search("green tea", 1)[0]["title"] == "green tea"


def test_a_shop_without_titles_has_nothing_to_search(tmp_path):
    run(tmp_path, "2017-10-20", busy_shop())
    search = served.NightSearch(tmp_path)
    assert not search and "no item has a title" in search.problem
