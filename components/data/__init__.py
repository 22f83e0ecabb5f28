"""From sources to token shards: resolve, ingest, validate, curate, deduplicate, redact, split, decontaminate,
format, tokenise. Every row that leaves is counted, and every row that does not has a reason."""
