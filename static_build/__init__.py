"""The build: a Django project's static files in, a tree that the server can serve as it is out."""
