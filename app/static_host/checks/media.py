"""Says whether uploads are served here, by something else, or from a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from static_host.files.media_files import MediaFiles
from static_host.files.media_place import Storage
from static_host.findings import Finding
from static_host.served_tree import ServedTree, find_served_media, summarize_media
from static_host.workers.remote_project import RemoteProject


def check_media(project: RemoteProject, media: MediaFiles | None, served: ServedTree | None) -> Iterator[Finding]:
    """Check who serves the files of the default storage. Raises UnservableMediaError, as `serve` does."""
    storage = Storage.from_facts(project.loaded["storage"])
    if media is not None:
        prefixes = served.responder.prefixes if served else (project.prefix.encode(),)
        media.use(find_served_media(project, prefixes))
        for line in summarize_media(project, media):
            yield Finding("ok", "media", line) if media.place else _find_foreign(storage, line)
        if media.place and project.settings.media_inline and not urlsplit(storage.url).netloc:
            found = (
                f"DJANGO_MEDIA_INLINE=true, but MEDIA_URL = {storage.url!r} names no host: uploaded HTML and scripts "
                "run as the site"
            )
            remedy = "Unset it, or give MEDIA_URL a host that has no session of the site."
            yield Finding("warning", "media", found, remedy)
    elif storage.obstacle:
        yield _find_foreign(storage, storage.describe_foreign())
    elif not storage.is_local:
        yield Finding("ok", "media", storage.describe_foreign())
    elif storage.location:  # else the project has no uploads
        found = f"uploads in {storage.location} are not served at {storage.url} by this server"
        yield Finding("info", "media", found, "DJANGO_SERVE_MEDIA=true serves them, if nothing else does.")


def _find_foreign(storage: Storage, line: str) -> Finding:
    if storage.obstacle:
        return Finding("warning", "media", line, "Correct the default storage in STORAGES.")
    return Finding("info", "media", line, "DJANGO_SERVE_MEDIA=true has no effect; unset it.")
