"""The project of a build, in a process of its own interpreter (`static_host_django.collect.process`).

Rule: the build calls, and waits for the result. An exception of the project ends both. When this process is gone, in
whatever way, the project's ends, too.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from static_host.conf.settings import Settings
from static_host.errors import StaticHostError
from static_host.project.errors import ProjectLoadError
from static_host.workers.interpreter import find_interpreter, spawn
from static_host.workers.load_errors import make_load_error
from static_host.workers.process_handle import describe_status
from static_host.workers.remote_project import RemoteProject
from static_host_build.build_errors import BuildError, find_remedy
from static_host_build.collect.whitenoise import WhiteNoiseSettings
from static_host_build.permissions import Modes
from static_host_django.conversation import Conversation
from static_host_django.static_url import DEFAULT_ROOT

Fingerprint = Callable[[dict[str, str | None]], Mapping[str, str]]
"""Fingerprints collected files, by name with their local sources; returns the fingerprinted names."""
_END_SECONDS = 2.0
"""Time that the project has after Ctrl-C, which a terminal sends to it, too."""


class BuiltProject(RemoteProject):
    """A project whose settings module is imported in its `process`.

    `project_static_root` is the project's own. `modes` are those of its tree. `manifests` has output folder and path of
    each bundler's manifest that the settings name. `version` is that of Python and Django. `built_settings`
    has what the settings of WhiteNoise ask of a build.
    """

    def __init__(self, settings: Settings, facts: dict[str, Any], process: ProjectProcess) -> None:
        super().__init__(settings, facts)
        self.process = process
        self.project_static_root = Path(facts["static_root"] or DEFAULT_ROOT).absolute()
        self.modes = Modes.choose(facts["file_mode"], facts["folder_mode"])
        self.manifests: list[tuple[str, str]] = facts["manifests"]
        self.version = (facts["python"], facts["django"])
        self.built_settings = WhiteNoiseSettings(**facts["whitenoise_built"])


class ProjectProcess:
    """The process, which imports the settings module at once."""

    def __init__(
        self, settings: Settings, interpreter: str, process: subprocess.Popen[bytes], conversation: Conversation
    ) -> None:
        self._settings = settings
        self._interpreter = interpreter
        self._process = process
        self._conversation = conversation
        self._send(call="load_settings")

    def load(self) -> BuiltProject:
        """Wait until the settings module is imported. Raises StaticHostError."""
        return BuiltProject(self._settings, self._receive()["result"], self)

    def call(self, function: str, **arguments: Any) -> Any:
        """Call a function of `static_host_django.collect.process.Calls`. Raises StaticHostError."""
        self._send(call=function, **arguments)
        return self._receive()["result"]

    def collect(self, fingerprint: Fingerprint, **arguments: Any) -> dict[str, Any]:
        """Run collectstatic; it has the collected files fingerprinted here meanwhile. Raises StaticHostError."""
        self._send(call="collect", **arguments)
        while "result" not in (message := self._receive()):
            self._send(names=fingerprint(message["fingerprint"]))
        result: dict[str, Any] = message["result"]
        return result

    def read(self, number: int) -> bytes:
        """Return the content of a file of the project's own storage: its number in the list. Raises StaticHostError."""
        return b64decode(self.call("read", number=number))

    def _send(self, **message: Any) -> None:
        with suppress(OSError):  # it has ended: `_receive` says how
            self._conversation.send(**message)

    def _receive(self) -> dict[str, Any]:
        message = self._conversation.receive()
        if message is None:
            end = describe_status(self._process.wait())
            raise ProjectLoadError(
                f"the process of {self._settings.settings_module} ended ({end}); its own output is above."
            )
        if "failed" in message:
            raise self._make_error(message["failed"])
        return message

    def _make_error(self, failure: dict[str, Any]) -> StaticHostError:
        if failure["kind"] != "build":
            return make_load_error(failure, self._settings.settings_module, self._interpreter)
        error = BuildError(failure["what"], remedy=failure["remedy"] or find_remedy(failure["errno"]))
        error.remote_traceback = failure["traceback"]
        return error


@contextmanager
def start_project(settings: Settings) -> Iterator[ProjectProcess]:
    """Start the project's process, which ends with the block. Raises StaticHostError."""
    interpreter = find_interpreter(settings)
    ours, theirs = socket.socketpair()
    variables = {"PYTHONUTF8": "1"} if sys.flags.utf8_mode else {}
    options = {
        "socket": theirs.fileno(),
        "settings_module": settings.settings_module,
        "log_format": settings.log_format,
    }
    with ours, theirs:
        fds = (theirs.fileno(),)
        process = spawn(interpreter, "collect.process", options, pass_fds=fds, variables=variables)
        conversation = Conversation(ours.dup())
    seconds = None
    try:
        yield ProjectProcess(settings, interpreter, process, conversation)
    except KeyboardInterrupt:
        seconds = _END_SECONDS
        raise
    finally:
        with suppress(OSError, subprocess.TimeoutExpired):
            conversation.send()  # it is over
            process.wait(seconds)
        conversation.close()
        process.wait()


def find_static_root(settings: Settings) -> Path:
    """Return the static root in effect. Raises StaticHostError."""
    with start_project(settings) as process:
        return process.load().static_root
