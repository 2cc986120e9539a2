"""``static-host dev``: a supervisor that watches files, a worker that it replaces, static files from the finders.

May import every room but `cli`.
"""
