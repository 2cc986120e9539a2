"""The project's part of ``static-host check``: a module for each subject; `process` has their order.

Rule: like all of the project's side, it imports the standard library and Django alone. What concerns the static tree
goes to the front as plain values, which `static_host.checks` compares with the tree's index.
"""
