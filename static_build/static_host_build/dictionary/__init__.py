"""Compression dictionaries (RFC 9842): the files that are dictionaries, their patterns, and deltas against them.

May import `carry` and `encode`.
"""
