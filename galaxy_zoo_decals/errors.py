"""The one base of errors that are for the user: their message says what was wrong, where, and what to do."""


class UserError(ValueError):
    """What a person gave cannot be used; commands print the message without a traceback."""
