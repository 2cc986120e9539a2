"""The server: a static origin in front of a Django project, in one process."""
