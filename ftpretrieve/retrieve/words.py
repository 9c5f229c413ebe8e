"""The words of a listing, beside its months, that depend on the language of the server: `total`, halves of the day.

A word is looked up as the bytes that were sent, in the spellings that `months` describes. The tables are built when
they are first needed.

Pure: no input or output, no clock, no settings.
"""

from functools import cache

from ftpretrieve.months import (
    ARABIC,
    ASCII,
    BALTIC,
    CENTRAL,
    CHINESE,
    CYRILLIC,
    GREEK,
    HEBREW,
    JAPANESE,
    KOREAN,
    TURKISH,
    WESTERN,
    spellings,
)

TOTALS = (
    (WESTERN, "total totaal totale totalt summa insgesamt gesamt yhteensä samtals guztira iomlán cyfanswm"),
    (CENTRAL, "razem łącznie ogółem suma celkem spolu celkom összesen ukupno skupno gjithsej"),
    (BALTIC, "viso kopā kokku"),
    (TURKISH, "toplam"),
    (CYRILLIC, "итого всего общо разом усього загалом всяго укупно вкупно"),
    (GREEK, "σύνολο συνολικά"),
    (HEBREW, 'סה"כ'),
    (ARABIC, "المجموع إجمالي"),
    (CHINESE, "总用量 总计 总数 總計 總用量 合计"),
    (JAPANESE, "合計"),
    (KOREAN, "합계 총계"),
)

HALVES = (
    (ASCII, "am a a.m. a.m"),
    (ASCII, "pm p p.m. p.m"),
    (GREEK, "πμ π.μ."),
    (GREEK, "μμ μ.μ."),
    (TURKISH, "öö"),
    (TURKISH, "ös"),
    (CENTRAL, "de. de"),
    (CENTRAL, "du. du"),
    (CHINESE, "上午"),
    (CHINESE, "下午"),
    (JAPANESE, "午前"),
    (JAPANESE, "午後"),
    (KOREAN, "오전"),
    (KOREAN, "오후"),
)
"""Before noon and after noon in turn."""

MARKS = {"year": "年 년", "month": "月 월", "day": "日 일 号"}


@cache
def totals() -> frozenset[bytes]:
    """Return the words that `ls -l` begins with, in lower case as far as ASCII goes."""
    return frozenset(
        spelling for codecs, words in TOTALS for word in words.split() for spelling in spellings(word, codecs)
    )


@cache
def halves() -> dict[bytes, int]:
    """Return the words for the halves of a day: 0 before noon, 1 after it."""
    return {
        spelling: place % 2
        for place, (codecs, words) in enumerate(HALVES)
        for word in words.split()
        for spelling in spellings(word, codecs)
    }


@cache
def marks() -> dict[bytes, str]:
    """Return what the East Asian letter behind a number makes of it: `year`, `month` or `day`."""
    codecs = f"{CHINESE} {JAPANESE} {KOREAN}"
    return {
        spelling: kind
        for kind, letters in MARKS.items()
        for letter in letters.split()
        for spelling in spellings(letter, codecs)
    }
