"""Small fits of boosting: on a busy machine OpenMP's threads wait for each other longer."""

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="package")
def one_openmp_thread() -> Iterator[None]:
    with threadpool_limits(1, "openmp"):
        yield
