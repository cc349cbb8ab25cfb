"""The page of notebook 08 in a real browser: Voilà serves it, headless Chromium moves its controls."""

import copy
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from recsys_kit import recommendation
from recsys_kit.course import notebooks
from recsys_kit.recommendation import page

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "pages" / "recommendation.ipynb"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


def test_what_a_title_holds_is_shown_not_run():
    html = page.html_table(pd.DataFrame({"item": ["<script>alert(1)</script>"]}), "A & B")
    assert "<script>" not in html and "A &amp; B" in html


def test_nothing_that_is_said_while_models_are_built_stands_above_the_page(monkeypatch, capsys):
    (cell,) = (cell for cell in notebooks.read(NOTEBOOK).cells if cell.cell_type == "code")
    monkeypatch.setattr(recommendation, "open_shop", lambda *_, **__: print("waiting: another process is building"))
    monkeypatch.setattr(page, "page", lambda *_, **__: None)
    exec(cell.source, {})
    assert capsys.readouterr().out == ""


def test_a_picture_stands_in_the_row_of_its_item_and_a_missing_one_is_left_out(recommender, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (300, 200), "red").save(tmp_path / "photos" / "a.png")
    catalogue, items = recommender.split.items, recommender.shop.items
    named = {catalogue[0]: "photos/a.png", catalogue[1]: "photos/gone.png"}
    drawn = copy.copy(recommender)
    drawn.shop = replace(recommender.shop, items=items.assign(image=items["item_id"].map(named)))
    files = page.item_pictures(drawn, tmp_path)
    assert len(files) == len(catalogue) and files[0] == tmp_path / "photos" / "a.png" and files[2] is None
    html = page.html_table(pd.DataFrame({"item": ["tea", "milk", "jam"]}), "List", drawn=files[:3])
    rows = html.split("<tr>")[2:]
    assert ["<img" in row for row in rows] == [True, False, False]
    assert "data:image/webp;base64," in rows[0] and 'alt=""' in rows[0]
    assert len({row.count("<td>") for row in rows}) == 1


def test_the_lists_of_a_shop_with_pictures_are_drawn_and_others_stay_as_they_are(recommender, tmp_path):
    assert page.item_pictures(recommender) is None
    assert "<img" not in page.page(recommender, k=3).parts["list"].value
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    drawn = copy.copy(recommender)
    drawn.shop = replace(recommender.shop, items=recommender.shop.items.assign(image="a.png"))
    parts = page.page(drawn, k=3, data=tmp_path).parts
    assert parts["list"].value.count("<img") == 3
    assert parts["history"].value.count("<img") == len(page.history(drawn, parts["user"].value))


def free_port():
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


@pytest.fixture
def address(tmp_path):
    """Serves the page on the example shop, without the Transformer; returns its address."""
    port = free_port()
    command = [sys.executable, "-m", "voila", str(NOTEBOOK)]
    settings = {
        "RECSYS_KIT_DATA": str(ROOT / "data" / "example_shop"),
        "RECSYS_KIT_WORKSPACE": str(tmp_path / "workspace"),
        "RECSYS_KIT_LIGHT": "1",
        "JUPYTER_PREFER_ENV_PATH": "1",
        "OMP_NUM_THREADS": "1",
    }
    with (tmp_path / "voila.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--no-browser", f"--port={port}", "--show_tracebacks=True"],
            env=os.environ | settings,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            for _ in range(200):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/static/", timeout=1)
                    break
                except urllib.error.HTTPError:
                    break
                except OSError:
                    assert server.poll() is None, (tmp_path / "voila.log").read_text()
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture
def browser(tmp_path):
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(word)
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.mark.slow
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with its driver on this machine")
def test_the_page_answers_in_a_browser(address, browser):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select, WebDriverWait

    wait = WebDriverWait(browser, 60, poll_frequency=0.2)

    def texts():
        return browser.execute_script("return [...document.querySelectorAll('.rk')].map(part => part.innerText)")

    browser.get(address)
    wait.until(lambda _: len(texts()) == 2)
    history, recommended = texts()
    first = Select(browser.find_element(By.TAG_NAME, "select")).first_selected_option.text
    assert history.startswith(f"Household {first} buys most often")
    assert len(recommended.splitlines()) == 12  # a title, a head and ten rows
    assert re.search(r"you buy it every \d+ days, last \d+ days ago", recommended)

    Select(browser.find_element(By.TAG_NAME, "select")).select_by_index(4)
    wait.until(lambda _: texts() and texts()[0] != history and texts()[1] != recommended)
    plain = texts()[1]
    handle = browser.find_elements(By.CSS_SELECTOR, "[role=slider], .noUi-handle, input[type=range]")[0]
    handle.send_keys(Keys.END)
    wait.until(lambda _: texts() and texts()[1] != plain)
    browser.find_element(By.CSS_SELECTOR, "input[type=checkbox]").click()
    wait.until(lambda _: texts() and not re.search("you (buy|bought) it", texts()[1]))
    handle.send_keys(Keys.HOME)  # lists that are as unlike as can be have few reasons: each must be earned
    wait.until(lambda _: texts() and re.search("goes with|similar to|popular", texts()[1]))
    assert not re.search("you (buy|bought) it", texts()[1])
    if os.environ.get("RECSYS_KIT_SCREENSHOT"):
        browser.save_screenshot(os.environ["RECSYS_KIT_SCREENSHOT"])
