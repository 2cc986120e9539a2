"""django-compressor's blocks: rendered without a request, for projects that use it. May import `references`."""
