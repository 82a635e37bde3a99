"""Compare a server's answers with the probabilities that the run recorded."""

from typing import Any

from benchmarks.adult import HoldOut, Row
from benchmarks.service import Answer, Service

# Sums may be computed in another order.
TOLERANCE = 1e-12


class WrongAnswerError(Exception):
    """A server's answer differs from the pipeline's."""

    def __init__(self, server: str, path: str, expected: object, answer: Answer) -> None:
        super().__init__(
            f"THE COMPARISON IS VOID: {server} answered {path} with {answer.status}"
            f" {str(answer.content)[:200]}; the pipeline answers {expected}"
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
    """Return whether an answer has the pipeline's probability."""
    answered = proba_of(content)
    return answered is not None and abs(answered - proba) <= TOLERANCE


def verify_rows(server: str, service: Service, hold_out: HoldOut) -> None:
    """Post rows one by one; raise WrongAnswerError at the first wrong answer."""
    for row, proba in zip(hold_out.rows, hold_out.proba, strict=True):
        answer = service.ask("POST", "/predict", one_row(row))
        if answer.status != 200 or not is_right(answer.content, proba):
            raise WrongAnswerError(server, "/predict", proba, answer)


def verify_batch(server: str, service: Service, hold_out: HoldOut) -> None:
    """Post a batch; raise WrongAnswerError where an answer is wrong or out of order."""
    answer = service.ask("POST", "/predict_batch", many_rows(hold_out.rows))
    answered = answer.content.get("pred_proba") if answer.status == 200 else None
    if not isinstance(answered, list) or len(answered) != len(hold_out.rows):
        raise WrongAnswerError(server, "/predict_batch", f"{len(hold_out.rows)} rows", answer)
    for found, proba in zip(answered, hold_out.proba, strict=True):
        if not is_right({"pred_proba": found}, proba):
            raise WrongAnswerError(server, "/predict_batch", proba, Answer(200, found))
