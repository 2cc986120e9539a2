"""Brings the overlay into a Python process that `static-host run` or `static-host manage` has started.

Rule: every Python below such a command runs this at its start, also one of another version or without Django. So the
syntax is that of any Python, nothing is imported, and an error is one line on standard error. The interpreter's own
`sitecustomize` runs afterwards. Nothing else happens until Django is imported.
"""

import os
import sys

MYPY = False
if MYPY:
    from typing import Any  # noqa: F401 - for type comments

VARIABLE = "STATIC_HOST_OVERLAY"
DIRECTORY = os.path.dirname(__file__)  # noqa: PTH120 - pathlib is not imported yet
PATCHED_MODULES = frozenset(
    [
        "compressor.templatetags.compress",
        "django.conf",
        "django.core.files.storage.handler",
        "django.core.management",
        "django.core.management.base",
        "django.template.backends.django",
        "django.test.utils",
    ]
)
"""The modules for which `static_host_django.process_overlay` has a patch."""


class PatchingFinder:
    """Finds modules as the other finders of `sys.meta_path` do, and has `PATCHED_MODULES` patched once they ran."""

    def __init__(self, options):  # type: (str) -> None
        self._options = options
        self._searched = set()  # type: set[str]

    def find_spec(self, name, path=None, target=None):  # type: (str, Any, Any) -> Any
        """Return the spec of a module that is to be patched; None for every other module."""
        if name not in PATCHED_MODULES or name in self._searched:
            return None
        self._searched.add(name)  # another finder of this kind may ask this one
        try:
            others = [finder for finder in sys.meta_path if finder is not self]
            specs = (finder.find_spec(name, path, target) for finder in others)
            spec = next((spec for spec in specs if spec is not None), None)
        finally:
            self._searched.discard(name)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            self._patch_after_execution(spec.loader)
        return spec

    def _patch_after_execution(self, loader):  # type: (Any) -> None
        execute = loader.exec_module

        def execute_and_patch(module):  # type: (Any) -> None
            loader.exec_module = execute
            execute(module)
            self._patch(module)

        loader.exec_module = execute_and_patch

    def _patch(self, module):  # type: (Any) -> None
        try:
            overlay = _load_overlay()
            if overlay is not None:
                overlay.patch(module, self._options)
        except Exception as error:
            sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]
            sys.stderr.write("static-host: URLs of static files stay the project's own: " + repr(error) + "\n")


def _load_overlay():  # type: () -> Any
    """Return `static_host_django.process_overlay`, loaded from its path; None in a process of static-host itself.

    Such a process overrides the settings in its own way.
    """
    overlay = sys.modules.get("static_host_django.process_overlay")
    if overlay is None and not {"static_host", "static_host_django"} & set(sys.modules):
        from importlib import import_module, util

        package = os.path.dirname(DIRECTORY)  # noqa: PTH120
        path = os.path.join(package, "__init__.py")  # noqa: PTH118
        spec = util.spec_from_file_location("static_host_django", path, submodule_search_locations=[package])
        assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - the file exists
        module = sys.modules["static_host_django"] = util.module_from_spec(spec)
        spec.loader.exec_module(module)
        overlay = import_module("static_host_django.process_overlay")
    return overlay


def _run_next():  # type: () -> None
    """Run the interpreter's own `sitecustomize`, if it has one, as if this directory were not on its path."""
    own = sys.modules.pop(__name__)
    sys.path[:] = [each for each in sys.path if each != DIRECTORY]
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        if getattr(error, "name", __name__) != __name__:
            raise
        sys.modules[__name__] = own


if __name__ == "sitecustomize":
    if sys.version_info >= (3, 10) and os.environ.get(VARIABLE):
        sys.meta_path.insert(0, PatchingFinder(os.environ[VARIABLE]))
    _run_next()
