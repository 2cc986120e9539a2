"""The command line: ``static-host``, also ``python -m static_host``."""

from __future__ import annotations

import signal
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from itertools import groupby
from typing import Any

import click

from static_host.errors import StaticHostError
from static_host.standard_streams import prepare_streams
from static_host.telemetry import log_configuration
from static_host.telemetry.log_configuration import reported


class CommandLineWrong(StaticHostError):
    """There is no such command or option, or one is missing, or has a value that it cannot have."""

    exit_code = 2

    def __init__(self, error: click.ClickException) -> None:
        super().__init__(error.format_message())
        context = error.ctx if isinstance(error, click.UsageError) else None
        self.notes = (context.get_usage(), f"`{context.command_path} --help` tells more.") if context else ()


class Interrupted(StaticHostError):
    """Ctrl-C has ended a command that has an end of its own."""

    exit_code = 1


class CommandGroup(click.Group):
    """The commands here and those that other packages bring by entry point, imported only when they are called."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Raises Interrupted after Ctrl-C, for which click would print lines of its own."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("interrupted: the command did not end its work.") from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, in the order in which one uses them."""
        return [*self._find_plugin_commands(), *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name, or None."""
        brought = self._find_plugin_commands().get(cmd_name)
        return brought.load() if brought else super().get_command(ctx, cmd_name)

    @staticmethod
    def _find_plugin_commands() -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group="static_host.commands")}


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="django-static-host", prog_name="static-host")
def main() -> None:
    """Serve a Django project and its precompressed static files from one process, behind any CDN.

    \b
    In a directory that holds a Django project:
        export DJANGO_SETTINGS_MODULE=mysite.settings
        static-host build      # collect, fingerprint, compress and index the static files
        static-host serve      # serve them, and the project

    Everything is configured by environment variables; `static-host serve --help` lists them.

    \b
    Exit codes:
        0  done; for serve and dev: stopped by SIGINT or SIGTERM
        1  the Django project raised an exception, check or verify found an error,
           standard output could not be written, or Ctrl-C ended the command
        2  a setting, an option or a command is wrong
           (or a package that is installed does not fit)
        3  the static tree is missing, damaged or unreadable
        4  the address cannot be listened on
        5  the build failed; the previous tree, if any, still stands
        6  the build failed: earlier releases cannot be carried as they were
        7  the release is not published: the store cannot be reached, refuses, or
           has other bytes under a name
    """


class DocumentedCommand(click.Command):
    """A command whose help ends with all variables, group by group; they are listed only when that is asked for."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one entry for each variable, under the heading of its group."""
        from static_host.conf.settings import list_variables

        super().format_epilog(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text("Environment variables (also read from .env and /run/secrets):")
        for group, variables in groupby(list_variables(), key=lambda variable: variable.group):
            with formatter.section(group):
                entries = [(each.name, f"{each.description} Default: {each.default or 'empty'}.") for each in variables]
                formatter.write_dl([(name, text.replace("`", "")) for name, text in entries], col_max=30)


@main.command(cls=DocumentedCommand, short_help="Serve the static tree and the project.")
def serve() -> None:
    """Serve the built static tree and the Django project until SIGINT or SIGTERM.

    The tree, the project and the address are tried before the first worker starts: what stops the boot is printed
    whole, and ends the process with an exit code of its own.
    """
    # Process 1 of a container ignores a signal that it has no handler for, and loading a project takes its time.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with reported(), suppress(KeyboardInterrupt):
        from static_host.conf.settings import Settings
        from static_host.server.serve import serve as run

        run(Settings.read())


@main.command(short_help="Serve the project as it is, for development.")
def dev() -> None:
    """Serve the project without a build, and load it again when its code changes. For development only.

    Static files come straight from the project's finders, by their own names, at the URLs that `serve` gives them, and
    are revalidated by browsers at every use. A static host (DJANGO_STATIC_HOST, or one in STATIC_URL) is not used.
    Python files and .env below the working directory are watched, code that was loaded from elsewhere (site-packages
    are left out), and what the project's applications add to Django's autoreloader; templates, translations and static
    files need no reload. System checks are run as by runserver. A project that cannot be loaded, or whose checks find
    errors, is told of, and tried again at the next change. Debug pages are shown if the project's DEBUG is True.

    `static-host serve --help` lists all variables; WEB_CONCURRENCY and those of the build and of operation have no
    effect here, but for LOG_FORMAT.
    """
    with reported(), suppress(KeyboardInterrupt):
        from static_host.conf.settings import Settings
        from static_host.dev.supervisor import run_dev_server as run

        run(Settings.read())


@main.command(short_help="Try what serve does at its start; examine the tree and the settings.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document in place of the table.")
def check(as_json: bool) -> None:
    """Try what `serve` does at its start, and examine what it has no time for.

    Settings, project and static tree are loaded. Every file of the tree is read and compared with the index; every
    encoded one is decoded and compared with its source. The project's settings are examined for what goes wrong behind
    a proxy or with a static host of its own, and for what has no effect here; variables for names that are misspelt;
    packages for versions that contradict the requirements. Django's own system checks are run, those for deployment
    (`check --deploy`) too; none needs a database. Databases that answer within three seconds are asked which migrations
    are not applied. Without a tree all the rest is examined. The address is not tried.

    Prints a table of findings, each with its remedy: errors, warnings, what is good to know, what is in order. Exits
    with 0 if there is no error, with the code that `serve` would exit with if it cannot start, with 3 if a file is
    damaged, else with 1. Tracebacks go to standard error.

    \b
    --json prints an object, and nothing else:
        ok         whether there is no error
        findings   a list, the gravest first; each has
            level      error, warning, info or ok
            check      what was looked at, a name that does not change: settings,
                       project, tree, manifest, static-url, static-prefix,
                       static-root, media-url, packages, migrations, debug,
                       allowed-hosts, ssl-redirect, proxy-ssl-header,
                       forwarded-allow-ips, health, csp, whitenoise,
                       cache-middleware, compressor, django;
                       django.security.W004 and so on are Django's own
            found      what was found, with its value
            remedy     what to do; empty if nothing is, or if found says it
    """
    from static_host.checks.run import run_checks as run

    raise SystemExit(run(as_json))


@main.command(short_help="Examine a live deployment through its CDN.")
@click.argument("url")
@click.option(
    "--max-files",
    "max_files",
    default=50,
    type=click.IntRange(min=1),
    show_default=True,
    help="Examine at most N files.",
)
@click.option(
    "--static-prefix",
    "static_prefixes",
    multiple=True,
    metavar="URL",
    help="Static files lie below URL. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document in place of the tables.")
def verify(url: str, max_files: int, static_prefixes: tuple[str, ...], as_json: bool) -> None:
    """Ask a page at URL for its static files, through whatever CDN there is, and examine the answers.

    Examines the files that the page and its stylesheets name below the static prefixes: those below which a name has a
    fingerprint, or those of --static-prefix. Requests each as browsers do, in each coding alone, and all of it a second
    time; then a part of it, and a revalidation. Requests a name that does not exist, too. Files that scripts load are
    not examined. At most 4 requests run at a time.

    Prints a table of the files, then a table of findings, each with its remedy for the CDN that was recognised
    (CloudFront, Cloudflare, Fastly, Varnish, nginx). Exits with 1 if there is an error. It needs an extra:
    pip install 'django-static-host[verify]'.

    \b
    The columns of the first table:
        browser        what browsers get: coding and bytes
        br zstd gzip   this coding alone: built (the origin's bytes), re-encoded (by
                       the CDN), sent (nothing tells), lost, unasked (another one
                       came), - (not asked for: nothing to gain)
        cache          first answer, second answer: hit, miss, bypass; ? if nothing tells
        cache-control  immutable, or seconds
        vary           whether Accept-Encoding is in Vary
        etag           strong, weak, none
        cors           Access-Control-Allow-Origin
        range, 304     whether a part, and a revalidation, are answered as such
        dictionary     offered: as compression dictionary (RFC 9842)

    \b
    --json prints an object, and nothing else:
        ok             whether there is no error
        page           url, status
        static_prefixes  the prefixes below which static files lie
        hosts          for each host cdn, http and alt_svc
        files          for each file what was asked, and what came
        not_found      the answers for names that do not exist
        not_examined   URLs of the page that were left out
        findings       as those of check --json
    """
    with reported():
        from static_host.verify.extra import require_extra

        require_extra()
        from static_host.verify.run import verify_deployment as run

        raise SystemExit(run(url, max_files, static_prefixes, as_json))


def run() -> None:
    """Run the command line to its end: the console script ``static-host``. Raises SystemExit."""
    with prepare_streams(), reported():
        try:
            code = main(prog_name="static-host", standalone_mode=False)
        except click.ClickException as error:
            if log_configuration.is_json():
                raise CommandLineWrong(error) from None
            error.show()
            raise SystemExit(error.exit_code) from None
    raise SystemExit(code or 0)
