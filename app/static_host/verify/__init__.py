"""``static-host verify``: audits a live deployment through its CDN, as visitors reach it.

Strategy: it requests a page and the static files that the page refers to, in every coding, twice. Further requests are
a range, a revalidation and a name that does not exist. It compares the responses with what the origin is known to send:
a strong entity tag that is the digest of the bytes, a year for fingerprinted names, errors that caches must not store.
Only `client` uses sockets; all checks are pure functions of responses.

The server never imports this room, and an image that only serves may lack the libraries that it needs.
"""
