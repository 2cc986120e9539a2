"""Django's ``collectstatic`` into a directory, with fingerprints.

Rule: it is the project's own command, with the project's finders, and with the storage of `BuildStorage` unless the
project has a fingerprinting storage of its own. References that lead nowhere are all reported, with file and line.
"""

from __future__ import annotations

import glob
import io
import logging
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

from django.contrib.staticfiles import finders
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from app.settings import Settings
from app.storage import StaticHostStorage
from static_build import bundles
from static_build.references import Reference, in_comment, in_templates, report
from static_build.releases import BuildFailed

log = logging.getLogger("static_host.build")

STORAGE = "static_build.collect.BuildStorage"


_IMPORT = re.compile(r"""(?:from|import)\s*\(?\s*['"][./]""")


class Guarded:
    """A pattern of Django's that is tried only on text for which a much cheaper test says that it may match.

    Its patterns for imports look for the end of an import from every "import" in a file to the file's end.
    """

    def __init__(self, pattern: re.Pattern[str], may_match: Callable[[str], object]) -> None:
        self._pattern = pattern
        self._may_match = may_match

    def search(self, text: str) -> object:
        """Do what ``re.Pattern.search`` does, as far as yes or no."""
        return self._may_match(text) and self._pattern.search(text)

    def sub(self, replacement: Callable[[re.Match[str]], str], text: str) -> str:
        """Do what ``re.Pattern.sub`` does."""
        return self._pattern.sub(replacement, text) if self._may_match(text) else text


