"""What the estimator of a run is: the models in it, with their parameters and weights.

A run reads these facts off its fitted estimator, once, and keeps them in summary.json. The report,
the model card, the commands and the service state what is there, and nothing of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tabproof.text import counted

Combined = Literal["alone", "soft_vote", "hard_vote", "stacking"]


@dataclass(frozen=True, kw_only=True)
class MemberFacts:
    """One model; kind: the class of its last step. name: in the ensemble, empty where it is alone.

    params: those that are not the defaults of the class; values that JSON lacks are texts. weight:
    its share of a vote. candidate, score: its number in cv_results.csv and its score there, where
    the search has tried it by itself.
    """

    name: str = ""
    kind: str
    params: Mapping[str, Any]
    weight: float | None = None
    candidate: int | None = None
    score: float | None = None


@dataclass(frozen=True, kw_only=True)
class EstimatorFacts:
    """The estimator that a run ends in: one model, or several and how they are combined.

    combiner: the class of the model that is fitted on the answers of the members, if one is.
    candidate: its number in cv_results.csv, where it is one of them. Runs of earlier versions have
    no members.
    """

    combined: Combined = "alone"
    combiner: str = ""
    candidate: int | None = None
    members: Sequence[MemberFacts] = ()

    @property
    def is_ensemble(self) -> bool:
        """Whether several models answer together."""
        return self.combined != "alone"

    @property
    def is_joined(self) -> bool:
        """Whether a search has made the ensemble of several candidates."""
        return any(member.candidate is not None for member in self.members)

    @property
    def title(self) -> str:
        """The class of a single model, or `ensemble of 6 models (soft vote)`."""
        if not self.is_ensemble:
            return ", ".join(member.kind for member in self.members)
        how = f"stacking by {self.combiner}" if self.combiner else self.combined.replace("_", " ")
        return f"ensemble of {counted(len(self.members), 'model')} ({how})"


def best_in_brief(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the best parameters; of an ensemble that a search made, how many models it has.

    params : `best_params` of a summary, of earlier versions too.
    """
    members = params.get("ensemble")
    if isinstance(members, list) and all(isinstance(each, Mapping) for each in members):
        return {"ensemble": f"{counted(len(members), 'model')} (soft vote)"}
    return dict(params)
