import circle
import pytest

from recsys_kit.next_item import leave_one_out


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    return circle.write(tmp_path_factory.mktemp("bench") / "circle.txt")


@pytest.fixture(scope="module")
def data(benchmark):
    return leave_one_out.read(benchmark)
