"""Write the page of all runs, outputs/index.html; `refresh` does so at the end of runs."""

import gc
import logging
import os
import time
import webbrowser
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from math import inf
from pathlib import Path
from time import monotonic, perf_counter

from tabproof import artifacts
from tabproof.artifacts import COMPLETE, Found, one_line
from tabproof.artifacts.errors import RunningError
from tabproof.artifacts.files import locked
from tabproof.artifacts.run_directory import ALL_RUNS
from tabproof.report.runs_page import render_runs
from tabproof.runs.curves import curve_size, truth_size
from tabproof.runs.listing import filtered
from tabproof.runs.page_cache import CACHE, KnownRun, PageCache
from tabproof.runs.page_data import Runs, best_of_each_dataset, page_content, read_promoted
from tabproof.runtime.progress import rows_display
from tabproof.text import LANGUAGES, counted

LOCK = ".page.lock"
# Bytes of the curves in the page.
BUDGET = 6_000_000
# Seconds for reading runs while other writers wait, and for waiting.
MAX_READING, MAX_WAITING = 2.0, 30.0

log = logging.getLogger(__name__)


def page(*, outputs: Path, models: Path, language: str | None, is_opened: bool = False) -> str:
    """Write outputs/index.html after reading all runs that are new; return a line about it."""
    start = perf_counter()
    cache, runs = PageCache(outputs / CACHE), _walk(outputs)
    with rows_display(bar=True, what="runs") as show:
        best = best_of_each_dataset(runs.values())
        Reader(cache, is_thorough=True, report=show).read(
            runs, best.values(), read_promoted(models)
        )
    # Other writers have not waited for this; what they wrote since is read again below.
    cache.save()
    n_runs = write_page(outputs, models, language=language)
    path = outputs / ALL_RUNS
    if is_opened:
        webbrowser.open(path.absolute().as_uri())
    seconds = perf_counter() - start
    return f"page {one_line(str(path))}: {counted(n_runs, 'run')} ({seconds:.1f} s)"


def write_page(outputs: Path, models: Path, *, language: str | None = None) -> int:
    """Write the page with all runs that are there; return their number.

    Several processes may do so at once: each looks for runs after the one before has written, so
    the last page has all of them. Reading runs that are new takes two seconds at most; the others
    are in the page without what was not read.
    """
    with _page_lock(outputs), _without_garbage_collection():
        cache, runs = PageCache(outputs / CACHE), _walk(outputs)
        best, promoted = best_of_each_dataset(runs.values()), read_promoted(models)
        reader = Reader(cache, until=monotonic() + MAX_READING)
        shown = reader.read(runs, best.values(), promoted)
        cache.keep(runs)
        language = language or _language_of(runs, cache)
        content = page_content(
            runs, outputs, cache, language=language, best=best, promoted=promoted, shown=shown
        )
        artifacts.write_atomically(outputs / ALL_RUNS, render_runs(content).encode(), durable=False)
        cache.save()
    return len(runs)


def _walk(outputs: Path) -> Runs:
    return {os.fsencode(run.key): run for run in filtered(artifacts.read_records(outputs))}


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Switch garbage collection off inside the block: it would pass over all runs each time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _page_lock(outputs: Path) -> Iterator[None]:
    """Hold the lock of the page; raise RunningError where others keep it for long."""
    end = monotonic() + MAX_WAITING
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(outputs / LOCK))
                break
            except BlockingIOError as error:
                if monotonic() > end:
                    raise RunningError(outputs / ALL_RUNS, "another process") from error
                time.sleep(0.05)
        yield


def _language_of(runs: Runs, cache: PageCache) -> str:
    """Return the language of the newest run's own pages."""
    for key in runs:
        if known := cache.runs.get(key):
            facts = dict(cache.facts[number] for number in known.numbers)
            language = facts.get("config.report.language", "").strip('"')
            return language if language in LANGUAGES else LANGUAGES[0]
    return LANGUAGES[0]


class Reader:
    """Reads the runs that the cache does not have.

    until: no run is read after this moment (monotonic). is_thorough: read predictions again that
    could not be read before, because they may have been restored. report: takes the number of runs
    that are done and their share.
    """

    def __init__(
        self,
        cache: PageCache,
        *,
        until: float = inf,
        is_thorough: bool = False,
        report: Callable[[int, float], None] = lambda _n, _share: None,
    ) -> None:
        self._cache, self._until, self._report = cache, until, report
        self._is_thorough = is_thorough

    def read(
        self, runs: Runs, best: Iterable[Found], promoted: Container[str]
    ) -> dict[str, list[bytes]]:
        """Read facts and predictions; return the runs whose curves fit, by their held-out rows.

        First the best run of each dataset, then promoted ones, then the newest.
        """
        complete = {key: run for key, run in runs.items() if run.record.state in COMPLETE}
        ordered = {os.fsencode(run.key): run for run in best}
        ordered |= {key: run for key, run in complete.items() if str(run.record.run_id) in promoted}
        ordered |= complete
        for n, (key, run) in enumerate(ordered.items(), start=1):
            known = self._cache.runs.get(key)
            if known is None or known.signature != run.signature:
                self._cache.runs.pop(key, None)
                if monotonic() < self._until:
                    self._read_facts(key, run)
            self._report(n, n / len(ordered) / 2)
        return self._read_curves(ordered)

    def _read_facts(self, key: bytes, run: Found) -> None:
        try:
            self._cache.read_run(key, run.path, run.signature)
        except Exception as error:  # of a run that anybody may have made, or that is removed now
            log.warning("%s: %s", one_line(str(run.path)), one_line(str(error)))

    def _read_curves(self, ordered: Runs) -> dict[str, list[bytes]]:
        """Read predictions as far as there is room for their curves."""
        shown: dict[str, list[bytes]] = defaultdict(list)
        left = BUDGET
        for n, (key, run) in enumerate(ordered.items(), start=1):
            known = self._cache.runs.get(key)
            if known is None:
                continue
            is_read = known.curve or (known.cause and not self._is_thorough)
            if _size(known, shown) <= left and not is_read and monotonic() < self._until:
                # The number of rows may then be another than the summary has.
                self._cache.read_curve(key, run.path)
            size = _size(known, shown)
            if size <= left and known.curve:
                shown[known.rows].append(key)
                left -= size
            else:
                self._cache.drop_curve(key)
            self._report(n, 0.5 + n / len(ordered) / 2)
        return shown


def _size(known: KnownRun, shown: Container[str]) -> int:
    """Return the bytes of a curve, with those of the true labels where it is the first of them."""
    size = curve_size(known.n_rows, known.n_labels)
    return size if known.rows in shown else size + truth_size(known.n_rows, known.n_labels)
