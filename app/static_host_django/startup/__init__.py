"""The directory that `static-host run` and `static-host manage` put first on PYTHONPATH, with `sitecustomize` alone."""
