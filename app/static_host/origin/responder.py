"""The static origin: `Responder.respond` turns a request head into a response, or None if the path is not its own.

Rule: a path is decoded once and looked up once. A name that is not in the index does not exist, so no spelling of a
path reaches any other file. Under the prefix every response comes from here, and no request reaches Django. Nothing
waits; the only I/O is reading a file of the tree that is not in memory yet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from urllib.parse import quote

from static_host.origin.body_cache import Body
from static_host.origin.conditional_response import combine_fields, respond_conditionally
from static_host.origin.headers import (
    METHODS,
    VARY,
    StaticHeaders,
    build_error_headers,
    encode_own_fields,
    format_cdn_cache_control,
    prepare_headers,
    prepare_preflight,
    select_vary,
)
from static_host.origin.index import INDEX_FILE_NAME, Index
from static_host.origin.negotiation import (
    Weights,
    parse_accept_encoding,
    parse_available_dictionary,
    select_representation,
)
from static_host.origin.percent_decoding import unescape
from static_host.origin.representation import Representation, Resource
from static_host.origin.response import NOT_FOUND_RESPONSES, Response, Slice
from static_host.origin.root_names import find_hidden_names, find_root_names
from static_host.origin.security import SecurityPolicy
from static_host.origin.tree import Tree

log = logging.getLogger("static_host.origin")

MAX_FIELD_BYTES = 16 << 10
"""Maximum length of one field's value, its lines joined; a longer one is refused with 431 (RFC 6585 §5)."""
MAX_PATH_BYTES = 3 * 4096
"""Bytes of a percent-encoded path that are decoded: no file name is as long as what follows."""
_MAX_CACHED_CHOICES = 64
_NO_NAME = "\0"
"""A name that no file has."""


class ServedResource:
    """One resource of a tree, with header blocks that are prepared on the first request."""

    __slots__ = ("_choices", "_dictionaries", "_further", "_max_age", "_prepared", "release", "resource", "tree")

    def __init__(
        self,
        resource: Resource,
        max_age: int | None,
        tree: Tree,
        security: SecurityPolicy,
        cdn_max_age: int | None = None,
        release: str = "",
    ) -> None:
        self.resource = resource
        self.release = release
        """The digest of the release that alone has it, else empty."""
        self.tree = tree
        self._max_age = max_age
        self._further = (
            *format_cdn_cache_control(resource, cdn_max_age),
            *security.select_fields(resource.media_type),
        )
        self._dictionaries = frozenset(r.dictionary for r in resource.representations if r.dictionary)
        self._prepared: dict[str, StaticHeaders] = {}
        self._choices: dict[tuple[Weights, str], StaticHeaders | None] = {}

    def select(self, headers: Mapping[bytes, bytes]) -> StaticHeaders | None:
        """Return the headers of the representation that these request fields select, or None if none is acceptable."""
        dictionary = parse_available_dictionary(headers.get(b"available-dictionary")) if self._dictionaries else ""
        wanted = (
            parse_accept_encoding(headers.get(b"accept-encoding")),
            dictionary if dictionary in self._dictionaries else "",
        )
        try:
            return self._choices[wanted]
        except KeyError:
            if len(self._choices) >= _MAX_CACHED_CHOICES:  # clients choose the weights
                self._choices.clear()
            return self._choices.setdefault(wanted, self._select_uncached(*wanted))

    def _select_uncached(self, wanted: Weights, dictionary: str) -> StaticHeaders | None:
        representation = select_representation(wanted, self.resource.representations, dictionary)
        if representation is None:
            return None
        if representation.file not in self._prepared:
            headers = prepare_headers(self.resource, representation, self._max_age, self._further)
            self._prepared[representation.file] = headers
        return self._prepared[representation.file]


