"""The commands of the build: one module for each. The command line of `static_host` loads them by entry point."""

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"]}
