"""Files outside the static tree: what visitors have uploaded.

Rule: a name comes from a client, and the directory changes at any time. So each file is opened anew, beneath its root.
"""
