from tests.search.conftest import one_openmp_thread  # noqa: F401 - small fits, as in tests/search
