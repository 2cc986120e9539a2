"""New pages, old container: a release's fingerprinted files, put where servers of other releases find them."""
