"""`monitor compact`: make few files of the many that a service writes in a day.

Of a partition, small files with the same columns become one: their rows, in the order of the files.
The steps of each merged file:

1. list the partition, and remove what a merged file that is there stands for
2. write the next merged file, which appears whole and names the files that it stands for
3. begin again with 1, until nothing is left to merge

A kill after any step loses no row, and none counts twice: see `merged.find_replaced`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import chain, islice

from tabproof.artifacts import is_date, one_line
from tabproof.errors import InvalidValueError, PackageMissingError, UserError, first_line
from tabproof.monitoring.log_files import bucket_of, log_directory, log_place
from tabproof.monitoring.log_places import BucketPlace, DirectoryPlace, LogPlace
from tabproof.monitoring.merged import Sources, encode_sources, find_replaced
from tabproof.monitoring.parquet_merge import DamagedFileError, Source, Writer, opened_source
from tabproof.prediction_log import layout
from tabproof.reading.source import open_bucket
from tabproof.runtime.progress import rows_display
from tabproof.text import counted

# A merged file ends after this many bytes. One of half as many is large, and not merged again.
MAX_BYTES = 128 << 20
LARGE = MAX_BYTES // 2
# How often a partition is looked at again while somebody else changes it.
N_ATTEMPTS = 5


class LogNotMergedError(UserError):
    """A log in a bucket that cannot be merged."""

    template = "the log {place} cannot be merged: {reason}"


@dataclass
class Merged:
    """What was done.

    n_partitions : in which files were merged; n_files, n_bytes : of these, before and after.
    n_left : files removed that an earlier command had merged. damaged : paths and reasons of files
    that cannot be read. n_changing : partitions that others changed all the time.
    """

    n_partitions: int = 0
    n_files: tuple[int, int] = (0, 0)
    n_bytes: tuple[int, int] = (0, 0)
    n_left: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    n_changing: int = 0

    def add(self, before: Mapping[str, int], after: Mapping[str, int]) -> None:
        """Count a partition, by the sizes of its files before and after."""
        self.n_partitions += 1
        self.n_files = self.n_files[0] + len(before), self.n_files[1] + len(after)
        self.n_bytes = (
            self.n_bytes[0] + sum(before.values()),
            self.n_bytes[1] + sum(after.values()),
        )


def compact(*, log: str | None, before: str | None = None) -> tuple[str, int]:
    """Merge the small files of a log; return what to print, and the exit code.

    Parameters
    ----------
    log : a directory or a place in a bucket; see `log_place`.
    before : days before this one are merged; yesterday, so that they are over for a day.

    Raises
    ------
    InvalidValueError, MissingValueError, NoLogError, CompactingError, PackageMissingError,
    LogNotMergedError, RowsMissingError, OSError
    """
    day = datetime.now(UTC).date() - timedelta(days=1)
    if before is not None:
        if not is_date(before):
            raise InvalidValueError("--before", before, "a day, as in 2026-11-01")
        day = date.fromisoformat(before)
    with _opened_place(log_place(log)) as place, rows_display(bar=True, what="files") as show:
        found = merge_log(place, day, show)
    return described(found, day), 0


@contextmanager
def _opened_place(log: str) -> Iterator[LogPlace]:
    bucket = bucket_of(log)
    if bucket is None:
        place = DirectoryPlace(log_directory(log))
        with place.merging():
            yield place
        return
    try:
        from obstore.exceptions import BaseError

        store = open_bucket(bucket.protocol, bucket.name)
    except ImportError as error:
        raise PackageMissingError(log, "obstore", "remote") from error
    except Exception as error:
        # Each protocol has errors of its own.
        raise LogNotMergedError(place=log, reason=first_line(error)) from error
    try:
        yield BucketPlace(store, bucket.prefix)
    except (BaseError, OSError) as error:
        raise LogNotMergedError(place=log, reason=first_line(error)) from error


def merge_log(
    place: LogPlace, before: date, show: Callable[[int, float], None] = lambda _n, _share: None
) -> Merged:
    """Merge the small files of all partitions of earlier days.

    show : called with the number of files that are done, and their share of all.
    """
    found = Merged()
    sizes = {partition: len(place.files(partition)) for partition in place.partitions(before)}
    n_done, n_files = 0, max(sum(sizes.values()), 1)
    for partition, n_of_it in sizes.items():
        # Most partitions were merged before.
        if n_of_it > 1:
            _merge_partition(place, partition, found, partial(_shown, show, n_done, n_files))
        n_done += n_of_it
    return found


def _shown(show: Callable[[int, float], None], n_before: int, n_files: int, n: int) -> None:
    show(n_before + n, min((n_before + n) / n_files, 1.0))


def described(found: Merged, before: date) -> str:
    """Return in a few lines what was done."""
    lines = []
    if found.n_partitions:
        (files, files_now), (size, size_now) = found.n_files, found.n_bytes
        lines.append(
            f"{counted(files, 'file')} of {counted(found.n_partitions, 'partition')} are"
            f" {counted(files_now, 'file')} now; {_size(size)} to {_size(size_now)}"
        )
    if found.n_left:
        lines.append(f"{counted(found.n_left, 'file')} removed that had been merged before")
    if not lines:
        lines.append(f"nothing to merge in the days before {before}")
    if found.n_changing:
        lines.append(
            f"{counted(found.n_changing, 'partition')} not finished: something else changes them"
        )
    for path, reason in found.damaged.items():
        lines.append(one_line(f"left where it is: {path} cannot be read: {reason}"))
    return "\n".join(lines)


def _size(n_bytes: int) -> str:
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:.1f} {name}"
    return f"{n_bytes / 1e3:.1f} kB"


# --- One partition.


class _UnknownSourcesError(Exception):
    """A merged file whose list of sources cannot be read."""


class _View:
    """What is in a partition: which files count, and what merged files stand for."""

    def __init__(self, place: LogPlace, partition: str) -> None:
        self._place, self._partition = place, partition
        self.all = place.files(partition)
        self._sources: dict[str, Sources] = {}
        self.replaced = find_replaced(self.all, self._read_sources)
        self.files = {n: size for n, size in self.all.items() if n not in self.replaced}

    def _read_sources(self, name: str) -> Sources:
        try:
            found = self._place.sources(self._partition, name, self.all[name])
        except FileNotFoundError:
            raise
        except (OSError, ValueError) as error:
            raise _UnknownSourcesError(name, first_line(error)) from error
        self._sources[name] = found
        return found

    def sources_of(self, names: Iterable[str]) -> set[str]:
        """Return these files and all that they stand for, those removed long ago too.

        A writer that believes that it has failed may add a file again that was merged already.
        """
        found = set(names)
        for name in [*found]:
            found |= self._sources.get(name, frozenset())
        return found

    def small(self, alone: set[str]) -> list[str]:
        """Return the names of files that may be merged, in order."""
        return [n for n, size in self.files.items() if size < LARGE and n not in alone]

    def next_name(self) -> str:
        """Return the name of the next merged file: of a number that none ever had.

        The one with the highest number is never removed: no other one stands for it.
        """
        return layout.merged_name(1 + max(layout.merged_number(name) or 0 for name in self.all))


def _merge_partition(
    place: LogPlace, partition: str, found: Merged, show: Callable[[int], None]
) -> None:
    """Merge until nothing is left to merge; add to `found` what was done."""
    # Files that cannot be merged, or have no other one with the same columns.
    alone = set[str]()
    before: _View | None = None
    n_failed = n_merged = 0
    while True:
        try:
            view = _View(place, partition)
            before = before or view
            # Where a service writes all the time there would be no end.
            alone |= {n for n in view.all if n not in before.all and not layout.merged_number(n)}
            if view.replaced:
                place.remove(partition, view.replaced)
                found.n_left += 0 if n_merged else len(view.replaced)
            if not (n := _write_next(place, partition, view, alone, found.damaged, n_merged, show)):
                break
            n_merged += n
        except (FileNotFoundError, FileExistsError):
            # Retention or another command works here too: look again.
            n_failed += 1
            if n_failed == N_ATTEMPTS:
                found.n_changing += 1
                return
        except _UnknownSourcesError as error:
            # Whether the files that it stands for count is not known: nothing is touched.
            name, reason = error.args
            found.damaged[f"{partition}/{name}"] = reason
            return
    if n_merged:
        found.add(before.files, view.files)


def _write_next(
    place: LogPlace,
    partition: str,
    view: _View,
    alone: set[str],
    damaged: dict[str, str],
    n_done: int,
    show: Callable[[int], None],
) -> int:
    """Write a merged file of the first small files that have the same columns.

    Return the number of files that it stands for, or 0 where there are no two of one kind. Files
    that need not be looked at again are added to `alone`, and reasons to `damaged`.
    """
    while len(small := view.small(alone)) > 1:
        same = _of_one_kind(place, partition, small, alone, damaged)
        begin = [*islice(same, 2)]
        if len(begin) == 2:
            break
        alone.update(each.name for each in begin)
    else:
        return 0
    sources, is_full = list[str](), False
    name = view.next_name()
    with place.new_file(partition, name) as file, Writer(file, begin[0].schema) as writer:
        for each in chain(begin, same):
            writer.add(each)
            sources.append(each.name)
            show(n_done + len(sources))
            if is_full := writer.n_bytes >= MAX_BYTES:
                break
        stands_for = encode_sources(view.sources_of(sources))
        written = {layout.FORMAT_KEY: layout.FORMAT.encode(), layout.SOURCES_KEY: stands_for}
        writer.finish(partition, written)
    if not is_full:
        # All others that are left have other columns.
        alone.add(name)
    return len(sources)


def _of_one_kind(
    place: LogPlace,
    partition: str,
    names: Sequence[str],
    alone: set[str],
    damaged: dict[str, str],
) -> Iterator[Source]:
    """Yield the files that have the columns of the first one that can be read."""
    schema = None
    for name, content in zip(names, place.contents(partition, names), strict=True):
        try:
            if isinstance(content, OSError):
                raise DamagedFileError(content.strerror or first_line(content))  # noqa: TRY301
            source = opened_source(name, content)
        except DamagedFileError as error:
            damaged[f"{partition}/{name}"] = str(error)
            alone.add(name)
            continue
        schema = schema or source.schema
        if source.schema.equals(schema):
            yield source
