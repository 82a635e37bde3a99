"""Without a cluster its libraries are not loaded, and need not be there."""

import subprocess
import sys

from tests.conftest import ROOT


def test_who_needs_no_cluster_does_not_load_its_libraries() -> None:
    words = (
        "import sys, tabproof.batch.score_files;"
        " print({'dask', 'distributed'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_without_its_libraries_it_says_what_to_install() -> None:
    words = (
        "import sys; sys.modules['dask'] = None\n"
        "from tabproof.runtime.cluster import connected\n"
        "with connected('tcp://127.0.0.1:1', facts=dict): pass"
    )
    done = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True)
    remedy = "runtime=dask needs distributed, which is not installed; make init EXTRAS=[dask]"
    assert remedy in done.stderr
