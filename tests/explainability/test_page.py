"""The page shows a list with reasons, in the language that was chosen, and writes nothing as HTML that is text."""

from recsys_kit.explainability import page


def test_every_item_of_the_list_has_a_sentence(question):
    titles = {"en": [f"item {n}" for n in range(question.size + 1)]}
    table = page.why(question, titles, k=3)
    assert table["rank"].tolist() == [1, 2, 3]
    assert all(row.item in row.why for row in table.itertuples())


def test_the_page_answers_in_the_language_chosen_and_escapes_titles(task, model):
    size = len(task[1].test.items) + 1
    titles = {"en": [f"<b>{n}</b>" for n in range(size)], "zh": [f"商品{n}" for n in range(size)]}
    shown = page.page(model, task[1].test, titles, k=2)
    assert "&lt;b&gt;" in shown.parts["list"].value and "<b><b>" not in shown.parts["list"].value
    shown.parts["language"].value = "zh"
    assert "商品" in shown.parts["list"].value and "推荐" in shown.parts["list"].value
