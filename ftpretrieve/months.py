"""The months by their names in some fifty languages, as bytes in the encodings that systems of that language use.

A word is looked up as the bytes that were found. The table holds each word in UTF-8 and in the 8-bit and Asian code
pages in which systems of that language write, as it is, in lower and in upper case, without its accents, and with a
question mark for each letter that is not ASCII. It is built when the first word comes that is not English: that takes
longer than starting the program.

Some words mean different months in different languages: `lis` is November in Poland and October in Croatia, `srp`
August in Prague and July in Zagreb.

Pure: no input or output, no clock, no settings.
"""
# ruff: noqa: E501, RUF001 - one row a spelling, in the letters of the language

from collections.abc import Iterator
from functools import cache
from unicodedata import combining, normalize

ENGLISH = {
    name: number
    for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)  # C locale
}

WESTERN = "latin-1 cp1252 iso8859-15 cp850 cp437 mac-roman"
CENTRAL = "iso8859-2 cp1250 cp852 mac-latin2 iso8859-16"
BALTIC = "iso8859-13 cp1257 iso8859-4 cp775"
TURKISH = "iso8859-9 cp1254 cp857 iso8859-3"
CYRILLIC = "cp1251 koi8-r koi8-u cp866 iso8859-5 mac-cyrillic cp855"
GREEK = "iso8859-7 cp1253 cp737 cp869 mac-greek"
HEBREW = "cp1255 cp862"
ARABIC = "cp1256 iso8859-6 cp864"
CELTIC = "iso8859-14 latin-1 cp850"
CHINESE = "gb18030 big5"
JAPANESE = "shift-jis euc-jp"
KOREAN = "cp949"
ASCII = ""

