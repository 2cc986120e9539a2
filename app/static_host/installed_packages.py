"""Compares the installed packages with the requirements of this distribution.

Rule: it compares what this distribution requires, and what those packages require in turn, and no other package. Extras
count if they are named. This takes time, so a command does it only after an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path
from traceback import format_exception_only, walk_tb
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from static_host.errors import IncompatiblePackagesError

DISTRIBUTION_NAME = "django-static-host"
_OWN_PACKAGES = ("static_host", "static_host_build", "static_host_site")
_VERSION_ERRORS = (ImportError, AttributeError, TypeError)
"""What a wrong version of a package typically raises. Its traceback would add nothing."""


@dataclass(frozen=True, slots=True)
class RequirementConflict:
    """A package that is missing (`version` is empty), or whose version `required_by` does not accept."""

    name: str
    version: str
    requirement: str
    required_by: str

    def __str__(self) -> str:
        state = f"{self.name} {self.version} is installed" if self.version else f"{self.name} is not installed"
        return f"{state}: {self.required_by} requires {self.requirement}"


def find_package_error(error: Exception) -> IncompatiblePackagesError | None:
    """Return the error to print instead of `error`, or None if all packages meet the requirements."""
    from static_host.errors import IncompatiblePackagesError

    described = describe_conflicts(error)
    if described is None:
        return None
    wrong = IncompatiblePackagesError(described[0], remedy=described[1])
    wrong.__cause__ = None if isinstance(error, _VERSION_ERRORS) else error
    return wrong


def describe_conflicts(error: Exception) -> tuple[str, str] | None:
    """Return a message that lists the packages that may have caused `error`, and its remedy; None if all fit."""
    found = find_conflicts()
    if not found:
        return None
    what = format_exception_only(error)[-1].strip()
    lines = "\n".join(f"  {each}" for each in found)
    return f"installed packages do not meet the requirements of static-host ({what}):\n{lines}", format_remedy(found)


def find_broken_package(error: Exception) -> IncompatiblePackagesError | None:
    """Return the error for a package that raised `error` while it was imported, or None if it was our own code."""
    from static_host.errors import IncompatiblePackagesError

    owners = packages_distributions()
    for module in _iter_modules(error):
        top = module.partition(".")[0]
        if top in _OWN_PACKAGES:
            return None
        if top in owners:
            name = owners[top][0]
            what = format_exception_only(error)[-1].strip()
            version = _find_version(name)
            wrong = IncompatiblePackagesError(
                f"{name} {version} is installed, but cannot be imported ({what}).",
                remedy=f"Install it anew: pip install --force-reinstall '{name}=={version}'.",
            )
            wrong.__cause__ = error
            return wrong
    return None


def _iter_modules(error: Exception) -> Iterator[str]:
    """Yield the names of the modules that may have caused an exception, the likeliest first."""
    named = error.name if isinstance(error, ImportError) else getattr(getattr(error, "obj", None), "__name__", None)
    if named:
        yield named
    if isinstance(error, SyntaxError):
        yield from reversed(Path(error.filename or "").with_suffix("").parts)
    for frame, _ in reversed(list(walk_tb(error.__traceback__))):
        yield frame.f_globals.get("__name__", "")


def format_remedy(conflicts: Iterable[RequirementConflict]) -> str:
    """Return the remedy for these conflicts."""
    wanted = " ".join(f"'{each.requirement}'" for each in conflicts)
    return f"Install what fits (pip install {wanted}), and correct what pins other versions."


def find_conflicts(*extras: str) -> list[RequirementConflict]:
    """Return the packages that contradict the requirements of this distribution, of `extras`, or of one another."""
    packages: list[tuple[str, frozenset[str]]] = [(DISTRIBUTION_NAME, frozenset(extras))]
    found: dict[RequirementConflict, None] = {}
    for package in packages:  # the loop appends to it
        name, wanted = package
        for requirement in _find_requirements(name, wanted):
            installed = _find_version(requirement.name)
            if installed is None or not _is_satisfied(requirement, installed):
                by = name if name == DISTRIBUTION_NAME else f"{name} {_find_version(name)}"
                found[RequirementConflict(requirement.name, installed or "", _format_requirement(requirement), by)] = (
                    None
                )
            following = (requirement.name, frozenset(requirement.extras))
            if installed is not None and following not in packages:
                packages.append(following)
    return list(found)


def _find_requirements(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """Yield what an installed package requires on this machine."""
    with suppress(PackageNotFoundError):
        for line in distribution(name).requires or ():
            with suppress(InvalidRequirement):
                requirement = Requirement(line)
                marker = requirement.marker
                if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
                    yield requirement


def _find_version(name: str) -> str | None:
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None


def _is_satisfied(requirement: Requirement, version: str) -> bool:
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True


def _format_requirement(requirement: Requirement) -> str:
    """Return a requirement in the form that pip takes."""
    return f"{requirement.name}{requirement.specifier}"
