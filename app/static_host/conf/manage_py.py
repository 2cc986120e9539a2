"""The settings module that `manage.py` names.

Rule: `manage.py` is parsed, never executed. It names a module by a literal, as Django's template does:
``os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")``, or by an assignment to that variable.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "DJANGO_SETTINGS_MODULE"


def find_settings_module(path: Path = Path("manage.py")) -> str | None:
    """Return the settings module that the file names, or None if there is no such file.

    Raises ValueError if it names none, or several.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except (FileNotFoundError, IsADirectoryError):
        return None
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        raise ValueError(f"it is not set, and {path} cannot be read: {error}") from None
    names = set(_iter_named_modules(tree))
    if None in names or not names:
        raise ValueError(f"it is not set, and {path} names no settings module by a literal")
    if len(names) > 1:
        raise ValueError(f"it is not set, and {path} names several: {', '.join(sorted(map(str, names)))}")
    return names.pop()


def _iter_named_modules(tree: ast.Module) -> Iterator[str | None]:
    """Yield what the file makes the variable's value or its default; None for a value that it computes."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="setdefault"), args=[ast.Constant(value=name), value]):
                pass
            case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=name))], value=value):
                pass
            case _:
                continue
        if name == VARIABLE:
            module = value.value if isinstance(value, ast.Constant) else None
            yield module if isinstance(module, str) and module else None
