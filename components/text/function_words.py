"""Words that carry grammar rather than content: articles, pronouns, prepositions, auxiliaries."""

from __future__ import annotations

from components.text.languages import two_letters_of

_ENGLISH = """
a an the this that these those some any each every no another both all i you he she it we they me him her us
them my your his its our their mine yours hers ours theirs myself himself herself itself ourselves
themselves who whom whose which what and or but nor so yet if because while when as than though although
until since whether in on at by for from of to with without into onto over under above below up down out off
through across along around behind before after between among near next beside against during about toward
towards upon inside outside is are was were be been being am has have had having do does did doing will
would shall should can could may might must there here not n't 's 're 've 'll 'd very just also too only
then
"""
_GERMAN = """
der die das den dem des ein eine einen einem einer eines kein keine keinen keinem keiner dieser diese dieses
diesen diesem jeder jede jedes einige alle beide ich du er sie es wir ihr mich dich ihn uns euch mir dir ihm
ihnen mein dein sein unser euer meine deine seine ihre ihren ihrem ihrer seinen seinem seiner sich wer wem
wen was welche welcher und oder aber denn doch wenn weil während als wie dass ob bis seit in im an am auf
aus bei beim mit nach von vom vor zu zum zur über unter neben zwischen durch für gegen ohne um entlang
hinter ins ans ist sind war waren sei bin bist hat haben hatte habe wird werden wurde wurden worden kann
können muss müssen soll sollen will wollen darf nicht auch nur schon noch sehr da dort hier dann so
"""

FUNCTION_WORDS = {
    "en": frozenset(_ENGLISH.split()),
    "de": frozenset(_GERMAN.split()),
}
"""Language code -> lower-case words."""


def is_content_word(word: str, language: str) -> bool:
    """Return whether a word carries content; without a language's list words of four letters and more do."""
    words = FUNCTION_WORDS.get(two_letters_of(language))
    return len(word) > 3 if words is None else word.lower() not in words
