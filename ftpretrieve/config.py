"""Read an INI file against a table of keys, and say everything that is wrong with it at once.

A system describes its configuration as a table of `Key` rows; `ConfigFile(path)` reads the file, `.read(keys)` turns
text into values, `.complain()` adds what only the system can know (one value contradicts another), and `.finish()`
raises one ConfigError with all of it, each line naming file, line, section, key, value and fix. Nothing is created,
no secret is ever shown, and no key of any system is known here.

The dialect is that of the standard library's configparser without interpolation, minus what makes it lose settings
silently: there are no continuation lines, so a key or section header that is indented below another key is an error
instead of a part of that key's value, and nothing may be given twice. The file is read by hand because configparser
stops at the first mistake and forgets line numbers. What this module accepts, configparser reads alike (tested).

Relative paths start from the directory of the configuration file: the working directory of an init script is chance.
"""

import difflib
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ftpretrieve.errors import ConfigError
from ftpretrieve.passwords import READABLE_BY_OTHERS, Secret, is_sendable
from ftpretrieve.units import format_duration, parse_duration

REQUIRED: Final = None
"""The default of a key that has none."""

SHOWN_CHARS = 60
"""Characters of a value that an error repeats: enough to find it in the file."""

_HEADER = re.compile(r"\[([^\]]+)\]\s*(?:[#;][^\]]*)?")
_SETTING = re.compile(r"([^=:]+?)\s*[=:]\s*(.*)")
_TRAILING_COMMENT = re.compile(r"(?:^|\s)[#;](?:\s|$)")
_CREDENTIALS = re.compile(r"\S*@")


@dataclass(frozen=True, slots=True)
class Key:
    """One setting. `parse` gets the text without surrounding blanks, '' when neither the file nor `default` has any.

    `default` is text as a user would write it, so that samples and tables can show it. `parse` raises ValueError with
    words that continue "value 'x' …" and end in the fix. A Path it returns is made absolute by the reader; a `secret`
    is parsed by `Secret` and never shown. `needs_restart`: a running program cannot change it.
    """

    section: str
    name: str
    parse: Callable[[str], object]
    default: str | None
    help: str
    secret: bool = False
    needs_restart: bool = False


@dataclass(frozen=True, slots=True)
class _Entry:
    text: str
    line: int


