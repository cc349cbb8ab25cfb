import ast

from recsys_kit.source_names import Definitions

SOURCE = """
import numpy as np
from shop import items as table

LIMIT = 3
FACTS = {}
FACTS["a"] = LIMIT

def f(x):
    return np.minimum(x, LIMIT)
"""


def definitions(folder, source=SOURCE):
    path = folder / "module.py"
    path.write_text(source)
    return Definitions("module", path)


def test_a_module_names_what_it_defines_and_what_it_imports(tmp_path):
    found = definitions(tmp_path)
    assert found.names() == {"np", "table", "LIMIT", "FACTS", "f"}
    assert found.imports["np"] == [("numpy", ())] and found.imports["table"] == [("shop", ("items",))]


def test_what_changes_a_table_belongs_to_it(tmp_path):
    found = definitions(tmp_path)
    assert [ast.unparse(node) for node in found.statements["FACTS"]] == ["FACTS = {}", "FACTS['a'] = LIMIT"]
    assert found.text("f")[0].startswith(b"def f(x):")


def test_other_names_or_other_imports_are_told_apart_and_other_bodies_are_not(tmp_path):
    found = definitions(tmp_path)
    assert found.has_the_names_of(definitions(tmp_path, SOURCE.replace("= 3", "= 4")))
    assert not found.has_the_names_of(definitions(tmp_path, SOURCE.replace("numpy", "scipy")))
    assert not found.has_the_names_of(definitions(tmp_path, SOURCE.replace("def f", "def g")))
