"""The command line says what cannot work, and what would."""

from pathlib import Path

import pytest

from tabproof.batch.options import parse
from tabproof.errors import UserError

FILES = ["input=a.csv", "output=b.csv"]
CLUSTER = "address=tcp://10.0.0.1:8786"


def test_words_become_options() -> None:
    options = parse(
        [*FILES, "run=adult", "keep=[id,name]", r"separator=\t", "workers=3", "strict=true"]
    )
    assert (options.run, options.keep, options.separator) == ("adult", ("id", "name"), "\t")
    assert (options.workers, options.strict, options.models) == (3, True, Path("models"))


@pytest.mark.parametrize("address", ["tcp://host-1.x:8786", "tls://[fe80::1]:1", CLUSTER[8:]])
def test_a_cluster_has_an_address(address: str) -> None:
    assert parse([*FILES, "runtime=dask", f"address={address}"]).address == address


@pytest.mark.parametrize(
    ("text", "keep"),
    [("all", None), ("none", ()), ("id", ("id",)), ('"a,b",c', ("a,b", "c")), ("[]", ())],
)
def test_kept_columns_are_all_none_or_names(text: str, keep: tuple[str, ...] | None) -> None:
    assert parse([*FILES, f"keep={text}"]).keep == keep


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "input must be given"),
        (["input=a.csv"], "output must be given"),
        ([*FILES, "seperator=;"], "no key 'seperator'; did you mean separator?"),
        ([*FILES, "workers"], "'workers' is not of the form key=value"),
        ([*FILES, "workers=0"], "workers=0 cannot work; it takes a whole number from 1"),
        ([*FILES, "workers=-1"], "workers=-1 cannot work"),
        ([*FILES, "batch_rows=1e6"], "batch_rows=1e6 cannot work"),
        ([*FILES, "explain=1"], "explain=1 cannot work; it takes true or false"),
        ([*FILES, "strict=yes"], "strict=yes cannot work; it takes true or false"),
        ([*FILES, "separator=ab"], "separator=ab cannot work"),
        ([*FILES, "encoding=klingon"], "encoding=klingon cannot work"),
        ([*FILES, "encoding=base64"], "encoding=base64 cannot work"),
        (
            [*FILES, "decimal=,", "separator=,"],
            "decimal=, cannot work; it takes another letter than separator",
        ),
        ([*FILES, "keep=a,a"], "keep=a,a cannot work"),
        ([*FILES, "run="], "run= cannot work"),
        ([*FILES, "runtime=spark"], "runtime=spark cannot work; it takes local or dask"),
        ([*FILES, "runtime=dask"], "address must be given, as in address=tcp://host:8786"),
        ([*FILES, CLUSTER, "runtime=dask", "workers=2"], "workers=2 cannot work"),
        ([*FILES, CLUSTER], "address=tcp://10.0.0.1:8786 cannot work; it takes runtime=dask"),
        ([*FILES, "address=10.0.0.1:8786"], "such as tcp://host:8786"),
        ([*FILES, "address=http://host:8786"], "such as tcp://host:8786"),
        ([*FILES, "address=tcp://host"], "such as tcp://host:8786"),
    ],
)
def test_what_cannot_work_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(UserError) as raised:
        parse(words)
    assert message in str(raised.value)
