"""Front ends that Vite builds, with the packages that ``make projects`` installed into tests/real/vite."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.support.processes import make_environment
from tests.support.required import needs

VITE = Path(__file__).parent / "vite"


def _find_node_version() -> tuple[int, ...]:
    """Return the version of Node; nothing where there is none."""
    path = shutil.which("node")
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout if path else ""
    return tuple(int(part) for part in re.findall(r"\d+", told))


NODE = _find_node_version()
NEEDS_NODE = needs(
    (20, 19) <= NODE < (21,) or NODE >= (22, 12),
    f"Vite 8 needs Node 20.19 or 22.12; this is {'.'.join(map(str, NODE)) or 'none'}",
)


def build_front_end(source: Path, project: Path) -> None:
    """Copy a project, and have Vite build its front end into `dist`."""
    shutil.copytree(source, project, ignore=shutil.ignore_patterns("node_modules", "dist", "__pycache__"))
    (project / "node_modules").symlink_to(VITE / "node_modules")
    command = [str(project / "node_modules/.bin/vite"), "build"]
    variables = make_environment({})
    built = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
