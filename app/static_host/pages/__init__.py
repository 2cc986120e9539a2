"""Pages in a content coding: what Django makes is encoded here, with padding, as the client accepts it."""
