"""Listings in the languages and code pages of the servers that print them."""
# ruff: noqa: RUF001 - the letters of the languages

import pytest

from ftpretrieve.months import MONTHS
from ftpretrieve.retrieve import words
from ftpretrieve.retrieve.records import DAY, MINUTE
from tests.retrieve.listing_checks import FILE, fields, read, secs

# What `strftime %b` of glibc, or of Windows, makes of the twelve months.
LOCALES = {
    "German": ("latin-1 cp850", "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez"),
    "German-Windows": ("cp1252 cp437", "Jan Feb Mrz Apr Mai Jun Jul Aug Sep Okt Nov Dez"),
    "Austrian": ("latin-1", "Jän Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez"),
    "French": ("latin-1 iso8859-15 cp850", "janv. févr. mars avril mai juin juil. août sept. oct. nov. déc."),
    "Spanish": ("latin-1", "ene feb mar abr may jun jul ago sep oct nov dic"),
    "Portuguese": ("latin-1", "jan fev mar abr mai jun jul ago set out nov dez"),
    "Italian": ("latin-1", "gen feb mar apr mag giu lug ago set ott nov dic"),
    "Dutch": ("latin-1", "jan feb mrt apr mei jun jul aug sep okt nov dec"),
    "Swedish": ("latin-1", "jan feb mar apr maj jun jul aug sep okt nov dec"),
    "Norwegian": ("latin-1", "jan. feb. mars april mai juni juli aug. sep. okt. nov. des."),
    "Icelandic": ("latin-1", "jan feb mar apr maí jún júl ágú sep okt nóv des"),
    "Finnish": ("latin-1", "tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu"),
    "Polish": ("iso8859-2 cp1250 cp852", "sty lut mar kwi maj cze lip sie wrz paź lis gru"),
    "Czech": ("iso8859-2 cp1250 cp852", "led úno bře dub kvě čen čec srp zář říj lis pro"),
    "Slovak": ("iso8859-2 cp1250", "jan feb mar apr máj jún júl aug sep okt nov dec"),
    "Hungarian": ("iso8859-2 cp1250", "jan febr márc ápr máj jún júl aug szept okt nov dec"),
    "Romanian": ("iso8859-2", "ian feb mar apr mai iun iul aug sep oct noi dec"),
    "Slovenian": ("iso8859-2", "jan feb mar apr maj jun jul avg sep okt nov dec"),
    "Lithuanian": ("iso8859-13 cp1257", "saus. vas. kovo bal. geg. birž. liep. rugp. rugs. spal. lapkr. gruod."),
    "Latvian": ("iso8859-13 cp1257", "janv. febr. marts apr. maijs jūn. jūl. aug. sept. okt. nov. dec."),
    "Estonian": ("iso8859-15", "jaan veebr märts apr mai juuni juuli aug sept okt nov dets"),
    "Turkish": ("iso8859-9 cp1254", "Oca Şub Mar Nis May Haz Tem Ağu Eyl Eki Kas Ara"),
    "Russian": ("koi8-r cp1251 cp866 iso8859-5 mac-cyrillic", "янв фев мар апр мая июн июл авг сен окт ноя дек"),
    "Russian-new": ("koi8-r cp1251", "янв. февр. марта апр. мая июня июля авг. сент. окт. нояб. дек."),
    "Ukrainian": ("koi8-u cp1251", "січ лют бер кві тра чер лип сер вер жов лис гру"),
    "Belarusian": ("cp1251", "сту лют сак кра мая чэр ліп жні вер кас ліс сне"),
    "Bulgarian": ("cp1251", "яну фев мар апр май юни юли авг сеп окт ное дек"),
    "Serbian": ("iso8859-5", "јан феб мар апр мај јун јул авг сеп окт нов дец"),
    "Greek": ("iso8859-7 cp1253", "Ιαν Φεβ Μαρ Απρ Μαΐ Ιουν Ιουλ Αυγ Σεπ Οκτ Νοε Δεκ"),
    "Hebrew": ("iso8859-8 cp1255", "ינו פבר מרץ אפר מאי יונ יול אוג ספט אוק נוב דצמ"),
    "Arabic": ("iso8859-6 cp1256", "ينا فبر مار أبر ماي يون يول أغس سبت أكت نوف ديس"),
    "Chinese-words": ("gbk big5", "一月 二月 三月 四月 五月 六月 七月 八月 九月 十月 十一月 十二月"),
    "Japanese": ("euc-jp shift-jis", " ".join(f"{month}月" for month in range(1, 13))),
    "Chinese": ("gbk big5", " ".join(f"{month}月" for month in range(1, 13))),
    "Korean": ("euc-kr cp949", " ".join(f"{month}월" for month in range(1, 13))),
}
CASES = [
    pytest.param(codec, months, id=f"{language}-{codec}")
    for language, (codecs, months) in LOCALES.items()
    for codec in ("utf-8", *codecs.split())
]
HEAD = b"-rw-r--r--   1 anna users 4096 "


