"""Where a graph runs. Each backend says what it cannot do, and that is refused when a graph is compiled."""
