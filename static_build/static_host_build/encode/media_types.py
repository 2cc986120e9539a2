"""Media types by file name, for the index. The front's development server uses them too, by entry point."""

from __future__ import annotations

from whitenoise.media_types import MediaTypes

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


def guess_media_type(name: str) -> str:
    """Return WhiteNoise's media type for a name; text types get the charset UTF-8."""
    plain = "text/plain" if name.endswith(".d.ts") else str(_MEDIA_TYPES.get_type(name))  # TypeScript, not video
    return f"{plain}; charset=utf-8" if plain.startswith("text/") else plain
