"""`make audit`: asks a vulnerability service about every package of requirements/run.txt, by pip-audit.

Rule: silence is not a clean result. pip-audit prints "No known vulnerabilities found" and exits with 0 even if the
service knows none of the packages (a mirror, for example). It exits with 1, as for a finding, if it reaches no service.
So this script reads its JSON. A vulnerability gives exit code 1. If neither service answers within AUDIT_SECONDS (60),
the script prints "skipped" with the reason and exits with 0.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SERVICES = ("pypi", "osv")


class NoAnswerError(Exception):
    """The service gave no information about any package; the message says why."""


def ask_service(service: str, seconds: float) -> list[dict[str, Any]]:
    """Return the service's answer for each package that it knows. Raises NoAnswerError."""
    with tempfile.TemporaryDirectory() as directory:
        document = Path(directory, "audit.json")
        options = ("--require-hashes", "--disable-pip", "--timeout", "5", "--progress-spinner", "off")
        command = (sys.executable, "-m", "pip_audit", "-s", service, "-r", str(ROOT / "requirements/run.txt"), *options)
        try:
            done = subprocess.run(
                [*command, "-f", "json", "-o", str(document)],
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NoAnswerError(f"{service}: no answer within {seconds:g} s") from None
        try:
            packages = json.loads(document.read_text())["dependencies"]
        except (OSError, ValueError):
            last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
            raise NoAnswerError(f"{service}: {last}") from None
    known = [package for package in packages if "skip_reason" not in package]
    if not known:
        raise NoAnswerError(f"{service}: it knows none of {len(packages)} packages")
    for package in packages:
        if "skip_reason" in package:
            print(f"not audited: {package['skip_reason']}")
    return known


def main() -> int:
    """Print the findings and return the exit code."""
    reasons = []
    for service in SERVICES:
        try:
            packages = ask_service(service, float(os.environ.get("AUDIT_SECONDS") or 60))
        except NoAnswerError as reason:
            reasons.append(str(reason))
            continue
        found = [(package, each) for package in packages for each in package["vulns"]]
        for package, each in found:
            remedy = ", ".join(each["fix_versions"]) or "no version yet"
            print(f"{package['name']} {package['version']}: {each['id']}, repaired in {remedy}")
        print(f"{len(packages)} packages audited by {service}: {len(found)} known vulnerabilities")
        return 1 if found else 0
    print("skipped: no vulnerability service answers", *reasons, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
