"""Bytes to encoded bytes: content codings, their qualities, the cache, and the resources of the index.

Knows nothing of Django and of earlier releases. May import `files` and `bundler_manifests`.
"""
