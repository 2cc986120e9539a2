"""What the build costs, measured: see README.md here."""
