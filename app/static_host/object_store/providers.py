"""What each kind of store calls its things, and which variables obstore reads for it: for messages that tell a remedy.

The variables are obstore's own, each store's documented in its ``S3Config``, ``GCSConfig`` and ``AzureConfig``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """A kind of store: what it keeps objects in, and the variables of its credentials and of its address."""

    bucket: str
    credentials: str
    address: str


_PROVIDERS = {
    "s3": Provider(
        "bucket",
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "AWS_REGION, AWS_ENDPOINT_URL",
    ),
    "gs": Provider(
        "bucket",
        "GOOGLE_APPLICATION_CREDENTIALS, the path of a file of credentials",
        "GOOGLE_BASE_URL",
    ),
    "az": Provider(
        "container",
        "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ENDPOINT",
    ),
}


def find_provider(url: str) -> Provider | None:
    """Return the kind of the store at a URL, or None for a directory."""
    return _PROVIDERS.get(url.partition(":")[0])
