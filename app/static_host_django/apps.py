"""The project's side as an application: ``INSTALLED_APPS = [..., "static_host_django"]``."""

from __future__ import annotations

from django.apps import AppConfig


class StaticHostConfig(AppConfig):
    """Has `manage.py check` list the findings of `static-host check` that concern the project's settings."""

    name = "static_host_django"
    verbose_name = "static-host"

    def ready(self) -> None:
        """Register the checks."""
        from static_host_django.checks.registered_checks import register_checks

        register_checks()
