"""The project's side: what runs in the interpreter of the Django project.

Rule: it imports the standard library and Django, nothing else, and runs on Python 3.10 and newer. So a project may pin
any version of any other package. The front starts an interpreter and loads this package from its path; nothing else of
the front's environment is visible there.
"""
