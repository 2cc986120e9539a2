"""Django's fingerprints, imports of modules included."""

from __future__ import annotations

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class ModulesStorage(ManifestStaticFilesStorage):
    """Django's storage with its option for imports of modules."""

    support_js_module_import_aggregation = True
