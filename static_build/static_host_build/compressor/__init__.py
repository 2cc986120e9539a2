"""Renders django-compressor's blocks without a request, for projects that use it. May import `references`."""
