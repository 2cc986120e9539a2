"""``static-host check``: runs all checks, and prints their findings as a table or as JSON.

Rule: every error is a finding, even that static-host itself cannot be imported, so a document is always printed.
"""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import nullcontext

import click

from static_host.errors import StaticHostError
from static_host.findings import Finding, build_document, format_findings, is_ok
from static_host.installed_packages import find_broken_package, find_package_error
from static_host.standard_streams import redirect_stdout_to_stderr
from static_host.telemetry import log_configuration


def run_checks(as_json: bool = False) -> int:
    """Print the findings, and return the exit code. Tracebacks go to standard error."""
    log_configuration.mute()  # the findings say the same
    with redirect_stdout_to_stderr() if as_json else nullcontext():
        findings, code = collect_findings()
    if as_json:
        click.echo(json.dumps(build_document(findings), indent=2))
    else:
        click.echo(format_findings(findings, shutil.get_terminal_size().columns if sys.stdout.isatty() else None))
    return code


def collect_findings() -> tuple[list[Finding], int]:
    """Return all findings, and the exit code."""
    try:
        from static_host.checks.all_checks import iter_findings, make_error_finding
        from static_host.server import serve  # noqa: F401 - what `serve` imports
    except Exception as error:
        wrong = find_package_error(error)
        if wrong is not None:
            return [Finding("error", "packages", wrong.message, wrong.remedy)], wrong.exit_code
        wrong = find_broken_package(error)
        if wrong is None:
            raise
        log_configuration.log_error(wrong)
        return [Finding("error", "packages", wrong.message, wrong.remedy)], 1  # as `serve` would exit
    findings: list[Finding] = []
    try:
        for finding in iter_findings():
            findings.append(finding)  # noqa: PERF402 - findings before an error count
    except StaticHostError as error:
        return [*findings, make_error_finding(error)], error.exit_code
    return findings, 0 if is_ok(findings) else 1
