"""The project's process of a build: loads the project, and answers the calls of the build.

Rule: one call at a time, by name, with plain values; `Calls` lists them. A call that fails ends the process. The build
may end in any way, also killed: then this process ends at once.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import threading
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from static_host_django import own_logging, project_loading, whitenoise_settings
from static_host_django.collect.errors import CollectionError
from static_host_django.conversation import Conversation
from static_host_django.project_loading import describe_failure, format_traceback
from static_host_django.tree_writer import TreeWriter


def main(arguments: str) -> None:
    """Answer calls until the build says that it is over. `arguments` is a JSON object: see `project_process`."""
    options = json.loads(arguments)
    connection = socket.socket(fileno=options["socket"])
    connection.set_inheritable(False)
    threading.Thread(target=_end_with_build, args=(connection,), daemon=True).start()
    logging_handler = own_logging.create_handler(is_json=options["log_format"] == "json")
    own_logging.enable_loggers([logging_handler])
    conversation = Conversation(connection)
    calls = Calls(conversation, options["settings_module"], logging_handler)
    try:
        while message := conversation.receive():
            conversation.send(result=getattr(calls, message.pop("call"))(**message))
    except KeyboardInterrupt:  # the build says it
        raise SystemExit(1) from None
    except (Exception, SystemExit) as error:  # a settings module may call sys.exit
        conversation.send(failed=_describe(error, options["settings_module"]))
        raise SystemExit(1) from None
    finally:
        _flush_output()


class Calls:
    """What the build may call, in this order; each returns plain values."""

    def __init__(self, conversation: Conversation, settings_module: str, handler: Any) -> None:
        self._conversation = conversation
        self._settings_module = settings_module
        self._handler = handler
        self._static_url: str | None = None
        self._found: list[Any] = []

    def load_settings(self) -> dict[str, Any]:
        """Import the settings module."""
        facts = project_loading.load_settings(self._settings_module, "wsgi")
        self._static_url = facts["static_url"]
        from django.conf import settings

        from static_host_django.collect.found_files import list_configured_manifests

        options = settings.STORAGES.get("staticfiles", {}).get("OPTIONS", {})
        return {
            **facts,
            "file_mode": _choose(options.get("file_permissions_mode"), settings.FILE_UPLOAD_PERMISSIONS),
            "folder_mode": _choose(
                options.get("directory_permissions_mode"), settings.FILE_UPLOAD_DIRECTORY_PERMISSIONS
            ),
            "manifests": list_configured_manifests(settings),
            "whitenoise_built": _describe_whitenoise(settings),
        }

    def set_up(self, static_url: str, directory: str, previous: str | None, file_mode: int) -> dict[str, Any]:
        """Override the settings, set up Django, and describe what a build depends on.

        The build's tree is `directory`. Files are linked to those of the tree `previous` that have `file_mode`.
        """
        import django
        from django.conf import settings

        from static_host_django.collect.build_storage import BUILD_STORAGE
        from static_host_django.overlay import apply_overlay

        apply_overlay(self._static_url, static_url, Path(directory), BUILD_STORAGE)
        django.setup()
        own_logging.enable_loggers([self._handler])
        from static_host_django.collect import collectstatic
        from static_host_django.compressor import is_active
        from static_host_django.compressor_blocks.block_files import describe_output

        is_default = collectstatic.is_default_collection()
        self._directory = Path(directory)
        self._writer = TreeWriter(self._directory, Path(previous) if previous and is_default else None, file_mode)
        ignored = collectstatic.list_ignore_patterns()
        storage = settings.STORAGES["staticfiles"]
        return {
            "is_default": is_default,
            "ignore_patterns": ignored or [],
            "settings": repr((settings.STATIC_URL, settings.STATICFILES_FINDERS, storage, settings.DEBUG, ignored)),
            "is_compressor_used": is_active(settings),
            "compressor": describe_output(),
        }

    def list_files(self) -> dict[str, Any]:
        """List the files that the finders find, and the folders in which they search."""
        from static_host_django.collect.found_files import list_found_files, list_static_folders

        self._found = list_found_files()
        files = [(each.name, each.path, each.file, each.is_plain) for each in self._found]
        return {"files": files, "folders": list_static_folders()}

    def read(self, number: int) -> str:
        """Return the content of a listed file, in Base64."""
        return b64encode(self._found[number].read()).decode()

    def collect(self, ignored: list[str], root: str, root_names: Sequence[str]) -> dict[str, Any]:
        """Run collectstatic, also on the files `root_names` of the project's own STATIC_ROOT."""
        from django.core.files.storage import storages

        from static_host_django.collect import collectstatic
        from static_host_django.collect.build_storage import BuildStorage
        from static_host_django.collect.root_finder import install_finder

        install_finder(root, root_names)
        storage = storages["staticfiles"]
        if isinstance(storage, BuildStorage):
            storage.writer, storage.fingerprint = self._writer, self._fingerprint
        return collectstatic.collect(ignored)

    def compress(self, static_url: str) -> dict[str, Any] | None:
        """Render django-compressor's blocks."""
        from static_host_django.compressor_blocks.block_files import compress

        return compress(static_url, self._directory, self._writer)

    def fingerprint_page_text(self, limit: int) -> str:
        """Return a digest of what the text of pages depends on, beside the collected files."""
        from static_host_django.collect.page_text import fingerprint_page_text

        return fingerprint_page_text(limit)

    def collect_page_text(self, limit: int, static_url: str) -> dict[str, str]:
        """Return the text that the project's pages are likely to have, in Base64, and what is missing in it."""
        from static_host_django.collect.page_text import collect_page_text, make_static_url_finder

        text, problem = collect_page_text(limit, make_static_url_finder(static_url))
        return {"text": b64encode(text).decode(), "problem": problem}

    def list_template_folders(self) -> list[str]:
        """Return the folders of the templates of Django's own engine."""
        from django.template import engines
        from django.template.backends.django import DjangoTemplates

        found = (each for each in engines.all() if isinstance(each, DjangoTemplates))
        return [str(folder) for engine in found for folder in engine.template_dirs]

    def find_immutable(self, files: Sequence[Sequence[str]]) -> list[bool]:
        """Return which files never change, by WhiteNoise's setting."""
        from django.conf import settings

        from static_host_django.collect import whitenoise_functions

        return whitenoise_functions.find_immutable(settings, files)

    def change_headers(self, files: Sequence[Sequence[Any]]) -> list[Any]:
        """Return the changes of header fields by WhiteNoise's setting."""
        from django.conf import settings

        from static_host_django.collect import whitenoise_functions

        return whitenoise_functions.change_headers(settings, files)

    def _fingerprint(self, files: dict[str, str | None]) -> dict[str, str]:
        self._conversation.send(fingerprint=files)
        message = self._conversation.receive()
        if not message:  # the build has failed
            raise SystemExit(1)
        names: dict[str, str] = message["names"]
        return names


def _describe_whitenoise(settings: Any) -> dict[str, Any]:
    try:
        return whitenoise_settings.describe_built(settings)
    except whitenoise_settings.UnusableSettingError as error:
        raise CollectionError(f"{error}.", remedy=error.remedy) from None


def _choose(option: int | None, setting: int | None) -> int | None:
    return setting if option is None else option


def _describe(error: BaseException, settings_module: str) -> dict[str, Any]:
    if not isinstance(error, CollectionError):
        return describe_failure(error, settings_module)
    cause = error.__cause__
    shown = format_traceback(cause) if cause else ""
    return {"kind": "build", "what": str(error), "remedy": error.remedy, "errno": error.errno, "traceback": shown}


def _end_with_build(connection: socket.socket) -> None:
    """Wait until the build has closed its end, or is gone; then end this process."""
    poll = select.poll()
    poll.register(connection, 0)  # reports a hang-up, whatever is asked for
    poll.poll()
    os._exit(1)


def _flush_output() -> None:
    """Write what the project has printed; a closed pipe (``| head``) is no error."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
