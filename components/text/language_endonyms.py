"""Languages by the names that their own speakers give them, for messages about a name in a code's place."""

from __future__ import annotations

import unicodedata

_ROWS = """
ar العربية, عربي
bg български
bn বাংলা
ca català
cs čeština, česky
da dansk
de deutsch
el ελληνικά
en english
es español, castellano
et eesti
eu euskara
fa فارسی
fi suomi
fr français
gl galego
he עברית
hi हिन्दी, हिंदी
hr hrvatski
hu magyar
id bahasa indonesia
it italiano
ja 日本語, nihongo
ko 한국어
lt lietuvių
lv latviešu
ms bahasa melayu
nl nederlands, vlaams
no norsk
pl polski
pt português
ro română
ru русский
sk slovenčina, slovensky
sl slovenščina, slovensko
sr srpski, српски
sv svenska
sw kiswahili
th ไทย
tr türkçe
uk українська
vi tiếng việt
zh 中文, 汉语, 普通话, zhongwen
"""


def fold(name: str) -> str:
    """A name without case and accents: ``francais`` of ``Français``."""
    letters = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


ENDONYMS = {
    fold(name): code
    for code, _, names in (row.partition(" ") for row in _ROWS.strip().splitlines())
    for name in names.split(",")
}
"""Folded name -> code of ISO 639-1."""
