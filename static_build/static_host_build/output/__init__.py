"""A tree on disk: the releases directory and the swap, the build stamp, and the proof that a tree is whole.

May import `encode` and `references`.
"""
