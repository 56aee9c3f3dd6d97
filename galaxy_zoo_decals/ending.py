"""How a command ends: every mistake, failure and interruption in one line on stderr, each with its exit status."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from galaxy_zoo_decals import interruption
from galaxy_zoo_decals.errors import UserError, failure, letters


def run_command(
    run: Callable[[], int | None],
    error: str,
    interrupted: str | Callable[[BaseException], str],
    *,
    mistake: int = 1,
    failed: Callable[[OSError], str] = failure,
    quiet_pipe: bool = True,
    say: Callable[[str, BaseException], None] = lambda line, end: print(line, file=sys.stderr),
) -> int:
    """Run a command and return the exit status: its own, ``mistake`` on UserError, 1 on OSError, 130 on Ctrl-C.

    ``error`` stands before the message of an error; ``interrupted`` is the line of Ctrl-C; ``failed`` says what an
    OSError is; ``quiet_pipe`` lets a reader that is gone, such as `head`, end it without a word; ``say`` prints a line.
    """
    _open_streams()
    try:
        interruption.ready()
        return int(run() or 0)
    except UserError as end:
        say(f"{error}{end}", end)
        return mistake
    except BrokenPipeError as end:
        # Whoever read the output, such as `head`, has seen enough; a training that ends by it says what is left.
        if not quiet_pipe:
            say(f"{error}{failed(end)}", end)
        with suppress(OSError):  # where the output is no file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as end:
        say(f"{error}{failed(end)}", end)
        return 1
    except UnicodeEncodeError as end:
        if "surrogates" not in end.reason:
            raise
        # Python keeps such names as they are; libraries that write files take none but whole letters.
        name = letters(end.object)[-80:]
        if sys.getfilesystemencoding() == "utf-8":
            say(f"{error}a name like '{name}' is not written in UTF-8: give it another name.", end)
        else:
            say(f"{error}this locale has no letters for a name like '{name}': run it with PYTHONUTF8=1.", end)
        return mistake
    except KeyboardInterrupt as end:
        say(interrupted if isinstance(interrupted, str) else interrupted(end), end)
        return 130


def _open_streams() -> None:
    """Let words go nowhere where a stream is closed, and letters that it cannot show be written as their codes."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: PTH123, SIM115 - it stays open
        elif name == "stdout" and isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def run_script(run: Callable[[], int | None], program: str, left: str, after: str = "") -> int:
    """Run a script of the clone: as ``run_command``, with status 2 on UserError.

    ``left`` says what Ctrl-C leaves, ``after`` ends the sentence on an OSError.
    """
    return run_command(
        run,
        f"{program}: error: ",
        f"{program}: interrupted; {left}",
        mistake=2,
        failed=lambda end: f"{brief(end)}{after}",
    )


def brief(error: OSError) -> str:
    """Return the reason of a failure of the system and the file, as scripts tell it."""
    return f"{error.strerror or error} ({error.filename or 'no file named'})"
