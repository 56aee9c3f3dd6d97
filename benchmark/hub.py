"""Whether the Hugging Face Hub can be reached: asked once and briefly, where its own client tries for minutes."""

from __future__ import annotations

import threading

PATIENCE = 2.0
"""Seconds given to the Hub to answer."""


def answers() -> bool:
    """Return whether the Hub gives any answer within two seconds."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    if constants.is_offline_mode():
        return False
    found: list[bool] = []

    def ask() -> None:
        try:
            get_session().head(constants.ENDPOINT, timeout=PATIENCE)
            found.append(True)
        except Exception:  # Whatever went wrong, there is nothing to be had.
            found.append(False)

    # In a thread, because looking up a host name knows no time limit.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return bool(found and found[0])
