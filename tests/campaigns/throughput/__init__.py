"""Images a second of every model and of its parts: `make campaign-throughput`."""
