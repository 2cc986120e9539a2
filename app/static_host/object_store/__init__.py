"""Serves files of other releases from an object store that all releases share. Loaded only if a store is set."""
