"""Train one model, or sweep over many: `python -m src.train dataset=adult search=full`."""

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from tabproof import config as conf
from tabproof import sweep
from tabproof.runtime import console, process, threads

conf.register_schema()
jobs = process.Jobs()


@hydra.main(version_base="1.3", config_path=str(conf.CONF), config_name="train")
def train(cfg: DictConfig) -> None:
    """Run one job of Hydra."""
    hydra_config = HydraConfig.get()
    directory = Path(hydra_config.runtime.output_dir)
    in_sweep = hydra_config.mode is RunMode.MULTIRUN
    here = "BasicLauncher" in hydra_config.launcher["_target_"]
    with jobs.job(directory.name, in_sweep=in_sweep, in_this_process=here):
        config = conf.typed(cfg)
        if in_sweep and sweep.run_job(hydra_config, config.sweep):
            return
        conf.check_config(config)
        with threads.limited_threads(config.runtime.openmp_threads):
            # Loads the numeric libraries, which read the limits once.
            from tabproof.experiment import run_experiment

            keeps = in_sweep or process.is_child()
            console.say(run_experiment(config, directory, keep_refused=keeps))


def main() -> None:
    """Answer on the command line."""
    with process.ending_in_one_line(conf.as_user_error):
        if {"-h", "--help"} & set(sys.argv[1:]):
            console.say(conf.help_text())
            return
        process.end_with_parent()
        arguments = sweep.resumed(conf.quoted(sys.argv[1:]))
        composed = conf.check_command_line(arguments)
        sys.argv[1:] = sweep.for_hydra(arguments, composed)
        sys.argv += sweep.overrides_to_resume(composed)
        with sweep.sweep(arguments, composed):
            train()
            jobs.raise_failure()
