"""The command line: the group, its help and the exit codes. May import every room, and does so inside commands."""
