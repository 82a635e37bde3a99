"""What a server should answer: each row's probability as the run itself recorded it."""

from typing import Any

from benchmarks.adult import HoldOut, Row
from benchmarks.service import Answer, Service

# Sums may be taken in another order.
TOLERANCE = 1e-12


class WrongAnswerError(Exception):
    """A server answered, but not what the pipeline says."""

    def __init__(self, server: str, path: str, expected: object, answer: Answer) -> None:
        super().__init__(
            f"THE COMPARISON IS VOID: {server} answered {path} with {answer.status}"
            f" {str(answer.content)[:200]}; the pipeline says {expected}"
        )


def one_row(row: Row) -> dict[str, Any]:
    """Make the body of /predict."""
    return {"features": row}


def many_rows(rows: list[Row]) -> dict[str, Any]:
    """Make the body of /predict_batch."""
    return {"rows": rows}


def proba_of(content: Any) -> float | None:
    """Read the probability of the positive label; None where there is none."""
    proba = content.get("pred_proba") if isinstance(content, dict) else None
    return proba if isinstance(proba, float) else None


def is_right(content: Any, proba: float) -> bool:
    """Compare an answer with what the pipeline said."""
    answered = proba_of(content)
    return answered is not None and abs(answered - proba) <= TOLERANCE


def verify_rows(server: str, service: Service, hold_out: HoldOut) -> None:
    """Raise WrongAnswerError at the first row that is answered wrongly, one by one."""
    for row, proba in zip(hold_out.rows, hold_out.proba, strict=True):
        answer = service.ask("POST", "/predict", one_row(row))
        if answer.status != 200 or not is_right(answer.content, proba):
            raise WrongAnswerError(server, "/predict", proba, answer)


def verify_batch(server: str, service: Service, hold_out: HoldOut) -> None:
    """Raise WrongAnswerError unless a batch is answered in order and rightly."""
    answer = service.ask("POST", "/predict_batch", many_rows(hold_out.rows))
    answered = answer.content.get("pred_proba") if answer.status == 200 else None
    if not isinstance(answered, list) or len(answered) != len(hold_out.rows):
        raise WrongAnswerError(server, "/predict_batch", f"{len(hold_out.rows)} rows", answer)
    for found, proba in zip(answered, hold_out.proba, strict=True):
        if not is_right({"pred_proba": found}, proba):
            raise WrongAnswerError(server, "/predict_batch", proba, Answer(200, found))
