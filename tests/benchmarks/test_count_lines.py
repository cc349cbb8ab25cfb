import json

import count_lines

SOURCE = '''"""Module."""

import os  # a comment beside code


def f(x):
    """Function."""
    # a comment alone
    text = """two
    lines"""
    return x, text
'''


def checkout(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_docstrings_comments_and_blank_lines_are_no_code():
    assert len(count_lines.code_lines(SOURCE)) == 5  # import, def, a text of two lines, return


def test_of_a_notebook_code_cells_count_and_magic_commands_do_not(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "x = 1\n", "# why\n", "x"]},
    ]
    checkout(tmp_path, {"notebooks/one.ipynb": json.dumps({"cells": cells})})
    assert count_lines.sizes(count_lines.count(tmp_path))["notebooks"] == 2


def test_rooms_add_up_to_the_package_and_to_everything(tmp_path):
    files = {"recsys_kit/a.py": "x = 1\n", "recsys_kit/b/c.py": "y = 2\nz = 3\n", "tests/test_a.py": "assert True\n"}
    found = count_lines.sizes(count_lines.count(checkout(tmp_path, files)))
    assert found.to_dict() == {"recsys_kit/a": 1, "recsys_kit/b": 2, "tests": 1, "recsys_kit": 3, "all": 4}


def test_a_line_that_another_file_gets_is_moved_and_not_gone(tmp_path):
    old = count_lines.count(checkout(tmp_path / "old", {"recsys_kit/a.py": "x = 1\ny = 2\nz = 3\n"}))
    new = {"recsys_kit/a.py": "x = 1\n", "recsys_kit/b/c.py": "if x:\n    y = 2\n"}
    table = count_lines.changes(old, count_lines.count(checkout(tmp_path / "new", new)))
    a, b, everything = (table.loc[name].to_dict() for name in ("recsys_kit/a", "recsys_kit/b", "all"))
    assert (a["gone"], a["moved out"], a["new"]) == (1, 1, 1)
    assert (b["moved in"], b["added"], b["new"]) == (1, 1, 2)
    assert everything["old"] == everything["new"] == 3 and everything["difference"] == 0
    sums = table["old"] - table["gone"] - table["moved out"] + table["moved in"] + table["added"]
    assert (sums == table["new"]).all()


def test_the_longest_function_and_class_and_the_files_above_the_limit_are_named(tmp_path):
    source = "def long():\n    x = 1\n    return x\n\n\ndef f():\n    return 1\n\n\nclass A:\n    b = 1\n"
    root = checkout(tmp_path, {"recsys_kit/a.py": source, "recsys_kit/b.py": "x = 1\n"})
    found = count_lines.largest(root).set_index("what")
    assert found["name"].to_dict() == {"function": "long", "class": "A"}
    assert found.loc["function", "lines"] == 3
    assert count_lines.long_files(root, 5) == ["recsys_kit/a.py (11)"]
