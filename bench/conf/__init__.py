"""The packaged choices, a YAML file each, and what they are called. Nothing is imported, so that a shell can complete names at
once."""

from pathlib import Path

CONF = Path(__file__).parent
GROUPS = ("data", "backbone", "method", "sweep", "backend")


def folders(group: str, plugins: str | None = None) -> list[Path]:
    """Where the options of a group lie, the plug-in folder's last."""
    return [CONF / group] + ([Path(plugins).expanduser() / group] if plugins else [])


def names(group: str, plugins: str | None = None) -> list[str]:
    """The options of a config group, those of the plug-in folder included."""
    return sorted(p.relative_to(folder).with_suffix("").as_posix() for folder in folders(group, plugins)
                  for p in folder.rglob("*.yaml"))
