"""Reports on a build: the progress bar, the tables, the JSON document, the page.

May import everything but the command line.
"""
