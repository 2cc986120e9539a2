"""Puts a release's fingerprinted files into an object store, where servers of other releases find them."""
