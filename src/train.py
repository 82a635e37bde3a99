"""Train one model, or sweep over many: `python -m src.train dataset=adult search=full`."""

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from src import config as conf
from src import resuming, sweeping
from src.runtime import child, console, program, threads

conf.register_schema()
jobs = program.Jobs()


@hydra.main(version_base="1.3", config_path="../conf", config_name="train")
def train(cfg: DictConfig) -> None:
    """Run one job of Hydra."""
    hydra_config = HydraConfig.get()
    directory = Path(hydra_config.runtime.output_dir)
    in_sweep = hydra_config.mode is RunMode.MULTIRUN
    here = "BasicLauncher" in hydra_config.launcher["_target_"]
    with jobs.job(directory.name, in_sweep=in_sweep, in_this_process=here):
        config = conf.typed(cfg)
        if in_sweep and sweeping.run_job(hydra_config, config.sweep):
            return
        conf.check_config(config)
        with threads.limited_threads(config.runtime.openmp_threads):
            # Loads the numeric libraries, which read the limits once.
            from src.experiment import run_experiment

            keeps = in_sweep or child.is_child()
            console.say(run_experiment(config, directory, keep_refused=keeps))


def main() -> None:
    """Answer on the command line."""
    with program.ending_in_one_line(conf.as_user_error):
        if {"-h", "--help"} & set(sys.argv[1:]):
            console.say(conf.help_text())
            return
        child.end_with_parent()
        arguments = sweeping.resumed(conf.quoted(sys.argv[1:]))
        composed = conf.check_command_line(arguments)
        sys.argv[1:] = sweeping.for_hydra(arguments, composed)
        sys.argv += resuming.overrides_to_resume(composed)
        with sweeping.sweep(arguments, composed):
            train()
            jobs.raise_failure()


if __name__ == "__main__":
    main()
