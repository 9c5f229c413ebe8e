"""Read words of a command line, or of `options =` in a file, against the table of options.

Says everything that is wrong at once instead of ending the program, since the words may stand in a file among others.
What the standard parser cannot do is why there is one here: -P alone or with a number, in front of other words and in
the middle of -aPen; -l with a password that begins with a dash; patterns of two options in their common order.

Must not: repeat a word that may be a secret in a message. That is every word but the spelling of an option and the
value of one that is no secret.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ftpretrieve import config
from ftpretrieve.mirror.addresses import check_address
from ftpretrieve.mirror.options import BARE_PARALLEL, GLOBS, OPTIONS, Kind, MaxDelete, Option, Place
from ftpretrieve.passwords import is_sendable

LONGEST_SECS = 30 * 86_400.0
"""A job that takes longer than a month is one that hangs."""

LOGIN_IN_FILE = "-l: does not belong here; use the keys user and password"


@dataclass(slots=True, repr=False)
class Parsed:
    """What was read. `values`: by name of the option, all that may stand in this place, and GLOBS.

    `given`: names of the options that were really there; `words`: what is no option; `problems`: a line each.
    """

    values: dict[str, object]
    given: set[str] = field(default_factory=set)
    words: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def parse(words: Sequence[str], place: Place) -> Parsed:
    """Read the words that stand in `place`."""
    reader = _Reader(list(words), place)
    reader.read()
    return reader.parsed


def address_list(text: str) -> tuple[str, ...]:
    """Parse mail addresses that have commas or blanks between them. Raises: ValueError, see `check_address`."""
    return tuple(check_address(address) for address in re.split(r"[,\s]+", text.strip(", ")))


def _max_delete(text: str) -> MaxDelete:
    match = re.fullmatch(r"([0-9]{1,9})(%?)", text)
    if not match or match[2] and int(match[1]) > 100:
        raise ValueError("is not understood; give a number, or a percentage such as 25%")
    return MaxDelete(int(match[1]), bool(match[2]))


def _some(text: str) -> str:
    if not text:
        raise ValueError("is empty; give one")
    return text


PARSERS: Mapping[Kind, Callable[[str], object]] = {
    Kind.PORT: config.whole(1, 65_535),
    Kind.PARALLEL: config.whole(1, 100),
    Kind.COUNT: config.whole(1, 10_000),
    Kind.LIMIT: _max_delete,
    Kind.SECS: config.seconds(1.0, LONGEST_SECS),
    Kind.PATH: _some,
    Kind.TEXT: _some,
    Kind.SECRET: _some,
    Kind.ADDRESS: check_address,
    Kind.ADDRESSES: address_list,
    Kind.GLOB: _some,
}
"""Makes a value of the word behind an option; raises ValueError with words that continue "value 'x' …"."""


class _Reader:
    def __init__(self, words: list[str], place: Place) -> None:
        self._words = words[::-1]  # the next one is the last of the list
        self._place = place
        here = [option for option in OPTIONS if place in option.places]
        self._flags = {flag: option for option in OPTIONS for flag in option.flags + option.old_flags}
        values = {option.name: option.unset for option in here if option.kind is not Kind.GLOB}
        self.parsed = Parsed(values | ({GLOBS: ()} if any(option.kind is Kind.GLOB for option in here) else {}))

    def read(self) -> None:
        while self._words:
            word = self._words.pop()
            if word == "--":
                self.parsed.words += self._words[::-1]
                return
            flag, equals, value = word.partition("=")
            if flag in self._flags and (flag.startswith("--") or not equals):
                self._take(flag, self._flags[flag], value if equals else None)
            elif word.startswith("--"):
                self._unknown(flag)
            elif word.startswith("-") and word != "-":
                self._cluster(word[1:])
            else:
                self.parsed.words.append(word)

    def _cluster(self, letters: str) -> None:
        """Read short options that stand together, as in -aenP4."""
        while letters:
            flag, letters = f"-{letters[0]}", letters[1:]
            option = self._flags.get(flag)
            if option is None:
                self._unknown(flag)  # and what follows may be anything, even a password behind a mistyped -l
                return
            attached = letters
            if option.kind in (Kind.FLAG, Kind.TELL):
                attached = ""
            elif option.kind is Kind.PARALLEL:
                attached = letters[: len(letters) - len(letters.lstrip("0123456789"))]
            letters = letters[len(attached) :]
            self._take(flag, option, attached or None, alone=not letters)

    def _take(self, flag: str, option: Option, attached: str | None, *, alone: bool = True) -> None:
        """Read what an option wants. `alone`: the next word is not part of the same word, so it may be taken."""
        problems = len(self.parsed.problems)
        value = self._value(flag, option, attached, alone)
        if self._place not in option.places:
            self._complain(self._misplaced(flag, option))
        elif len(self.parsed.problems) == problems:
            self._store(option, value)

    def _value(self, flag: str, option: Option, attached: str | None, alone: bool) -> object:
        match option.kind:
            case Kind.FLAG | Kind.TELL:
                if attached is not None:
                    self._complain(f"{flag}: takes no value; leave out what stands behind it")
                return True
            case Kind.LOGIN:
                user = attached if attached is not None else self._next(flag, option)
                return (user, None if user is None else self._next(flag, option))
            case Kind.PARALLEL if attached is None:
                if not (alone and self._words and self._words[-1].isdecimal()):
                    return BARE_PARALLEL
            case Kind.ADDRESSES:
                return self._addresses(flag, option, attached)
        word = attached if attached is not None else self._next(flag, option)
        return None if word is None else self._parsed(flag, option, word)

    def _addresses(self, flag: str, option: Option, attached: str | None) -> object:
        words = [attached if attached is not None else self._next(flag, option)]
        # Behind the first one only what can be nothing else, or SITE REMOTE LOCAL would get mail; a file has none.
        more = r"[^-].*" if self._place is Place.SECTION else r"[^-@/][^@/]*@[^@/]+"
        while self._words and re.fullmatch(more, self._words[-1]):
            words.append(self._words.pop())
        found = [self._parsed(flag, option, word) for word in words if word is not None]
        return tuple(address for some in found if isinstance(some, tuple) for address in some)

    def _next(self, flag: str, option: Option) -> str | None:
        """Return the next word unless it is an option itself: then what belongs here was forgotten."""
        if self._words and self._words[-1] not in self._flags:
            return self._words.pop()
        hint = " (a password that is spelt like an option: write - and set $LFTP_PASSWORD)" if self._words else ""
        self._complain(f"{flag}: needs {option.metavar}{hint if option.kind is Kind.LOGIN else ''}")
        return None

    def _parsed(self, flag: str, option: Option, word: str) -> object:
        try:
            if option.kind is not Kind.GLOB and not is_sendable(word):
                raise ValueError("has control characters in it; remove them")
            return PARSERS[option.kind](word)
        except ValueError as error:
            shown = "(not shown)" if option.kind is Kind.SECRET else repr(word)
            self._complain(f"{flag}: value {shown} {error}")
            return None

    def _store(self, option: Option, value: object) -> None:
        values = self.parsed.values
        self.parsed.given.add(option.name)
        if option.kind is Kind.GLOB:
            globs = values[GLOBS]
            assert isinstance(globs, tuple)
            values[GLOBS] = (*globs, (option.name.removesuffix("_glob"), value))
        elif option.kind is Kind.ADDRESSES:
            before = values[option.name]
            assert isinstance(before, tuple)
            assert isinstance(value, tuple)
            values[option.name] = before + value
        else:
            values[option.name] = value
        if option.implies:
            values[option.implies] = True

    def _misplaced(self, flag: str, option: Option) -> str:
        if option.name == "login" and self._place is Place.SECTION:
            return LOGIN_IN_FILE
        places = ", ".join(f"'{place}'" for place in Place if place in option.places)
        return f"{flag}: does not belong here, but to {places}"

    def _unknown(self, flag: str) -> None:
        known = [flag for option in OPTIONS if self._place in option.places for flag in option.flags]
        close = difflib.get_close_matches(flag, [known_flag for known_flag in known if len(known_flag) > 2], 1)
        hint = f"; did you mean {close[0]}?" if close and len(flag) > 2 else ""
        self._complain(f"{flag}: is an unknown option{hint}")

    def _complain(self, problem: str) -> None:
        self.parsed.problems.append(problem)
