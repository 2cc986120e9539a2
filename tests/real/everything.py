"""What `make projects-all` runs, and `make projects` leaves out."""

from __future__ import annotations

import os

import pytest

EVERYTHING = "EVERYTHING" in os.environ
IN_PROJECTS_ALL = pytest.mark.skipif(not EVERYTHING, reason="`make projects-all` runs it")
