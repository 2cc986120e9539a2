"""Compression dictionaries (RFC 9842): which files are dictionaries, by what pattern, and deltas against them.

May import `carry` and `encode`.
"""
