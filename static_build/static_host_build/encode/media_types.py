"""Media types by file name, for the index. The front's development server uses them too, by entry point."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import replace

from whitenoise.media_types import MediaTypes

from static_host.origin.representation import Resource

_MEDIA_TYPES = MediaTypes(
    extra_types={  # types that WhiteNoise's table lacks, or has under an obsolete name
        ".cjs": "text/javascript",
        ".csv": "text/csv",
        ".geojson": "application/geo+json",
        ".glb": "model/gltf-binary",
        ".gltf": "model/gltf+json",
        ".gz": "application/gzip",
        ".ics": "text/calendar",
        ".jsonld": "application/ld+json",
        ".jxl": "image/jxl",
        ".map": "application/json",
        ".md": "text/markdown",
        ".opus": "audio/ogg",
        ".otf": "font/otf",
        ".ttf": "font/ttf",
        ".vtt": "text/vtt",
        ".webmanifest": "application/manifest+json",
        ".woff": "font/woff",
        ".yaml": "application/yaml",
        ".yml": "application/yaml",
        "apple-app-site-association": "application/json",
    }
)


def guess_media_type(name: str, own: Mapping[str, str] | None = None, charset: str = "utf-8") -> str:
    """Return the media type for a name: of `own`, by file name or extension, else of WhiteNoise's table.

    A text type gets the charset.
    """
    base = posixpath.basename(name).lower()
    plain = (own or {}).get(base) or (own or {}).get(posixpath.splitext(base)[1])
    if plain is None:
        plain = "text/plain" if base.endswith(".d.ts") else str(_MEDIA_TYPES.get_type(name))  # TypeScript, not video
    is_complete = not plain.startswith("text/") or "charset=" in plain.lower()
    return plain if is_complete else f"{plain}; charset={charset}"


def parse_media_types(pairs: Iterable[str]) -> dict[str, str]:
    """Return the value of DJANGO_STATIC_MEDIA_TYPES as a dictionary."""
    return {name: media_type for name, _, media_type in (pair.partition("=") for pair in pairs)}


def assign_media_types(
    resources: Mapping[str, Resource], own: Mapping[str, str], charset: str, logical: Mapping[str, str]
) -> dict[str, Resource]:
    """Return the resources with their media types; a fingerprinted file has the type of its logical name, too."""
    if not own and charset == "utf-8":
        return dict(resources)
    return {
        name: replace(resource, media_type=guess_media_type(logical.get(name, name), own, charset))
        for name, resource in resources.items()
    }
