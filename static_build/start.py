"""The command ``static-host``, begun where a project cannot stand in the way.

Rule: `app` is this program's package, whatever stands before it on PYTHONPATH; that the project has one, too, is then
said in words. It is imported by path, here and in each process that is spawned, since those import this module first.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_NAME = "app"


def main() -> None:
    """Run the command line, which is the server's: nothing of the build is loaded for it."""
    with import_module(f"{_NAME}.standard_streams").prepared(), import_module(f"{_NAME}.exits").reported():
        import_module(f"{_NAME}.__main__").main()


def _import_ours() -> None:
    package = Path(__file__).parent.parent / _NAME
    spec = spec_from_file_location(_NAME, package / "__init__.py", submodule_search_locations=[str(package)])
    if spec and spec.loader:
        sys.modules[_NAME] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[_NAME])


if _NAME not in sys.modules:
    _import_ours()
