"""Runs on disk: run directories, their identity, the lists of them, the registry of models.

Importing this package loads no numeric library: the service reads runs too, and the limits of
threads must be set before numpy is loaded.
"""

from tabproof.artifacts.challenges import Challenge
from tabproof.artifacts.estimator_facts import EstimatorFacts, MemberFacts, best_in_brief
from tabproof.artifacts.files import point_to, write_atomically
from tabproof.artifacts.find import (
    Found,
    find_run,
    is_date,
    newest_complete_run,
    read_records,
    read_set,
    skip_completed,
    unfinished_runs,
)
from tabproof.artifacts.manifest import VerifiedRun, read_manifest, read_verified
from tabproof.artifacts.provenance import as_plain, deciding_code_hash, run_id_of, worker_facts
from tabproof.artifacts.record import (
    COMPLETE,
    CompleteRun,
    DataFingerprint,
    Record,
    Summary,
    VerifiedPredictions,
    choices_by_key,
    chosen,
    differing_rows,
    flattened,
    model_name_of,
    model_of,
    one_line,
    path_text,
    read_complete_run,
    read_predictions,
    read_record,
    recorded_platform,
)
from tabproof.artifacts.registry import Promotion, Registry
from tabproof.artifacts.run_directory import (
    OUTPUTS,
    REPORT,
    Plan,
    RunDirectory,
    RunSkipped,
    differences,
    is_complete,
    is_searched,
    read_plan,
    record_outcome,
    saved_data,
    timestamp,
)
from tabproof.artifacts.sweep_directory import SweepDirectory, clear_job
