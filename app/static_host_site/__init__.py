"""The bundled Django project: what is served when no other project is named."""
