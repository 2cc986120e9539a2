"""Files of other releases, out of an object store that all releases share. Nothing of it is loaded without one."""
