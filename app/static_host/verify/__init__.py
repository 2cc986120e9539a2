"""``static-host verify``: a live deployment, asked through its CDN as visitors ask.

Strategy: a page is read, and the static files that it names are asked for in every coding, twice, with a few requests
more (a part, a revalidation, a name that does not exist). What came over the wire is judged against what the origin is
known to send: a strong entity tag that is the digest of the bytes, a year for fingerprinted names, nothing kept of an
error. Only `client` knows sockets; everything that judges is a pure function of answers.

A server never loads any of this, and an image that only serves can do without the libraries that it needs.
"""
