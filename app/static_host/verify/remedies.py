"""Remedies of issues, by check and CDN.

Rule: a remedy names the setting in the words of the CDN's console or configuration. The key "" is for unknown CDNs, and
for those without a remedy of their own. Information needs no remedy.
"""

from __future__ import annotations

from collections.abc import Mapping

_VARNISH_GZIP = (
    "Start varnishd with -p http_gzip_support=off: it then passes Accept-Encoding on, and keeps by Vary what comes; or "
    "use a module that knows br."
)
_CLOUDFLARE_BODIES = (
    "Switch off what rewrites bodies below the static prefix (Rocket Loader, Email Obfuscation, Automatic HTTPS "
    "Rewrites, Polish), with a configuration rule"
)
_CLOUDFRONT_POLICY = "look for a response headers policy that overrides or removes it, and for functions at the edge"

REMEDIES: Mapping[str, Mapping[str, str]] = {
    "file": {
        "": "Ask the origin for the same path: if it has the file, the CDN's routes or its copy are wrong; if not, the "
        "page and the tree are of different releases."
    },
    "mixed-content": {"": "Set DJANGO_STATIC_HOST to https://…, or to the host without a scheme."},
    "media-type": {
        "": "Ask the origin for the same path; if it says the right Content-Type, remove the rule of the CDN that does "
        "not, or that answers with a page in place of a file."
    },
    "coding": {
        "CloudFront": "Attach a cache policy with Gzip and Brotli enabled (CachingOptimized): Accept-Encoding is then "
        "part of the key.",
        "Cloudflare": "Remove the cache rule or the Worker that gives the file a key of its own.",
        "Fastly": "Remove the VCL that unsets beresp.http.Vary, and purge.",
        "Varnish": "Remove the VCL that unsets beresp.http.Vary, and purge.",
        "nginx": "Remove Vary from proxy_ignore_headers, and empty the cache.",
        "": "Let the cache obey Vary, or make Accept-Encoding part of its key, and purge it.",
    },
    "body": {
        "Cloudflare": f"{_CLOUDFLARE_BODIES}, and purge the static prefix.",
        "": "Purge the static prefix, and verify again. If it stays so, replicas serve different releases, or the CDN "
        "rewrites bodies: switch that off.",
    },
    "compression": {
        "CloudFront": "Attach a cache policy with Gzip and Brotli enabled (CachingOptimized), so that CloudFront asks "
        "the origin for br and keeps it apart; with the legacy cache settings it asks for gzip alone, or for nothing.",
        "Cloudflare": "Remove compression rules that disable Brotli. " + _CLOUDFLARE_BODIES + ".",
        "Fastly": 'In vcl_recv: if (req.http.Fastly-Orig-Accept-Encoding ~ "br") { set req.http.Accept-Encoding = '
        '"br"; } (Fastly makes gzip of what browsers say before), and switch automatic compression off.',
        "Varnish": _VARNISH_GZIP,
        "nginx": "Pass what browsers say: proxy_set_header Accept-Encoding $http_accept_encoding, in place of an empty "
        "one (as sub_filter needs it), and remove gunzip.",
        "": "Let the CDN pass Accept-Encoding on and keep each coding apart, by Vary. If the origin itself, asked with "
        "Accept-Encoding: br, has none, build the tree with br in DJANGO_STATIC_CODINGS.",
    },
    "re-encoded": {
        "CloudFront": "Attach a cache policy with Gzip and Brotli enabled: CloudFront compresses itself only what "
        "comes from the origin without a coding, and does not ask for one otherwise.",
        "Cloudflare": f"{_CLOUDFLARE_BODIES}, and remove compression rules; switch Respect Strong ETags on, with a "
        "cache rule.",
        "Fastly": "Switch automatic compression off for what the origin compresses, and let Accept-Encoding pass.",
        "Varnish": _VARNISH_GZIP,
        "nginx": "Set gzip off (and brotli off) where it is passed on, and proxy_set_header Accept-Encoding "
        "$http_accept_encoding.",
        "": "Switch the CDN's own compression off, and let it pass Accept-Encoding: the origin has all codings ready.",
    },
    "vary": {
        "CloudFront": f"Vary must reach the visitor: {_CLOUDFRONT_POLICY}.",
        "Fastly": "Remove the VCL that changes Vary in vcl_fetch or vcl_deliver.",
        "Varnish": "Remove the VCL that changes Vary.",
        "nginx": "Remove proxy_hide_header Vary and add_header Vary: the origin's own is right.",
        "": "Let the origin's own Vary pass: Accept-Encoding, where a file has several codings, and nothing else.",
    },
    "etag": {
        "Cloudflare": f"{_CLOUDFLARE_BODIES}, and switch Respect Strong ETags on, with a cache rule.",
        "nginx": "Remove what rewrites bodies or tags: gzip, gunzip, sub_filter, proxy_hide_header ETag.",
        "": "Let bodies and their entity tags pass as they are: the origin's tag is a digest of the bytes.",
    },
    "cache-control": {
        "CloudFront": f"The origin's Cache-Control must reach the visitor: {_CLOUDFRONT_POLICY}.",
        "Cloudflare": "If max-age is longer than the origin's: set Caching > Configuration > Browser Cache TTL to "
        "Respect Existing Headers, and do the same in cache rules. If it is shorter, look for a response header "
        "transform rule or a Worker: Browser Cache TTL only raises it.",
        "Fastly": "Remove the VCL or the header rule that sets Cache-Control; Surrogate-Control is for Fastly alone.",
        "Varnish": "Remove the VCL that sets or unsets resp.http.Cache-Control.",
        "nginx": "Remove proxy_hide_header Cache-Control, add_header Cache-Control and expires.",
        "": "Let the origin's Cache-Control pass to the visitor, and remove what sets another one.",
    },
    "cookie": {
        "Cloudflare": "Find who sets it (the header's name tells: __cf_bm is Bot Management's), and take the static "
        "prefix out.",
        "": "Find who sets it: the origin sets no cookie with a static file.",
    },
    "cache": {
        "CloudFront": "Attach the cache policy CachingOptimized to the static prefix; CachingDisabled, cookies or "
        "headers in the key, and a minimum TTL of 0 with CloudFront's own compression keep it from caching.",
        "Cloudflare": "Add a cache rule for the static prefix: Eligible for cache, Edge TTL: use Cache-Control if "
        "present. By default Cloudflare keeps by file extension, and not json, map, mjs or wasm.",
        "Fastly": "Look for a VCL that returns pass, or a request setting Force Pass; shielding makes hits likelier.",
        "Varnish": "Look for a VCL that returns pass or sets beresp.uncacheable; Varnish passes requests with a "
        "Cookie: unset req.http.Cookie below the static prefix.",
        "nginx": "Set proxy_cache for the static prefix; proxy_no_cache, proxy_cache_bypass, proxy_buffering off and a "
        "proxy_cache_min_uses above 1 keep it from caching.",
        "": "Let the CDN keep what Cache-Control lets it keep, below the static prefix.",
    },
    "cache-state": {
        "nginx": "add_header X-Cache-Status $upstream_cache_status always; if this nginx has no cache, all is well.",
        "": "If a CDN is to stand here, let it send Cache-Status (RFC 9211), Age or a field of its own.",
    },
    "cors": {
        "CloudFront": f"Access-Control-Allow-Origin: * comes from the origin: {_CLOUDFRONT_POLICY}.",
        "nginx": "Remove proxy_hide_header Access-Control-Allow-Origin; an add_header of your own needs `always`.",
        "": "Let Access-Control-Allow-Origin: * pass, which the origin sends with every answer, and purge what was "
        "kept without it.",
    },
    "range": {
        "nginx": "Remove max_ranges 0, proxy_hide_header Accept-Ranges and an empty proxy_set_header Range without a "
        "cache; proxy_force_ranges on helps where a filter changes bodies.",
        "": "Let Range pass to the origin, or serve parts of what is kept; what rewrites bodies takes ranges away.",
    },
    "revalidation": {
        "nginx": "Let ETag and If-None-Match pass: gzip, sub_filter and proxy_hide_header ETag take them away.",
        "": "Let ETag and If-None-Match pass as they are.",
    },
    "not-found": {
        "CloudFront": "CloudFront obeys no-store in a 404, and keeps one without it for 10 seconds: let the origin's "
        "Cache-Control reach it, with a cache policy whose minimum TTL is 0. Of custom error responses for 404, which "
        "may keep one too, leave none but an error caching minimum TTL of 0; none may answer 200.",
        "Cloudflare": "Remove the cache rule that sets a status code TTL for 404, or an Edge TTL that ignores "
        "Cache-Control.",
        "Fastly": "Fastly keeps a 404 unless max-age=0 or private forbids it: remove the VCL that sets beresp.ttl or "
        "beresp.cacheable for errors.",
        "Varnish": "Remove the VCL that sets beresp.ttl for errors: by itself Varnish obeys no-store.",
        "nginx": "Remove proxy_cache_valid for 404 and any, and Cache-Control from proxy_ignore_headers.",
        "": "Let the status pass, and obey the origin's Cache-Control: private, no-store, max-age=0: keep no error.",
    },
    "page": {
        "CloudFront": "Attach the cache policy CachingDisabled to all but the static prefix.",
        "Cloudflare": "Take pages out of the rule that caches everything: let it match the static prefix alone.",
        "Fastly": "Add a request setting with the action pass for all but the static prefix: without max-age and "
        "Expires, Fastly keeps a page for an hour.",
        "": "Keep pages only if Cache-Control allows it: take rules away that cache everything.",
    },
    "http-version": {
        "CloudFront": "Set the distribution's supported HTTP versions to HTTP/2 and HTTP/3.",
        "Cloudflare": "Switch HTTP/2 on, under Speed > Protocol optimization.",
        "Fastly": "Choose a TLS configuration with HTTP/2.",
        "Varnish": "Start varnishd with -p feature=+http2, and offer h2 by ALPN where TLS ends.",
        "nginx": "Set http2 on, beside listen … ssl (before nginx 1.25: listen … ssl http2).",
        "": "Switch HTTP/2 on where TLS ends.",
    },
    "https": {"": "Verify the address that visitors use, with https://."},
    "unreachable": {"": "Give the address at which visitors reach the site, from here."},
    "page-status": {"": "Name a page that anybody can have, without logging in."},
    "references": {"": "Name a page that uses static files, or the prefix below which they lie: --static-prefix URL."},
    "dictionary": {
        "": "Let the cache obey Vary: Available-Dictionary, or take `dcz` and `dcb` out of Accept-Encoding before it."
    },
    "left-out": {"": "--max-files N examines more; --static-prefix URL names the prefixes of your static files."},
}


def find_remedy(check: str, cdn: str) -> str:
    """Return the remedy for a check behind a CDN ("" for an unknown one), or "" if there is none."""
    by_cdn = REMEDIES.get(check, {})
    return by_cdn.get(cdn, by_cdn.get("", ""))
