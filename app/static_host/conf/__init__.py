"""The configuration: every variable, its validator, and names that look like one. May import `errors` alone."""
