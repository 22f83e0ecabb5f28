"""From a candidate to what should serve: so far, the request that starts a release."""
