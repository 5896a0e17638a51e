"""Where ``jupyter_costmeter.toml`` may stand; it imports next to nothing, so that a kernel can look for one at once."""

from __future__ import annotations

from pathlib import Path

from jupyter_core.paths import jupyter_config_path

NAME = "jupyter_costmeter.toml"


def everywhere() -> list[Path]:
    """In Jupyter's config directories, the farthest first."""
    return [Path(folder) / NAME for folder in reversed(jupyter_config_path())]


def around(project: str | None) -> list[Path]:
    """In a project's folder and those around it, below home; the farthest first."""
    if project is None:
        return []
    home = Path.home().resolve()
    outer = [folder for folder in Path(project).parents if folder != home and folder not in home.parents]
    return [folder / NAME for folder in (*reversed(outer), Path(project))]


def of_budgets(project: str | None) -> list[Path]:
    """All that may have budgets which hold in a project, each once."""
    return list(dict.fromkeys([*everywhere(), *around(project)]))
