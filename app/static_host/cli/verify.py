"""``static-host verify``."""

from __future__ import annotations

import click


@click.command(short_help="Audit a live deployment through its CDN.")
@click.argument("url")
@click.option(
    "--max-files",
    "max_files",
    default=50,
    type=click.IntRange(min=1),
    show_default=True,
    help="The largest number of files to examine.",
)
@click.option(
    "--static-prefix",
    "static_prefixes",
    multiple=True,
    metavar="URL",
    help="A prefix of the static files' URLs. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the tables.")
def verify(url: str, max_files: int, static_prefixes: tuple[str, ...], as_json: bool) -> None:
    """Request the page at URL and its static files, through any CDN, and check the responses.

    The command examines the files that the page and its stylesheets refer to, below the static prefixes. Without
    --static-prefix, these are the prefixes of fingerprinted names. Files that scripts load are not examined.

    It requests each file as a browser does, then in each content coding alone, then all of that once more. It also
    requests a range, a revalidation, and a name that does not exist. At most 4 requests run at a time.

    The command prints a table of the files, then a table of findings. Each finding has a remedy for the CDN, if it is
    CloudFront, Cloudflare, Fastly, Varnish or nginx. The exit code is 1 if there is an error. This command needs an
    extra: pip install 'django-static-host[verify]'.

    \b
    The columns of the first table:
        browser        what a browser gets: coding and bytes
        br zstd gzip   this coding alone: built (the origin's bytes), re-encoded (by
                       the CDN), sent (origin unknown), lost (not compressed), unasked
                       (another coding came), - (not requested: no use)
        cache          first and second response: hit, miss, bypass, or ? if unknown
        cache-control  immutable, or seconds
        vary           whether Vary has Accept-Encoding
        etag           strong, weak, none
        cors           Access-Control-Allow-Origin
        range, 304     whether a range and a revalidation work
        dictionary     offered: as a compression dictionary (RFC 9842)

    \b
    --json prints one object:
        ok             true if there is no error
        page           url, status
        static_prefixes  the prefixes of the static files' URLs
        hosts          for each host cdn, http and alt_svc
        files          for each file the requests and their responses
        not_found      the responses for names that do not exist
        not_examined   URLs of the page that were left out
        findings       as with check --json
    """
    from static_host.verify.required_libraries import require_extra

    require_extra()
    from static_host.verify.command import verify_deployment

    raise SystemExit(verify_deployment(url, max_files, static_prefixes, as_json))
