"""What keeps a release from being published, in words: what went wrong, and what to do about it."""

from __future__ import annotations

from app.exits import Stop
from app.store.opening import reason


class Unpublished(Stop):
    """The release is not published: its index is not in the store, whatever of its files is."""

    exit_code = 7


_SIGNS = (
    (("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"), "there is no such bucket",
     "Make it, or name another one in DJANGO_STATIC_STORE."),
    (("169.254.169.254", "/latest/api/token", "performing token request"),
     "there are no credentials",
     "Set those of the store, for example AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role."),
    (("403 Forbidden", "AccessDenied", "401 Unauthorized", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
     "the store refuses",
     "Are the credentials right, and may they list, read and write objects there?"),
    (("error sending request", "dns error", "timed out", "Connection refused"), "the store cannot be reached",
     "Is its address right (region, AWS_ENDPOINT_URL and the like), and does the network lead there?"),
)  # fmt: skip


def explained(url: str, error: Exception) -> str:
    """Return what went wrong at `url`, with its remedy and what obstore said."""
    said = str(error)
    for signs, what, remedy in _SIGNS:
        if any(sign in said for sign in signs):
            return f"{url}: {what}. {remedy} ({reason(error)})"
    return f"{url}: {reason(error)}"
