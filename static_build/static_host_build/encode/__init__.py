"""Encodes contents: content codings and their levels, the cache, media types, and the resources of the index.

Does not know Django or earlier releases. May import `tree_writer` and `bundler_manifests`.
"""
