"""``static-host dev``: a supervisor watches files and replaces a worker, which serves static files from the finders.

May import every room but `cli`.
"""
