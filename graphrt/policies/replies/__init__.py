"""Where a cache keeps replies: in memory, or in a SQLite file that processes share."""
