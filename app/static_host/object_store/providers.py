"""The providers of object stores: their words, and the variables that obstore reads, for messages with a remedy.

obstore documents the variables in its ``S3Config``, ``GCSConfig`` and ``AzureConfig``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """A kind of store: its word for a bucket, and the variables of its credentials and of its address."""

    bucket: str
    credentials: str
    address: str


_PROVIDERS = {
    "s3": Provider("bucket", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "AWS_REGION, AWS_ENDPOINT_URL"),
    "gs": Provider("bucket", "GOOGLE_APPLICATION_CREDENTIALS, the path of a credentials file", "GOOGLE_BASE_URL"),
    "az": Provider(
        "container",
        "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ENDPOINT",
    ),
}


def find_provider(url: str) -> Provider | None:
    """Return the provider of the store at a URL; None for a directory."""
    return _PROVIDERS.get(url.partition(":")[0])
