"""The project's templates → the dictionary of its pages, a file of the tree (`static_host.origin.page_dictionary`)."""

from __future__ import annotations

import logging
from base64 import b64decode

from static_host.origin.page_dictionary import format_page_dictionary_name
from static_host_build.collect.project_process import BuiltProject
from static_host_django.tree_writer import TreeWriter

log = logging.getLogger("static_host.build")


def fingerprint_page_dictionary(project: BuiltProject, limit: int) -> str:
    """Return what the dictionary depends on, beside the URLs of static files. Raises StaticHostError."""
    return f"{limit}:{project.process.call('fingerprint_page_text', limit=limit)}" if limit else ""


def write_page_dictionary(project: BuiltProject, limit: int, writer: TreeWriter) -> None:
    """Write the dictionary of up to `limit` bytes, if the project has templates of pages. Raises StaticHostError."""
    if not limit:
        return
    made = project.process.call("collect_page_text", limit=limit, static_url=project.host + project.prefix)
    if made["problem"]:
        log.warning("there is no dictionary of pages: the templates cannot be read: %s", made["problem"])
    text = b64decode(made["text"])
    if text:
        writer.write(format_page_dictionary_name(text), text)