# One row a spelling. Where glibc, Windows and CLDR abbreviate differently, the language has a row for each; a dot
# behind an abbreviation is not written here, it is taken off before a word is looked up.
MONTHS = (
    (ASCII, "January February March April May June July August September October November December"),
    (ASCII, "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec"),
    (WESTERN, "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),  # German
    (WESTERN, "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez"),
    (WESTERN, "Jän Febr Mrz Apr Mai Jun Jul Aug Sept Okt Nov Dez"),
    (WESTERN, "Jänner Feber Maerz Apr Mai Jun Jul Aug Sep Okt Nov Dez"),
    (WESTERN, "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),  # French
    (WESTERN, "janv févr mars avril mai juin juil août sept oct nov déc"),
    (WESTERN, "jan fév mar avr mai jun jul aoû sep oct nov déc"),
    (WESTERN, "jan fév mar avr mai jun jui aoû sep oct nov déc"),  # Belgium, Canada, Switzerland
    (WESTERN, "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),  # Spanish
    (WESTERN, "ene feb mar abr may jun jul ago sep oct nov dic"),
    (WESTERN, "ene febr mzo abr may jun jul agto set oct nov dic"),
    (WESTERN, "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),  # Portuguese
    (WESTERN, "jan fev mar abr mai jun jul ago set out nov dez"),
    (WESTERN, "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),  # Italian
    (WESTERN, "gen feb mar apr mag giu lug ago set ott nov dic"),
    (WESTERN, "januari februari maart april mei juni juli augustus september oktober november december"),  # Dutch
    (WESTERN, "jan feb mrt apr mei jun jul aug sep okt nov dec"),
    (WESTERN, "januari februari mars april maj juni juli augusti september oktober november december"),  # Swedish
    (WESTERN, "jan feb mars april maj juni juli aug sept okt nov dec"),
    (WESTERN, "januar februar marts april maj juni juli august september oktober november december"),  # Danish
    (WESTERN, "januar februar mars april mai juni juli august september oktober november desember"),  # Norwegian
    (WESTERN, "jan feb mar apr mai jun jul aug sep okt nov des"),
    (WESTERN, "janúar febrúar mars apríl maí júní júlí ágúst september október nóvember desember"),  # Icelandic
    (WESTERN, "jan feb mar apr maí jún júl ágú sep okt nóv des"),
    (WESTERN, "tammikuu helmikuu maaliskuu huhtikuu toukokuu kesäkuu heinäkuu elokuu syyskuu lokakuu marraskuu joulukuu"),
    (WESTERN, "tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesäkuuta heinäkuuta elokuuta syyskuuta lokakuuta marraskuuta joulukuuta"),
    (WESTERN, "tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu"),  # Finnish
    (WESTERN, "gener febrer març abril maig juny juliol agost setembre octubre novembre desembre"),  # Catalan
    (WESTERN, "gen febr març abr maig juny jul ag set oct nov des"),
    (WESTERN, "xaneiro febreiro marzo abril maio xuño xullo agosto setembro outubro novembro decembro"),  # Galician
    (WESTERN, "xan feb mar abr mai xuñ xul ago set out nov dec"),
    (WESTERN, "urtarrila otsaila martxoa apirila maiatza ekaina uztaila abuztua iraila urria azaroa abendua"),  # Basque
    (WESTERN, "urt ots mar api mai eka uzt abu ira urr aza abe"),
    (CELTIC, "Eanáir Feabhra Márta Aibreán Bealtaine Meitheamh Iúil Lúnasa MFómhair DFómhair Samhain Nollaig"),  # Irish
    (CELTIC, "Ean Feabh Márta Aib Beal Meith Iúil Lún MFómh DFómh Samh Noll"),
    (CELTIC, "Ionawr Chwefror Mawrth Ebrill Mai Mehefin Gorffennaf Awst Medi Hydref Tachwedd Rhagfyr"),  # Welsh
    (CELTIC, "Ion Chw Maw Ebr Mai Meh Gor Aws Med Hyd Tach Rhag"),
    (CELTIC, "Ion Chw Maw Ebr Mai Meh Gor Aws Med Hyd Tach Rha"),
    (CENTRAL, "styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad grudzień"),  # Polish
    (CENTRAL, "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia"),
    (CENTRAL, "sty lut mar kwi maj cze lip sie wrz paź lis gru"),
    (CENTRAL, "leden únor březen duben květen červen červenec srpen září říjen listopad prosinec"),  # Czech
    (CENTRAL, "ledna února března dubna května června července srpna září října listopadu prosince"),
    (CENTRAL, "led úno bře dub kvě čen čec srp zář říj lis pro"),
    (CENTRAL, "led úno bře dub kvě čer čvc srp zář říj lis pro"),
    (CENTRAL, "január február marec apríl máj jún júl august september október november december"),  # Slovak
    (CENTRAL, "januára februára marca apríla mája júna júla augusta septembra októbra novembra decembra"),
    (CENTRAL, "jan feb mar apr máj jún júl aug sep okt nov dec"),
    (CENTRAL, "január február március április május június július augusztus szeptember október november december"),
    (CENTRAL, "jan febr márc ápr máj jún júl aug szept okt nov dec"),  # Hungarian
    (CENTRAL, "jan feb már ápr máj jún júl aug sze okt nov dec"),
    (CENTRAL, "ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie decembrie"),
    (CENTRAL, "ian feb mar apr mai iun iul aug sep oct noi dec"),  # Romanian
    (CENTRAL, "siječanj veljača ožujak travanj svibanj lipanj srpanj kolovoz rujan listopad studeni prosinac"),  # Croatian
    (CENTRAL, "siječnja veljače ožujka travnja svibnja lipnja srpnja kolovoza rujna listopada studenoga prosinca"),
    (CENTRAL, "sij velj ožu tra svi lip srp kol ruj lis stu pro"),
    (CENTRAL, "sij vel ožu tra svi lip srp kol ruj lis stu pro"),
    (CENTRAL, "januar februar marec april maj junij julij avgust september oktober november december"),  # Slovenian
    (CENTRAL, "jan feb mar apr maj jun jul avg sep okt nov dec"),
    (CENTRAL, "janar shkurt mars prill maj qershor korrik gusht shtator tetor nëntor dhjetor"),  # Albanian
    (CENTRAL, "jan shk mar pri maj qer kor gsh sht tet nën dhj"),
    (BALTIC, "sausis vasaris kovas balandis gegužė birželis liepa rugpjūtis rugsėjis spalis lapkritis gruodis"),
    (BALTIC, "sausio vasario kovo balandžio gegužės birželio liepos rugpjūčio rugsėjo spalio lapkričio gruodžio"),
    (BALTIC, "saus vas kov bal geg birž liep rugp rugs spal lapkr gruod"),  # Lithuanian
    (BALTIC, "sau vas kov bal geg bir lie rgp rgs spa lap grd"),
    (BALTIC, "janvāris februāris marts aprīlis maijs jūnijs jūlijs augusts septembris oktobris novembris decembris"),
    (BALTIC, "janv febr marts apr maijs jūn jūl aug sept okt nov dec"),  # Latvian
    (BALTIC, "jan feb mar apr mai jūn jūl aug sep okt nov dec"),
    (BALTIC, "jaanuar veebruar märts aprill mai juuni juuli august september oktoober november detsember"),  # Estonian
    (BALTIC, "jaan veebr märts apr mai juuni juuli aug sept okt nov dets"),
    (TURKISH, "Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık"),
    (TURKISH, "Oca Şub Mar Nis May Haz Tem Ağu Eyl Eki Kas Ara"),
    (TURKISH, "Jannar Frar Marzu April Mejju Ġunju Lulju Awwissu Settembru Ottubru Novembru Diċembru"),  # Maltese
    (TURKISH, "Jan Fra Mar Apr Mej Ġun Lul Aww Set Ott Nov Diċ"),
    (CYRILLIC, "январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь"),  # Russian
    (CYRILLIC, "января февраля марта апреля мая июня июля августа сентября октября ноября декабря"),
    (CYRILLIC, "янв фев мар апр мая июн июл авг сен окт ноя дек"),
    (CYRILLIC, "янв февр март апр май июнь июль авг сент окт нояб дек"),
    (CYRILLIC, "січень лютий березень квітень травень червень липень серпень вересень жовтень листопад грудень"),  # Ukrainian
    (CYRILLIC, "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня"),
    (CYRILLIC, "січ лют бер кві тра чер лип сер вер жов лис гру"),
    (CYRILLIC, "січ лют бер квіт трав черв лип серп вер жовт лист груд"),
    (CYRILLIC, "студзеня лютага сакавіка красавіка мая чэрвеня ліпеня жніўня верасня кастрычніка лістапада снежня"),
    (CYRILLIC, "сту лют сак кра май чэр ліп жні вер кас ліс сне"),  # Belarusian
    (CYRILLIC, "стд лют сак крс тра чэр ліп жнв врс кст ліс снж"),
    (CYRILLIC, "януари февруари март април май юни юли август септември октомври ноември декември"),  # Bulgarian
    (CYRILLIC, "яну фев мар апр май юни юли авг сеп окт ное дек"),
    (CYRILLIC, "ян фев мар апр май юни юли авг септ окт ноем дек"),
    (CYRILLIC, "јануар фебруар март април мај јун јул август септембар октобар новембар децембар"),  # Serbian
    (CYRILLIC, "јан феб мар апр мај јун јул авг сеп окт нов дец"),
    (CYRILLIC, "јануари февруари март април мај јуни јули август септември октомври ноември декември"),  # Macedonian
    (CYRILLIC, "јан фев мар апр мај јун јул авг сеп окт ное дек"),
    (GREEK, "Ιανουάριος Φεβρουάριος Μάρτιος Απρίλιος Μάιος Ιούνιος Ιούλιος Αύγουστος Σεπτέμβριος Οκτώβριος Νοέμβριος Δεκέμβριος"),
    (GREEK, "Ιανουαρίου Φεβρουαρίου Μαρτίου Απριλίου Μαΐου Ιουνίου Ιουλίου Αυγούστου Σεπτεμβρίου Οκτωβρίου Νοεμβρίου Δεκεμβρίου"),
    (GREEK, "Ιαν Φεβ Μάρ Απρ Μάι Ιούν Ιούλ Αύγ Σεπ Οκτ Νοέ Δεκ"),
    (GREEK, "Ιαν Φεβ Μαρ Απρ Μαΐ Ιουν Ιουλ Αυγ Σεπ Οκτ Νοε Δεκ"),
    (GREEK, "Ιαν Φεβρ Μαρτ Απρ Μαϊ Ιουν Ιουλ Αυγ Σεπτ Οκτ Νοεμ Δεκ"),
    (HEBREW, "ינואר פברואר מרץ אפריל מאי יוני יולי אוגוסט ספטמבר אוקטובר נובמבר דצמבר"),
    (HEBREW, "ינו פבר מרץ אפר מאי יונ יול אוג ספט אוק נוב דצמ"),
    (HEBREW, "ינו׳ פבר׳ מרס אפר׳ מאי יוני יולי אוג׳ ספט׳ אוק׳ נוב׳ דצמ׳"),
    (ARABIC, "يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر"),
    (ARABIC, "ينا فبر مار أبر ماي يون يول أغس سبت أكت نوف ديس"),
    (ASCII, "Januari Februari Maret April Mei Juni Juli Agustus September Oktober November Desember"),  # Indonesian, Malay
    (ASCII, "Jan Feb Mac Apr Mei Jun Jul Agu Sep Okt Nov Des"),
    (ASCII, "Jan Feb Mac Apr Mei Jun Jul Ogos Sep Okt Nov Dis"),
    (ASCII, "იან თებ მარ აპრ მაი ივნ ივლ აგვ სექ ოქტ ნოე დეკ"),  # Georgian
    (ASCII, "հնվ փտր մրտ ապր մյս հնս հլս օգս սեպ հոկ նոյ դեկ"),  # Armenian
    (ASCII, "ม.ค ก.พ มี.ค เม.ย พ.ค มิ.ย ก.ค ส.ค ก.ย ต.ค พ.ย ธ.ค"),  # Thai
    (ASCII, "ژانویه فوریه مارس آوریل مه ژوئن ژوئیه اوت سپتامبر اكتبر نوامبر دسامبر"),  # Persian
    (CHINESE, "一月 二月 三月 四月 五月 六月 七月 八月 九月 十月 十一月 十二月"),
)  # fmt: skip


def month_of(word: bytes) -> int:
    """Return the number of the month with this name, in any language; 0 for what is none.

    Of several it is the one that stands first in the table.
    """
    name = word.lower().rstrip(b".,")
    return ENGLISH.get(name) or _months().get(name, (0,))[0]


def possible_months(word: bytes) -> tuple[int, ...]:
    """Return the numbers of all months that have this name in some language; none for a word that is no month."""
    name = word.lower().rstrip(b".,")
    return (ENGLISH[name],) if name in ENGLISH else _months().get(name, ())


def spellings(word: str, codecs: str) -> Iterator[bytes]:
    """Yield the ways in which servers send a word, as `key` makes them."""
    plain = normalize("NFC", "".join(letter for letter in normalize("NFD", word) if not combining(letter)))
    for form in {word, word.lower(), word.upper(), word.capitalize(), plain, plain.lower(), plain.upper()}:
        for codec in ("utf-8", *codecs.split()):
            try:
                yield form.encode(codec).lower()
            except UnicodeEncodeError:
                continue  # that letter is not in this code page
    broken = word.encode("ascii", "replace").lower()
    if broken.count(b"?") == 1 < len(broken):  # with more of them it could be any word
        yield broken


@cache
def _months() -> dict[bytes, tuple[int, ...]]:
    """Return the months by all their names: `m\\xe4r`, in lower case as far as ASCII goes and without a dot."""
    found: dict[bytes, tuple[int, ...]] = {}
    for codecs, names in MONTHS:
        for number, name in enumerate(names.split(), start=1):
            for spelling in spellings(name, codecs):
                before = found.get(spelling, ())
                if number not in before:
                    found[spelling] = (*before, number)
    return found
