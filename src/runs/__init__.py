"""Runs on disk: what a run directory holds, when it is complete, and what identifies it."""

from src.runs.directory import RunDirectory
from src.runs.environment import code_version, library_versions, platform_facts
from src.runs.identity import code_hash, run_id_of
from src.runs.manifest import Manifest, changed_files, read_manifest
from src.runs.recording import recorded
from src.runs.summary import Summary

__all__ = [
    "Manifest",
    "RunDirectory",
    "Summary",
    "changed_files",
    "code_hash",
    "code_version",
    "library_versions",
    "platform_facts",
    "read_manifest",
    "recorded",
    "run_id_of",
]
