"""The light index of the small shop."""

import pytest
from search_shop import small_shop

from recsys_kit import search, workspace


@pytest.fixture(scope="session")
def index(tmp_path_factory):
    return search.build(small_shop(), workspace.Workspace(tmp_path_factory.mktemp("ws")), light=True)
