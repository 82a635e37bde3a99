"""Where conf/ lies: in the package, or of a project with its own, in the current directory too."""

from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

PACKAGE = Path(__file__).resolve().parents[1]
# A wheel carries conf/ inside the package; in the project it is a directory at the root.
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parents[1] / "conf"


def own_conf() -> Path | None:
    """Return the current directory's conf/, if it is another one than CONF."""
    here = Path.cwd() / "conf"
    return here if here.is_dir() and not here.samefile(CONF) else None


def choices(group: str) -> dict[str, Path]:
    """Return the choices of a config group with their files; the project's own replace ours."""
    found = {path.stem: path for path in (CONF / group).glob("*.yaml")}
    if (own := own_conf()) is not None:
        found |= {path.stem: path for path in (own / group).glob("*.yaml")}
    return dict(sorted(found.items()))


class OwnConf(SearchPathPlugin):
    """Puts the current directory's conf/ before CONF on Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add it where there is one."""
        if (own := own_conf()) is not None:
            search_path.prepend("current-directory", f"file://{own}", anchor="main")


Plugins.instance().register(OwnConf)
