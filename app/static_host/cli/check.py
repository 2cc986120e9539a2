"""``static-host check``."""

from __future__ import annotations

import click


@click.command(short_help="Check the settings, the project and the static tree.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the table.")
def check(as_json: bool) -> None:
    """Load what `serve` loads at its start, and check what `serve` has no time for.

    The project is loaded in a process of its own interpreter (DJANGO_PYTHON), as `serve` does.

    \b
    The command checks:
        files       each file against the index; each encoded file against its source
        settings    what breaks behind a proxy or with a static host, and what has
                    no effect here
        variables   misspelled names
        packages    versions that contradict the requirements
        project     Django's own system checks, also those of `check --deploy`
        databases   unapplied migrations, where a database answers within 3 seconds

    No database is needed. Without a tree, everything else is checked. The address is not opened.

    The command prints a table of findings, each with its remedy: errors first, then warnings, information, and passed
    checks. Tracebacks go to standard error. The exit code is 0 if there is no error. If `serve` could not start, it is
    the exit code of `serve`; if a file is damaged, it is 3; otherwise it is 1.

    \b
    --json prints one object:
        ok         true if there is no error
        findings   a list, errors first; each finding has
            level      error, warning, info or ok
            check      a stable name of the check: settings, project, tree,
                       manifest, static-url, static-prefix, static-root,
                       media-url, packages, migrations, debug, allowed-hosts,
                       ssl-redirect, proxy-ssl-header, forwarded-allow-ips,
                       health, csp, whitenoise, cache-middleware, compressor,
                       django; Django's own are django.security.W004 and so on
            found      what was found, with its value
            remedy     what to do, or an empty text
    """
    from static_host.checks.command import run_checks

    raise SystemExit(run_checks(as_json))
