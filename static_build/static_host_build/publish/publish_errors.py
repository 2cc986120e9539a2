"""Explains why a release cannot be published, and what to do."""

from __future__ import annotations

from static_host.errors import StaticHostError
from static_host.object_store.client import NotAStoreError, format_reason
from static_host.object_store.providers import find_provider


class PublishError(StaticHostError):
    """The release is not published: its index is not in the store, even if some of its files are."""

    exit_code = 7


_ERROR_SIGNS = (
    (("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"), "there is no such {bucket}",
     "Create it, or name another one in DJANGO_STATIC_STORE."),
    (("169.254.169.254", "/latest/api/token", "/computeMetadata/", "/metadata/identity/"),
     "there are no credentials", "Set {credentials}, or give the machine a role."),
    (("performing token request",), "its credentials are not accepted",
     "Are they right and still valid ({credentials}), and can the network reach the server that issues their tokens?"),
    (("403 Forbidden", "AccessDenied", "401 Unauthorized", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
     "the store denies access",
     "Are the credentials right ({credentials}), and may they list, read and write objects there?"),
    (("invalid list response", "Header missing from response", str(NotAStoreError())),
     "the server there is not an object store",
     "Is its address right ({address})?"),
    (("error sending request", "dns error", "timed out", "Connection refused"), "the store cannot be reached",
     "Is its address right ({address}), and can the network reach it?"),
)  # fmt: skip


def explain_store_error(url: str, error: Exception) -> str:
    """Return what failed at `url`, the remedy, and obstore's message."""
    provider, message = find_provider(url), str(error)
    for signs, what, remedy in _ERROR_SIGNS:
        if provider and any(sign in message for sign in signs):
            words = {"bucket": provider.bucket, "credentials": provider.credentials, "address": provider.address}
            return f"{url}: {what.format(**words)}. {remedy.format(**words)} ({format_reason(error)})"
    return f"{url}: {format_reason(error)}"