class ConfigFile:
    """One configuration file: what was written where, and the problems found in it so far.

    Raises: ConfigError at once when the file cannot be read as text, for then nothing else can be said about it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.abspath(os.path.expanduser(path)))
        self.sections: dict[str, int] = {}  # name -> line
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._problems: list[tuple[int, str]] = []
        data, self._mode = _read(self.path)
        self._scan(_decode(self.path, data))

    def text(self, section: str, name: str) -> str:
        """Return what is written for a key, '' when nothing is."""
        entry = self._entries.get((section, name))
        return entry.text if entry else ""

    def supply(self, section: str, name: str, text: str, source: str) -> None:
        """Let `text` stand for a key as if it had been written in the line of the key `source` of the same section."""
        self._entries[section, name] = _Entry(text, self._entries[section, source].line)

    def complain(self, section: str, name: str, message: str) -> None:
        """Add a problem; it is reported in the line of the key, or of its section, or of the file."""
        entry = self._entries.get((section, name))
        self._add(entry.line if entry else self.sections.get(section, 0), f"[{section}] {name}: {message}")

    def read(self, keys: Iterable[Key]) -> dict[tuple[str, str], Any]:
        """Return the values of `keys` by (section, name); those with a problem are missing."""
        table = {(key.section, key.name): key for key in keys}
        self._complain_about_unknown(table)
        values = {}
        for place, key in table.items():
            try:
                values[place] = self._value(key)
            except _Rejected as rejected:
                self.complain(key.section, key.name, str(rejected))
        return values

    def finish(self) -> None:
        """Raise one ConfigError with all problems in the order of the file, if there are any."""
        if self._problems:
            raise ConfigError([problem for _, problem in sorted(self._problems, key=lambda item: item[0])])

    def _add(self, line: int, message: str) -> None:
        self._problems.append((line, f"{self.path}:{line}: {message}" if line else f"{self.path}: {message}"))

    def _scan(self, text: str) -> None:
        section: str | None = None
        key_above, indent_above = "", -1
        for number, line in enumerate(text.split("\n"), 1):
            stripped = line.strip()
            indent = len(line) - len(line.lstrip())
            if not stripped or stripped[0] in "#;":
                continue
            if key_above and indent > indent_above:
                self._add(
                    number,
                    f"[{section}] this line is indented below '{key_above}' and would become part of its value; "
                    "remove the blanks at its start, and write each value on one line",
                )
            elif header := _HEADER.fullmatch(stripped):
                section, key_above = header[1], ""
                self._open_section(section, number)
            elif section is None:
                self._add(number, "this line is above the first section; put a line such as [section] above it")
            elif setting := _SETTING.fullmatch(stripped):
                key_above, indent_above = setting[1].lower(), indent
                self._enter(section, key_above, _Entry(setting[2], number))
            else:
                self._add(
                    number, f"[{section}] this line is neither '[section]' nor 'key = value'; mend it or put # in front"
                )

    def _open_section(self, section: str, number: int) -> None:
        if section in self.sections:
            where = f"already opened in line {self.sections[section]}; move its keys there"
            self._add(number, f"section [{_printable(section)}] was {where}")
        self.sections.setdefault(section, number)

    def _enter(self, section: str, name: str, entry: _Entry) -> None:
        above = self._entries.setdefault((section, name), entry)
        if above is not entry:
            self._add(
                entry.line, f"[{section}] {_printable(name)}: already given in line {above.line}; remove one of them"
            )

    def _complain_about_unknown(self, table: dict[tuple[str, str], Key]) -> None:
        sections = list(dict.fromkeys(section for section, _ in table))
        for section, line in self.sections.items():
            if section not in sections:
                hint = _did_you_mean(section, sections, "[{}]") or f"the sections are {_listed(sections, '[{}]')}"
                self._add(line, f"[{_printable(section)}] is an unknown section; {hint}")
        for (section, name), entry in self._entries.items():
            if section in sections and (section, name) not in table:
                hint = _hint_for_key(section, name, list(table))
                self._add(entry.line, f"[{section}] {_printable(name)}: is an unknown key; {hint}")

    def _value(self, key: Key) -> object:
        text = self.text(key.section, key.name)
        if not text and key.default is REQUIRED:
            written = (key.section, key.name) in self._entries
            raise _Rejected(
                f"is {'empty' if written else 'missing'} and is required; write '{key.name} = …' in [{key.section}]"
            )
        text = text or key.default or ""
        shown = "(not shown)" if key.secret else _shown(text)
        try:
            if not is_sendable(text):
                raise ValueError("has control characters in it; remove them")
            if not key.secret and _TRAILING_COMMENT.search(text):
                raise ValueError("seems to end in a comment; put the comment on a line of its own")
            value = key.parse(text)
            if isinstance(value, Secret):
                return self._guarded(key, value)
            return self._absolute(value) if isinstance(value, Path) else value
        except ValueError as error:
            raise _Rejected(f"value {shown} {error}") from None  # the cause may quote a secret

    def _absolute(self, path: Path) -> Path:
        try:
            return Path(os.path.abspath(self.path.parent / path.expanduser()))
        except RuntimeError:
            raise ValueError("begins with the home directory of an unknown user; write the whole path") from None

    def _guarded(self, key: Key, secret: Secret) -> Secret:
        """Return the secret with its origin, if the file that holds it is kept from others."""
        secret = secret.at(self.path.parent, f"[{key.section}] {key.name} in {self.path}")
        if secret.is_in_config and self._mode & READABLE_BY_OTHERS:
            path = shlex.quote(str(self.path))
            raise _Rejected(f"the secret stands in a file that others can read; run: chmod o-rwx {path}")
        if exposure := secret.exposure():
            raise _Rejected(exposure)
        return secret


class _Rejected(Exception):
    """The value of one key cannot be used; the text says why."""


def usual_places(system: Path, environ: Mapping[str, str]) -> tuple[Path, Path]:
    """Return where a configuration is looked for when none is named: the user's file of that name, the system's."""
    return _home("XDG_CONFIG_HOME", ".config", environ) / "ftpretrieve" / system.name, system


def state_home(environ: Mapping[str, str]) -> Path:
    """Return where programs keep what has to last for a user."""
    return _home("XDG_STATE_HOME", ".local/state", environ)


def _home(variable: str, usual: str, environ: Mapping[str, str]) -> Path:
    home = Path(environ.get(variable) or "")
    if home.is_absolute():  # the XDG specification has relative ones ignored
        return home
    return Path(environ.get("HOME") or os.path.expanduser("~")) / usual


def unquoted(text: str) -> str:
    """Parse any text. Quotes around it are refused: here they would be part of it."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        raise ValueError("has quotes around it; remove them")
    return text


