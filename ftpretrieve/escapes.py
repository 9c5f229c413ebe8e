"""How text that others made is shown, so that it stays on its line and cannot steer a terminal.

Pure. Names, replies and messages come from servers: whatever goes to a log, a report, a mail or a terminal passes here.
"""

import json


def escape(text: str) -> str:
    """Return the text with every character that does not print (line ends, ANSI codes, surrogates) as in JSON.

    `repr` of a string holds no such character, so a FILESDOWNLOADED line passes unchanged.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
