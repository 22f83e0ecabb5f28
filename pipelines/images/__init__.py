"""Images of the steps: how they are built from ``containers/``, and the lock that says which ones there are."""
