"""The template tag library ``static_host``."""
