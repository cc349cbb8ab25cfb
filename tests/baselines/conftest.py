import pytest
import two_tastes


@pytest.fixture(scope="module")
def shop():
    return two_tastes.split()
