"""Train one model, or sweep over many: what Hydra runs."""

import sys
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from tabproof import config as conf
from tabproof import sweep
from tabproof.runtime import console, process, threads

conf.register_schema()


def main(arguments: Sequence[str]) -> str | None:
    """Run one job, or a sweep of jobs, as a command line asks for; return the help if it does."""
    if {"-h", "--help"} & set(arguments):
        return conf.help_text()
    process.end_with_parent()
    arguments = sweep.resumed(conf.quoted(arguments))
    composed = conf.check_command_line(arguments)
    # Hydra reads sys.argv.
    sys.argv[1:] = sweep.for_hydra(arguments, composed) + sweep.overrides_to_resume(composed)
    jobs = process.Jobs()

    @hydra.main(version_base="1.3", config_path=str(conf.CONF), config_name="train")
    def train(cfg: DictConfig) -> None:
        run_job(cfg, jobs)

    with sweep.sweep(arguments, composed):
        train()
        jobs.raise_failure()
    return None


def run_job(cfg: DictConfig, jobs: process.Jobs) -> None:
    """Run one job as Hydra has composed it."""
    hydra_config = HydraConfig.get()
    directory = Path(hydra_config.runtime.output_dir)
    in_sweep = hydra_config.mode is RunMode.MULTIRUN
    in_this_process = "BasicLauncher" in hydra_config.launcher["_target_"]
    with jobs.job(directory.name, in_sweep=in_sweep, in_this_process=in_this_process):
        config = conf.typed(cfg)
        if in_sweep and sweep.run_job(hydra_config, config.sweep):
            return
        conf.check_config(config)
        with threads.limited_threads(config.runtime.openmp_threads):
            # Loads the numeric libraries, which read the limits once.
            from tabproof.experiment import run_experiment

            keep_refused = in_sweep or process.is_child()
            console.say(run_experiment(config, directory, keep_refused=keep_refused))
