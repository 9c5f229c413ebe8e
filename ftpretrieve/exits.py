"""How every command ends: its last words, its exit code, and the encoding that it needs for both.

Must not: know a command, nor decide what an error means; `errors` has the table, and a command may have its own.
"""

import os
import sys
from collections.abc import Callable

from ftpretrieve.errors import FtpRetrieveError, exit_code
from ftpretrieve.escapes import escape
from ftpretrieve.signals import Ended

EXIT_USAGE, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 2, 130, 141


def run(prog: str, body: Callable[[], int], code_of: Callable[[FtpRetrieveError], int] = exit_code) -> int:
    """Return the exit code of what `body` does; an error is told on stderr, and `code_of` gives its code."""
    try:
        code = body()
        sys.stdout.flush()
        return code
    except FtpRetrieveError as error:
        say(prog, str(error))
        return code_of(error)
    except Ended as ended:
        return ended.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough. What is still buffered must not raise again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE


def say(prog: str, text: str) -> None:
    """Tell whoever called the command, on stderr, one line for each of the text."""
    for line in text.splitlines():
        print(f"{prog}: {escape(line)}", file=sys.stderr)


def speak_utf8() -> None:
    """Begin again in Python's UTF-8 mode where the locale says otherwise, as in many a crontab.

    Names of files come from programs and files that write UTF-8 whatever the locale is.
    """
    if sys.getfilesystemencoding() != "utf-8":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