@pytest.mark.parametrize("shape", ["{month} 20  2024", "20 {month}  2024", "20. {month} 2024"])
@pytest.mark.parametrize(("codec", "months"), CASES)
def test_months_of_every_language_and_code_page(codec: str, months: str, shape: str) -> None:
    """Twelve names, in the order of the country, as bytes of any encoding."""
    found = [fields(read(HEAD + shape.format(month=month).encode(codec) + b" x")) for month in months.split()]
    assert found == [(b"x", FILE, 4096, secs(2024, month, 20), DAY) for month in range(1, 13)]


@pytest.mark.parametrize("change", [str.lower, str.upper, str.capitalize], ids=["lower", "upper", "capital"])
@pytest.mark.parametrize(
    ("codec", "month", "number"),
    [("koi8-r", "дек", 12), ("utf-8", "août", 8), ("cp1253", "Φεβ", 2), ("cp1254", "Şub", 2), ("latin-1", "Mär", 3)],
)
def test_months_in_either_case(codec: str, month: str, number: int, change: object) -> None:
    """Upper and lower case of letters beyond ASCII are different bytes."""
    assert callable(change)
    line = HEAD + f"20 {change(month)} 2024 x".encode(codec)
    assert fields(read(line)) == (b"x", FILE, 4096, secs(2024, number, 20), DAY)


@pytest.mark.parametrize("codec", ["utf-8", "gbk", "big5", "shift-jis", "euc-jp"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("11月 20 20:14", (secs(2026, 11, 20, 20, 14), MINUTE), id="glibc"),
        pytest.param("11月 20  2024", (secs(2024, 11, 20), DAY), id="glibc-old"),
        pytest.param("11月20日 20:14", (secs(2026, 11, 20, 20, 14), MINUTE), id="joined"),
        pytest.param("11月 20日 20:14", (secs(2026, 11, 20, 20, 14), MINUTE), id="solaris"),
        pytest.param("11月 20日 2024年", (secs(2024, 11, 20), DAY), id="solaris-old"),
        pytest.param("2024年 11月 20日", (secs(2024, 11, 20), DAY), id="year-first"),
        pytest.param("2024年11月20日 20:14", (secs(2024, 11, 20, 20, 14), MINUTE), id="year-first-joined"),
    ],
)
def test_dates_of_china_and_japan(text: str, expected: tuple[int, int], codec: str) -> None:
    """Numbers with the letters for year, month and day behind them."""
    assert fields(read(HEAD + f"{text} 名.txt".encode(codec))) == ("名.txt".encode(codec), FILE, 4096, *expected)


@pytest.mark.parametrize("codec", ["utf-8", "euc-kr", "cp949"])
@pytest.mark.parametrize("text", ["11월 20 20:14", "11월 20일 20:14", "11월20일 20:14"])
def test_dates_of_korea(text: str, codec: str) -> None:
    """The same in Korean."""
    expected = (b"x", FILE, 4096, secs(2026, 11, 20, 20, 14), MINUTE)
    assert fields(read(HEAD + f"{text} x".encode(codec))) == expected


def test_letters_of_an_unknown_code_page() -> None:
    """Where the letters are damaged, the numbers still tell."""
    assert fields(read(HEAD + b"11\xfe\xfe 20\xfe 20:14 x")) == (b"x", FILE, 4096, secs(2026, 11, 20, 20, 14), MINUTE)


def test_every_row_of_months_has_twelve() -> None:
    """A word too many or too few would shift a year."""
    assert [row for row in MONTHS if len(row[1].split()) != 12] == []


def test_halves_are_in_turn() -> None:
    """The place in the table says which half of the day a word means."""
    assert {words.halves()[word] for word in (b"am", "上午".encode("gbk"), "오전".encode())} == {0}
    assert {words.halves()[word] for word in (b"pm", b"p", "午後".encode("shift-jis"), "μμ".encode("cp1253"))} == {1}
