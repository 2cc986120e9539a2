"""What is recorded of requests: the record, access log, counters, metrics; also how logging is configured.

May import `conf` and `errors`; knows nothing of HTTP connections or of Django's requests.
"""
