import importlib

import pytest

from recsys_kit import baselines


@pytest.mark.parametrize("method", [baselines.svd, baselines.warp])
def test_a_missing_extra_gives_one_clear_line(shop, method, monkeypatch):
    real = importlib.import_module
    missing = {"surprise", "lightfm"}

    def absent(module, *rest):
        if module in missing:
            raise ModuleNotFoundError(f"No module named {module!r}")
        return real(module, *rest)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ImportError, match=r"pip install 'recsys_kit\[baselines\]'") as caught:
        method(shop)
    assert "\n" not in str(caught.value)
