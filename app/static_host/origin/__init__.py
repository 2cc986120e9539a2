"""The static origin: request head in, response out. No sockets, no event loop, no framework."""