class Responder:
    """Answers requests from one loaded tree.

    `prefixes`, one or several, begin and end with a slash. `max_age`, in seconds, is for names without a fingerprint;
    None: no Cache-Control. `cdn_max_age` is the same for CDNs alone; None: no CDN-Cache-Control.
    `root_files` are names that are also served at ``/``; a name with a trailing slash includes everything below it.
    `is_index_served` is whether the index file itself is served, too. `are_root_files_first`: they win over files that
    the build has put at ``/``. `security` is for the adapters: they redirect, and drop HSTS.
    """

    def __init__(
        self,
        tree: Tree,
        prefixes: str | tuple[str, ...],
        max_age: int | None = 60,
        root_files: Iterable[str] = (),
        *,
        is_index_served: bool = False,
        are_root_files_first: bool = False,
        security: SecurityPolicy | None = None,
        cdn_max_age: int | None = None,
    ) -> None:
        self.tree = tree
        self.security = security or SecurityPolicy()
        self._prefixes = tuple(p.encode() for p in ((prefixes,) if isinstance(prefixes, str) else prefixes))
        self.max_age = max_age
        self.cdn_max_age = cdn_max_age
        self._root = find_root_names(tree.index, tuple(root_files), are_root_files_first=are_root_files_first)
        self._hidden = find_hidden_names(tree.index, self._root)
        self._has_folders = tree.index.has_folders
        self._shown = (
            {INDEX_FILE_NAME: ServedResource(tree.make_index_resource(), 0, tree, self.security)}
            if is_index_served
            else {}
        )  # with max-age 0: a build needs the newest one
        self._served: dict[str, ServedResource] = {**self._shown}
        self.is_fallback_candidate: Callable[[str], bool] | None = None
        """Whether the fallback may have a name that the tree lacks; None without a fallback."""
        self.has_not_found_page = False
        """Whether the response to a missing name depends on fields that `respond` does not look at."""
        self.recall: Callable[[str, str, list[tuple[bytes, bytes]]], tuple[Response | None, bool]] | None = None
        """What the fallback knows without a look-up: its response to method, name and fields, or that it has none."""
        self.on_replaced: list[Callable[[], None]] = []
        """Called after the tree was replaced, so that what was made of the former one is forgotten."""

    def replace(self, other: Responder) -> None:
        """Answer as another responder does from now on, from its tree. Bodies in memory are kept: digests name them."""
        other.tree.bodies = self.tree.bodies
        self.tree, self._prefixes, self.max_age = other.tree, other._prefixes, other.max_age
        self.cdn_max_age = other.cdn_max_age
        self._root, self._hidden, self._shown = other._root, other._hidden, other._shown
        self._has_folders, self.security = other._has_folders, other.security
        self._served = {**other._shown}
        for forget in self.on_replaced:
            forget()

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """The URL paths below which everything is static."""
        return self._prefixes

    def respond(self, method: str, path: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Response | None:
        """Return the response to a request, or None if its path is not a static one.

        `path` is the target's raw path, percent-encoded, without the query; header names are in lower case.
        """
        name = self.resolve_name(path)
        return None if name is None else self.respond_with_name(method, name, headers)

    def respond_with_name(self, method: str, name: str, headers: Iterable[tuple[bytes, bytes]]) -> Response:
        """Return the response to a request for a file of the tree, or for one that it lacks."""
        served = self._find(name)
        if method == "OPTIONS":  # also for a missing file: a failed preflight hides the 404 from scripts
            return Response(204, prepare_preflight(encode_own_fields(served.resource.fields) if served else []))
        if served is None:
            target = find_redirect(self.tree.index, name) if self._has_folders and method in ("GET", "HEAD") else ""
            return _build_redirect(target) if target else NOT_FOUND_RESPONSES["HEAD" if method == "HEAD" else "GET"]
        return self.answer(method, served, headers)

    def answer(self, method: str, served: ServedResource, headers: Iterable[tuple[bytes, bytes]]) -> Response:
        """Return the response to a request for a resource, which may belong to another tree than `tree`."""
        if method not in ("GET", "HEAD"):
            return _build_error(method, 405, b"Method Not Allowed\n", (b"allow", METHODS))
        fields = combine_fields(headers)
        if any(len(value) > MAX_FIELD_BYTES for value in fields.values()):
            return _build_error(method, 431, b"Request Header Fields Too Large\n")
        return self._answer(method, served, fields)

    def is_owned(self, path: bytes) -> bool:
        """Whether `respond` returns a response for this raw path."""
        return self.resolve_name(path) is not None

    def resolve_name(self, path: bytes) -> str | None:
        """Return the name below the prefix for a raw path, or None if it is not a static path."""
        if b"%" in path:
            path = unescape(path[:MAX_PATH_BYTES])
        if path.startswith(self._prefixes):
            prefix = next(filter(path.startswith, self._prefixes))
            name = path[len(prefix) :].decode("utf-8", "surrogateescape")
            return name if name not in self._hidden else _NO_NAME
        name = path[1:].decode("utf-8", "surrogateescape")
        return self._root.get(name) if path[:1] == b"/" else None

    def _find(self, name: str) -> ServedResource | None:
        served = self._served.get(name)
        if served is None and name in self.tree.index:
            if len(self._served) >= self.tree.bodies.max_heads:
                self._served = {**self._shown}
            resource = self.tree.index[name]
            release = self.tree.index.name_only_release(resource)
            served = ServedResource(resource, self.max_age, self.tree, self.security, self.cdn_max_age, release)
            self._served[name] = served
        return served

    def _answer(self, method: str, served: ServedResource, headers: dict[bytes, bytes]) -> Response:
        chosen = served.select(headers)
        if chosen is None:
            return _build_error(method, 406, b"Not Acceptable\n", *(select_vary(served.resource) or VARY))
        vary = select_vary(served.resource)
        try:
            response = respond_conditionally(
                method,
                headers,
                chosen,
                partial(_read, served.tree, chosen.representation),
                lambda status, text, *extra: _build_error(method, status, text, *extra, *vary),
            )
        except OSError as error:
            log.error("cannot read %s: %s", chosen.representation.file, error)  # noqa: TRY400 - no fault of ours
            return _build_error(method, 503, b"Service Unavailable\n", (b"retry-after", b"5"))
        if response.status >= 400:
            return response
        is_in_memory = response.status == 200 and response.body and not isinstance(response.body[0], Slice)
        digest = chosen.representation.digest if is_in_memory else ""
        return Response(response.status, response.headers, response.body, digest, served.release)


def _read(tree: Tree, representation: Representation) -> Body | Slice:
    """Return a body, or the open file of one that is not kept in memory. Raises OSError."""
    body = tree.read_body(representation)
    return Slice(tree.open(representation), 0, representation.length) if body is None else body


def find_redirect(index: Index, name: str) -> str:
    """Return the relative URL of the folder that an unknown name stands for, without its slash or with its index file.

    Returns "" if there is none.
    """
    last = name.rpartition("/")[2]
    folder = name.removesuffix(last)
    if last and f"{name}/" in index:
        return f"./{quote(last)}/"
    return "./" if last and folder in index and index[folder].identity.file == name else ""


def _build_redirect(target: str) -> Response:
    return Response(302, build_error_headers(b"", (b"location", target.encode())))


def _build_error(method: str, status: int, text: bytes, *extra: tuple[bytes, bytes]) -> Response:
    return Response(status, build_error_headers(text, *extra), () if method == "HEAD" else (text,))
