"""Settings of the group "Server"."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, SecretStr

from static_host.conf import validators
from static_host.conf.validators import CommaSeparated
from static_host.conf.variable import define_variable

LOOPBACK = ("127.0.0.1", "::1")
DEFAULT_GRACE_SECONDS = 25.0
"""With `END_SECONDS` less than the 30 s that Kubernetes, ECS and this project's Compose files wait before SIGKILL."""
END_SECONDS = 4.0
"""What a stop takes at most besides drain and grace time: the last connections are accepted, workers end."""


class ServerSettings(BaseModel):
    """The server's address, processes and connections."""

    title: ClassVar = "Server"

    host: Annotated[str, AfterValidator(validators.parse_listen_host)] = define_variable(
        "HOST",
        "127.0.0.1",
        "The address to listen on. `::` is every address of IPv6 and IPv4. `unix:/run/site.sock`: a Unix socket. "
        "Sockets that systemd passes (`LISTEN_FDS`) take the place of `HOST` and `PORT`.",
        "an IP address or a host name of this machine, such as 0.0.0.0, ::1 or [::1]; or unix: and an absolute path",
        pattern=r"^(?:unix:/[^\s\x00]+|[^\s/]+)$",
    )
    port: int = define_variable(
        "PORT",
        8000,
        "The TCP port to listen on. 0: a free one.",
        "a whole number from 0 to 65535",
        ge=0,
        le=65535,
    )
    socket_mode: Annotated[int, BeforeValidator(validators.parse_file_mode)] = define_variable(
        "SOCKET_MODE",
        0o666,
        "The permissions of the Unix socket of `HOST`, in octal digits. The default lets each local user connect who "
        "may enter its directory, as nginx does.",
        "three octal digits, for example 0660",
        shown="0666",
    )
    workers: int = define_variable(
        "WEB_CONCURRENCY",
        1,
        "Worker processes.",
        "a whole number from 1 to 512",
        ge=1,
        le=512,
    )
    keep_alive: int = define_variable(
        "DJANGO_KEEP_ALIVE_SECONDS",
        75,
        "Seconds for which an idle connection is kept. Choose more than the CDN or load balancer does, or it may send "
        "a request on a connection that is just being closed.",
        "a whole number from 1 to 3600",
        ge=1,
        le=3600,
    )
    drain: float = define_variable(
        "DJANGO_DRAIN_SECONDS",
        0.0,
        "Seconds after SIGTERM or SIGINT for which requests are still accepted while `DJANGO_READY_PATH` answers 503: "
        "as long as a load balancer needs to notice.",
        "a number of seconds from 0 to 3600",
        shown="0",
        ge=0,
        le=3600,
    )
    grace: float = define_variable(
        "DJANGO_GRACE_SECONDS",
        DEFAULT_GRACE_SECONDS,
        "Seconds after that for requests in flight to end; the others get 503 then. Without any, the process ends at "
        "once. The platform should wait 4 seconds more than the sum before SIGKILL (`docker stop` waits 10, Kubernetes "
        "and ECS 30).",
        "a number of seconds from 0 to 3600",
        shown="25",
        ge=0,
        le=3600,
    )
    forwarded_allow_ips: Annotated[CommaSeparated | None, AfterValidator(validators.parse_networks)] = define_variable(
        "FORWARDED_ALLOW_IPS",
        None,
        "The proxies whose `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Request-Start` are trusted: addresses, "
        "networks, and `private` for all private networks, separated by commas; or `*`, every address. The client is "
        "the right-most address of `X-Forwarded-For` that is not trusted; with `*`, the right-most of all. A proxy on "
        "a Unix socket counts as 127.0.0.1.",
        "IP addresses, networks or private, separated by commas; or *",
        shown="127.0.0.1,::1",
    )
    proxy_hops: int = define_variable(
        "DJANGO_PROXY_HOPS",
        0,
        "The number of addresses that proxies append to `X-Forwarded-For`, where their own addresses are not known. "
        "The client is the *n*-th from the right; the peer, if there are fewer. Unless `FORWARDED_ALLOW_IPS` is set, "
        "every peer counts as a proxy. 0: addresses tell proxies from clients.",
        "a whole number from 0 to 32",
        ge=0,
        le=32,
    )
    tls_certificate: Annotated[Path | None, AfterValidator(validators.validate_pem_path)] = define_variable(
        "TLS_CERTIFICATE",
        None,
        "The path of a PEM file with the server's certificate, then those between it and the authority's. It switches "
        "TLS (1.2 and 1.3) on. The files of TLS are read again when they change, and on SIGHUP.",
        "the path of a PEM file, for example /etc/tls/tls.crt",
        shown="",
    )
    tls_key: Annotated[Path | None, AfterValidator(validators.validate_pem_path)] = define_variable(
        "TLS_KEY",
        None,
        "The path of a PEM file with the certificate's private key, without a passphrase. Unset: it is in the file of "
        "`TLS_CERTIFICATE`.",
        "the path of a PEM file, for example /etc/tls/tls.key, beside TLS_CERTIFICATE",
        shown="",
    )
    tls_client_ca: Annotated[Path | None, AfterValidator(validators.validate_pem_path)] = define_variable(
        "TLS_CLIENT_CA",
        None,
        "The path of a PEM file with authorities' certificates. Only clients with a certificate of theirs can connect, "
        "for example Cloudflare (authenticated origin pulls). Health checks need one, too.",
        "the path of a PEM file, for example /etc/tls/origin-pull-ca.pem, beside TLS_CERTIFICATE",
        shown="",
    )
    origin_secret: Annotated[SecretStr | None, AfterValidator(validators.validate_secrets)] = define_variable(
        "DJANGO_ORIGIN_SECRET",
        None,
        "A secret that the CDN sends with every request. Requests without it get 403, except health checks. Two "
        "secrets, separated by a comma, are both accepted while one replaces the other.",
        "one or two texts of 16 or more letters, digits and the like, separated by a comma",
        shown="",
    )
    origin_secret_header: Annotated[str, AfterValidator(validators.validate_header_name)] = define_variable(
        "DJANGO_ORIGIN_SECRET_HEADER",
        "X-Origin-Secret",
        "The header field in which the CDN sends the secret.",
        "the name of a header field, without an underscore, for example X-Origin-Secret",
        pattern=r"^[A-Za-z0-9-]+$",
    )

    @property
    def stop_seconds(self) -> float:
        """Seconds that a stop takes at most: a platform has to wait so long before SIGKILL."""
        return self.drain + self.grace + END_SECONDS

    @property
    def trusted_proxies(self) -> tuple[str, ...]:
        """The peers that are trusted as proxies: FORWARDED_ALLOW_IPS, or what DJANGO_PROXY_HOPS says in its place."""
        if self.forwarded_allow_ips is not None:
            return self.forwarded_allow_ips
        return ("*",) if self.proxy_hops else LOOPBACK
