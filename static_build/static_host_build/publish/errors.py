"""What keeps a release from being published, in words: what went wrong, and what to do about it."""

from __future__ import annotations

from static_host.errors import StaticHostError
from static_host.object_store.client import NotAStoreError, format_reason
from static_host.object_store.providers import find_provider


class PublishError(StaticHostError):
    """The release is not published: its index is not in the store, whatever of its files is."""

    exit_code = 7


_ERROR_SIGNS = (
    (("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"), "there is no such {bucket}",
     "Make it, or name another one in DJANGO_STATIC_STORE."),
    (("169.254.169.254", "/latest/api/token", "/computeMetadata/", "/metadata/identity/"),
     "there are no credentials", "Set {credentials}, or give the machine a role."),
    (("performing token request",), "its credentials are not accepted",
     "Are they right and not withdrawn ({credentials}), and does the network lead to whoever gives tokens for them?"),
    (("403 Forbidden", "AccessDenied", "401 Unauthorized", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
     "the store refuses",
     "Are the credentials right ({credentials}), and may they list, read and write objects there?"),
    (("invalid list response", "Header missing from response", str(NotAStoreError())),
     "what answers there is no object store",
     "Is its address right ({address})?"),
    (("error sending request", "dns error", "timed out", "Connection refused"), "the store cannot be reached",
     "Is its address right ({address}), and does the network lead there?"),
)  # fmt: skip


def explain_store_error(url: str, error: Exception) -> str:
    """Return what went wrong at `url`, with its remedy and what obstore said."""
    cloud, said = find_provider(url), str(error)
    for signs, what, remedy in _ERROR_SIGNS:
        if cloud and any(sign in said for sign in signs):
            words = {"bucket": cloud.bucket, "credentials": cloud.credentials, "address": cloud.address}
            return f"{url}: {what.format(**words)}. {remedy.format(**words)} ({format_reason(error)})"
    return f"{url}: {format_reason(error)}"