def path(text: str) -> Path | None:
    """Parse the path of a file or directory, None for ''."""
    return Path(unquoted(text)) if text else None


def optional(parse: Callable[[str], object]) -> Callable[[str], object]:
    """Make a parser that gives None for what is blank."""
    return lambda text: parse(text) if text else None


def boolean(text: str) -> bool:
    """Parse yes or no, in the spellings of configparser."""
    if text.lower() in ("yes", "true", "on", "1"):
        return True
    if text.lower() in ("no", "false", "off", "0"):
        return False
    raise ValueError("is not understood; write yes or no")


def whole(low: int, high: int) -> Callable[[str], int]:
    """Make a parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(f"is not usable; give a whole number from {low} to {high}")
        return int(text)

    return parse


def seconds(low: float, high: float) -> Callable[[str], float]:
    """Make a parser of durations from `low` to `high` seconds."""

    def parse(text: str) -> float:
        secs = parse_duration(text)
        if not low <= secs <= high:
            raise ValueError(f"is out of range; give {format_duration(low)} to {format_duration(high)}")
        return secs

    return parse


def choice(*choices: str) -> Callable[[str], str]:
    """Make a parser that takes one of `choices` in any case and returns it as spelt there."""

    def parse(text: str) -> str:
        for known in choices:
            if text.lower() == known.lower():
                return known
        raise ValueError(f"is unknown; {_did_you_mean(text.lower(), choices) or f'give one of {_listed(choices)}'}")

    return parse


def words(text: str) -> tuple[str, ...]:
    """Parse words between blanks; a word with blanks in it stands in quotes, as in a shell."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        raise ValueError("has an unclosed quote or a backslash at its end; close the quote or remove it") from None


def _read(path: Path) -> tuple[bytes, int]:
    try:
        with path.open("rb") as file:
            return file.read(), os.fstat(file.fileno()).st_mode
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: there is no such configuration file; create it from the sample, or name another"
        ) from error
    except PermissionError as error:
        raise ConfigError(
            f"{path}: may not be read by this user; run as its owner, or let its group read it"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; name a configuration file") from error


def _decode(path: Path, data: bytes) -> str:
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        # Without the cause: its text holds the whole file, and with it the password.
        raise ConfigError(
            f"{path}:{line}: byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from None


def _hint_for_key(section: str, name: str, table: Sequence[tuple[str, str]]) -> str:
    for other, known in table:
        if known == name:
            return f"it belongs into [{other}]"
    here = [known for other, known in table if other == section]
    elsewhere = [known for other, known in table if other != section]
    hint = _did_you_mean(name, here) or _did_you_mean(name, elsewhere)
    return hint or f"remove it; the keys of [{section}] are {_listed(here)}"


def _did_you_mean(word: str, known: Sequence[str], form: str = "{}") -> str:
    close = difflib.get_close_matches(word.lower(), known, 1)
    return f"did you mean {form.format(close[0])}?" if close else ""


def _listed(names: Sequence[str], form: str = "{}") -> str:
    return ", ".join(form.format(name) for name in names)


def _shown(text: str) -> str:
    """Write a value for an error: short, on one line, without what may be a password in front of a host."""
    text = _CREDENTIALS.sub("***@", text)
    return repr(text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…")


def _printable(name: str) -> str:
    return _shown(name)[1:-1]
