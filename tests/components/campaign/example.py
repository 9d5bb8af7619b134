"""A small campaign: two systems over texts, one word of which is doubtful."""

from __future__ import annotations

from functools import cache

from components.campaign.blinding import CampaignKey, ShownItem, blind
from components.campaign.candidates import Candidate, gather_candidates
from components.campaign.selection import select_candidates
from components.campaign.settings import CampaignSettings
from components.records import Hypothesis, NBest, Token, Utterance

SENTENCES = (
    ("A dog runs in the park.", "Ein Hund läuft im Park."),
    ("Two children play 🎈 games.", "Zwei Kinder spielen 🎈 Spiele."),
    ("The <b>old</b> man sleeps.", "Der <b>alte</b> Mann schläft."),
    ("A woman reads a long book.", "Eine Frau liest ein langes Buch."),
    ("The train leaves at noon.", "Der Zug fährt am Mittag ab."),
    ("Nobody saw the red car.", "Niemand sah das rote Auto."),
)
UTTERANCES = [
    Utterance(id=f"u{n}", text=en, source_language="en", target_language="de", references=(de,))
    for n, (en, de) in enumerate(SENTENCES)
]


def outcome(key: str, text: str, doubtful: str = "") -> NBest:
    """An outcome whose tokens are its words, that of ``doubtful`` unlikely."""
    tokens = tuple(
        Token(piece=f"▁{word}", log_prob=-3.0 if word == doubtful else -0.1) for word in text.split()
    )
    end = Token(piece="</s>", log_prob=-0.1)
    hypothesis = Hypothesis(text=text, score=-1, n_tokens=len(tokens) + 1, system="mt", tokens=(*tokens, end))
    return NBest(utterance_id=key, hypotheses=(hypothesis,))


@cache
def candidates(prefill: float = 0.3) -> list[Candidate]:
    """All utterances: ``large`` is right but for the fourth, ``small`` loses more words the later it is."""
    large = {u.id: outcome(u.id, u.references[0]) for u in UTTERANCES}
    large["u3"] = outcome("u3", "Eine Frau liest ein Buch.", "Buch.")
    small = {
        u.id: outcome(u.id, " ".join(u.references[0].split()[: 5 - n]) or "Ja", "🎈" if n == 1 else "")
        for n, u in enumerate(UTTERANCES)
    }
    return gather_candidates(UTTERANCES, {"large": large, "small": small}, "translation", "de", prefill)


@cache
def campaign(settings: CampaignSettings) -> tuple[list[ShownItem], CampaignKey]:
    """The items and the key of the campaign under settings."""
    every = candidates(settings.prefill)
    chosen = select_candidates(every, settings.select, settings.items, settings.seed)
    items = blind(chosen, [candidate for candidate in every if candidate not in chosen], settings)
    key = CampaignKey(
        campaign="example",
        output="translation",
        protocol=settings.protocol,
        systems=("large", "small"),
        settings=settings.model_dump(mode="json"),
        items=tuple(item.blinded for item in items),
    )
    return items, key


GOLDEN = CampaignSettings(items=4, protocol="cESA", annotators=2, copies=2, checks=1, references=True)
"""The campaign of the golden files, which pearmut 1.1.6 has accepted and served."""
