"""Template tags of the bundled site."""
