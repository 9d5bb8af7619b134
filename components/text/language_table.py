"""The languages that are known by name: those of Whisper, M2M-100, NLLB-200, SeamlessM4T and mBART."""

from __future__ import annotations

from typing import NamedTuple


class Language(NamedTuple):
    """A language.

    Attributes:
        code: ISO 639-1; ISO 639-3 where it has none.
        codes: ISO 639-3: its own, and that of the language that models mean by a macrolanguage.
        name: in English.
    """

    code: str
    codes: tuple[str, ...]
    name: str


_ROWS = """
af afr Afrikaans
ak aka Akan
am amh Amharic
ar ara,arb Arabic
as asm Assamese
ast ast Asturian
awa awa Awadhi
ay aym,ayr Aymara
az aze,azj Azerbaijani
ba bak Bashkir
ban ban Balinese
be bel Belarusian
bem bem Bemba
bg bul Bulgarian
bho bho Bhojpuri
bm bam Bambara
bn ben Bengali
bo bod Tibetan
br bre Breton
bs bos Bosnian
bug bug Buginese
ca cat Catalan
ceb ceb Cebuano
ckb ckb Central Kurdish
crh crh Crimean Tatar
cs ces Czech
cy cym Welsh
da dan Danish
de deu German
dz dzo Dzongkha
ee ewe Ewe
el ell Greek
en eng English
eo epo Esperanto
es spa Spanish
et est,ekk Estonian
eu eus Basque
fa fas,pes Persian
ff ful,fuv Fulah
fi fin Finnish
fj fij Fijian
fo fao Faroese
fon fon Fon
fr fra French
fur fur Friulian
fy fry Frisian
ga gle Irish
gd gla Scottish Gaelic
gl glg Galician
gn grn Guarani
gu guj Gujarati
ha hau Hausa
haw haw Hawaiian
he heb Hebrew
hi hin Hindi
hne hne Chhattisgarhi
hr hrv Croatian
ht hat Haitian Creole
hu hun Hungarian
hy hye Armenian
id ind Indonesian
ig ibo Igbo
ilo ilo Ilocano
is isl Icelandic
it ita Italian
ja jpn Japanese
jv jav Javanese
ka kat Georgian
kab kab Kabyle
kam kam Kamba
kea kea Cape Verdean
kg kon Kongo
ki kik Kikuyu
kk kaz Kazakh
km khm Khmer
kmr kmr Northern Kurdish
kn kan Kannada
ko kor Korean
ks kas Kashmiri
ky kir Kyrgyz
la lat Latin
lb ltz Luxembourgish
lg lug Luganda
li lim Limburgish
lij lij Ligurian
lmo lmo Lombard
ln lin Lingala
lo lao Lao
lt lit Lithuanian
lua lua Luba-Lulua
luo luo Luo
lv lav,lvs Latvian
mag mag Magahi
mai mai Maithili
mg mlg,plt Malagasy
mi mri Maori
min min Minangkabau
mk mkd Macedonian
ml mal Malayalam
mn mon,khk Mongolian
mni mni Manipuri
mos mos Mossi
mr mar Marathi
ms msa,zsm,zlm Malay
mt mlt Maltese
my mya Burmese
ne nep,npi Nepali
nl nld Dutch
nn nno Norwegian Nynorsk
no nob,nor Norwegian
nso nso Northern Sotho
ny nya Chichewa
oc oci Occitan
om orm,gaz Oromo
or ori,ory Odia
pa pan Punjabi
pag pag Pangasinan
pap pap Papiamento
pl pol Polish
ps pus,pbt Pashto
pt por Portuguese
qu que,quy Quechua
rn run Rundi
ro ron Romanian
ru rus Russian
rw kin Kinyarwanda
sa san Sanskrit
sat sat Santali
sc srd Sardinian
scn scn Sicilian
sd snd Sindhi
sg sag Sango
si sin Sinhala
sk slk Slovak
sl slv Slovenian
sm smo Samoan
sn sna Shona
so som Somali
sq sqi,als Albanian
sr srp Serbian
ss ssw Swati
st sot Southern Sotho
su sun Sundanese
sv swe Swedish
sw swh,swa Swahili
szl szl Silesian
ta tam Tamil
te tel Telugu
tg tgk Tajik
th tha Thai
ti tir Tigrinya
tk tuk Turkmen
tl tgl,fil Tagalog
tn tsn Tswana
tpi tpi Tok Pisin
tr tur Turkish
ts tso Tsonga
tt tat Tatar
tum tum Tumbuka
tw twi Twi
ug uig Uyghur
uk ukr Ukrainian
umb umb Umbundu
ur urd Urdu
uz uzb,uzn Uzbek
vec vec Venetian
vi vie Vietnamese
war war Waray
wo wol Wolof
xh xho Xhosa
yi yid,ydd Yiddish
yo yor Yoruba
yue yue Cantonese
zh zho,cmn Chinese
zu zul Zulu
"""
LANGUAGES = {
    code: Language(code, tuple(codes.split(",")), name)
    for code, codes, name in (row.split(" ", 2) for row in _ROWS.strip().splitlines())
}
"""Code -> language."""
OTHER_NAMES = {
    "castellano": "es",
    "cesky": "cs",
    "slovensky": "sk",
    "bahasa melayu": "ms",
    "zhongwen": "zh",
    "汉语": "zh",
}
"""Names of languages, without case and accents, that langcodes lacks or gives to another one -> code."""