class BuildStorage(StaticHostStorage):
    """Fingerprints files and rewrites the references between them, ES module imports included.

    A reference to a file that does not exist is left as it is, and is listed in `dangling`.
    """

    support_js_module_import_aggregation = True
    _patterns: dict[str, list[tuple[Any, ...]]]  # pattern, template; from Django 6.1 on, what to ignore
    _js_module_import_aggregation_patterns: tuple[str, tuple[tuple[Any, ...], ...]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dangling: list[Reference] = []
        scripts, imports = self._js_module_import_aggregation_patterns
        sources = {entry[0] for entry in imports}
        self._without_imports = [entry for entry in self._patterns[scripts] if entry[0].pattern not in sources]
        for entries in self._patterns.values():
            entries[:] = [(_guarded(entry[0], sources), *entry[1:]) for entry in entries]

    def url_converter(self, name: str, hashed_files: dict[str, str], *args: Any, **kwargs: Any) -> Any:
        """Return Django's converter, made to collect what it would raise for."""
        convert = super().url_converter(name, hashed_files, *args, **kwargs)

        def converter(match: re.Match[str]) -> str:
            try:
                return convert(match)
            except ValueError:
                self._note(name, match)
                return str(match["matched"])

        return converter

    def post_process(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Yield what collectstatic shows."""
        results = list(super().post_process(*args, **kwargs))
        if any(isinstance(processed, RuntimeError) for *_, processed in results):
            results = list(self._once_more(*args, **kwargs))
        yield from results

    def save_manifest(self) -> None:
        """Write the manifest sorted, so that it does not depend on the order in which files were found."""
        self.hashed_files = dict(sorted(self.hashed_files.items()))
        super().save_manifest()

    def _once_more(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Once more, for modules that import each other in a circle: such names have no fingerprint by content."""
        log.warning("JavaScript modules import each other in a circle: imports keep the names that they have")
        for hashed in set(self.hashed_files.values()) - set(self.hashed_files):
            self.delete(hashed)
        self._patterns[self._js_module_import_aggregation_patterns[0]] = self._without_imports
        yield from super().post_process(*args, **kwargs)

    def _note(self, name: str, match: re.Match[str]) -> None:
        script = name.endswith("js")
        if "sourceMappingURL" not in match["matched"] and in_comment(match.string, match.start(), script=script):
            return
        line = match.string.count("\n", 0, match.start()) + 1
        target = urldefrag(match["url"].strip())[0]
        self.dangling.append(Reference(name, line, target, optional="sourceMappingURL" in match["matched"]))


def _guarded(pattern: re.Pattern[str], imports: set[str]) -> re.Pattern[str] | Guarded:
    if pattern.pattern in imports:
        return Guarded(pattern, _IMPORT.search)
    if "sourceMappingURL" in pattern.pattern:
        return Guarded(pattern, lambda text: "sourceMappingURL" in text)
    return pattern


@dataclass(frozen=True, slots=True)
class Collected:
    """What was collected: the name of Django's manifest, and what else tells of fingerprinted names.

    `bundles` are the bundlers' manifests, by name.
    """

    manifest: str
    bundles: dict[str, bytes]


def collect(root: Path, settings: Settings) -> Collected:
    """Collect into `root`, which is the project's STATIC_ROOT by now.

    Raises BuildFailed; an exception of the project's own code passes through.
    """
    try:
        call_command(
            "collectstatic",
            interactive=False,
            verbosity=0,
            skip_checks=True,
            ignore_patterns=_dangling_links(),
            stdout=io.StringIO(),
            stderr=io.StringIO(),
        )
    except CommandError as error:
        raise BuildFailed(_no_command(error)) from None
    except ImproperlyConfigured as error:
        raise BuildFailed(f"collectstatic: {error}") from None
    except UnicodeDecodeError as error:
        raise BuildFailed(f"collectstatic: a stylesheet or script is not UTF-8: {error}") from None
    except OSError as error:
        raise BuildFailed(f"collectstatic: {error}") from None
    except ValueError as error:
        if "could not be found with" not in str(error):
            raise
        # what Django's own manifest storages raise, up to 6.0, for a reference that leads nowhere
        raise BuildFailed(f"collectstatic: {error}") from None
    _collect_root_files(root, settings.static_root_files)
    _report_references(fatal=settings.static_missing_references == "error")
    return Collected(_manifest_name(), _bundles())


def _report_references(*, fatal: bool) -> None:
    storage: Any = storages["staticfiles"]
    if storage.hashed_files:
        dangling = [*getattr(storage, "dangling", ()), *in_templates(storage.hashed_files)]
        report(dangling, storage.hashed_files, fatal=fatal)


def _no_command(error: CommandError) -> str:
    if "Unknown command" in str(error):
        return "the project has no collectstatic: add 'django.contrib.staticfiles' to INSTALLED_APPS."
    return f"collectstatic: {error}"


def _manifest_name() -> str:
    storage: Any = storages["staticfiles"]
    return str(storage.manifest_name)


def _files(keep: Callable[[str], bool]) -> Iterator[tuple[str, str, Any]]:
    """Yield (name, path in its storage, storage) for what the finders list, without Django's ignore patterns."""
    for finder in finders.get_finders():
        for path, storage in finder.list([]):
            name = f"{storage.prefix}/{path}" if getattr(storage, "prefix", None) else path
            if keep(name):
                yield name, path, storage


def _dangling_links() -> list[str]:
    """Return patterns that make collectstatic pass over symbolic links whose target does not exist."""
    found = [(path, _exists(path, storage)) for _, path, storage in _files(lambda _: True)]
    sound = {path for path, exists in found if exists}
    dangling = {path for path, exists in found if not exists}
    for path in sorted(dangling):
        log.warning("%s is a symbolic link to a file that does not exist; it is left out", path)
    if dangling & sound:
        both = ", ".join(sorted(dangling & sound))
        raise BuildFailed(f"{both}: one static folder has it, another has a symbolic link of that name to nothing.")
    return [glob.escape(path) for path in sorted(dangling)]


def _bundles() -> dict[str, bytes]:
    """Return the bundlers' manifests that the finders know; Vite's is hidden, so collectstatic passes over it."""
    found = {}
    for name, path, storage in _files(lambda name: name.rpartition("/")[2] in bundles.NAMES):
        if name not in found and _exists(path, storage):
            with storage.open(path) as file:
                found[name] = file.read()
    return found


def _exists(path: str, storage: Any) -> bool:
    try:
        return Path(storage.path(path)).exists()  # storage.exists() is true of a link to nothing
    except NotImplementedError:  # not a storage of local files
        return True


def _collect_root_files(root: Path, root_files: tuple[str, ...]) -> None:
    """Copy the files that are served at ``/`` but that collectstatic passes over (``.well-known/…``)."""
    folders = tuple(name for name in root_files if name.endswith("/"))
    for name, path, storage in _files(lambda name: name in root_files or name.startswith(folders)):
        target = root / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with storage.open(path) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)
