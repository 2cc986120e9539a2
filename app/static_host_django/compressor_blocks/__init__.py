"""Renders django-compressor's blocks in a build, without a request, for projects that use it.

Only this package imports django-compressor and Jinja, which are then the project's own.
"""
