"""What is recorded of requests: the record, access log, counters, metrics, and how logging is set up.

May import `conf` and `errors`; knows nothing of HTTP connections or of Django's requests.
"""
