"""A tree on disk: the releases directory and the swap, the index file, the build stamp, the check of its integrity.

May import `encode` and `references`.
"""
