"""The commands of the build: one module for each. The command line of `static_host` loads them by entry point."""

from __future__ import annotations

from static_host.conf.misspelled_variables import warn_misspelled
from static_host.conf.settings import Settings

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"]}


def read_settings() -> Settings:
    """Return the settings, and warn of misspelled variables. Raises InvalidSettingsError."""
    settings = Settings.read()
    warn_misspelled(settings)
    return settings
