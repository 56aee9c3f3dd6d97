"""The harness: trains every model on an edition and writes what it predicts.

It imports galaxy_zoo_decals, never the other way round.
"""

from galaxy_zoo_decals.errors import UserError


class BenchmarkError(UserError):
    """A mistake in what was asked for, or a training that went wrong; the message says what to do.

    Most befall every process alike and are told by one; one that befell a process ``alone`` is told by that one.
    """

    alone = False
