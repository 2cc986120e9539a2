"""Django's fingerprints, with the imports of modules followed, too."""

from __future__ import annotations

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class ModulesStorage(ManifestStaticFilesStorage):
    """Django's storage with its one option switched on."""

    support_js_module_import_aggregation = True
