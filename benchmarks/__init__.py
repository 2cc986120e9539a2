"""Programs that measure the build and the server: see README.md here."""
