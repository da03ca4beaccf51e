"""URL, bytes, SHA-256 and file name of every download, a table a dataset."""
