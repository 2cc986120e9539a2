"""What a build tells of its work: the progress bar, the table, the JSON document, the page, the table of releases.

May import everything but the command line.
"""
