"""The command line: a module for each command, the group and its exit codes in `main`.

May import every room. Commands import other rooms when they run, so that `--help` is fast.
"""
