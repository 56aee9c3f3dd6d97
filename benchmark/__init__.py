"""The harness: trains every model on an edition and writes what it predicts.

It imports galaxy_zoo_decals, never the other way round.
"""


class BenchmarkError(ValueError):
    """A mistake in what was asked for, or a training that went wrong; the message says what to do."""
