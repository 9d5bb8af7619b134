"""What is judged: telling utterances, doubtful words, blinded items, the form that pearmut has accepted."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from pathlib import Path
from statistics import fmean, pvariance

import pytest
import sacrebleu
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from components.audio import describe
from components.campaign.blinding import assign, damage
from components.campaign.candidates import gather_candidates
from components.campaign.folder import KEY, PEARMUT, read_key, write_campaign
from components.campaign.pearmut import count_units, escape_tags
from components.campaign.selection import rate_diversity, select_candidates
from components.campaign.settings import CampaignSettings
from components.campaign.spans import Span, find_doubtful_words
from components.errors import ConfigError, DataError
from components.records import Hypothesis, Segment, Word
from tests.components.campaign.example import GOLDEN, UTTERANCES, campaign, candidates, outcome
from tests.malformed import write_tone

PEARMUT_GOLDEN = Path(__file__).parents[2] / "golden" / "pearmut" / "campaign.json"


def test_pearmut_has_accepted_this_very_campaign(tmp_path: Path) -> None:
    """The golden file went through ``pearmut add`` and its server, 1.1.6, as it is."""
    items, key = campaign(GOLDEN)
    files = write_campaign(tmp_path / "c", items, key, GOLDEN)
    written = json.loads((tmp_path / "c" / PEARMUT).read_text())
    assert written == json.loads(PEARMUT_GOLDEN.read_text())
    assert read_key(tmp_path / "c") == key
    assert files.tables == ["table-1.tsv", "table-2.tsv"]
    content = "".join((tmp_path / "c" / name).read_text() for name in (PEARMUT, *files.tables))
    assert "large" not in content
    assert "small" not in content
    with pytest.raises(ConfigError, match="expected no campaign there, found one"):
        write_campaign(tmp_path / "c", items, key, GOLDEN)
    (tmp_path / "c" / KEY).write_text("{}")
    with pytest.raises(ConfigError, match="expected the key of a campaign"):
        read_key(tmp_path / "c")


@settings(max_examples=25)
@given(
    st.builds(
        CampaignSettings,
        items=st.integers(1, 6),
        protocol=st.sampled_from(["ESA", "cESA", "DA"]),
        select=st.sampled_from(["disagreement", "diversity", "random"]),
        annotators=st.integers(2, 4),
        copies=st.integers(1, 2),
        checks=st.integers(0, 3),
        seed=st.integers(0, 9),
    )
)
def test_every_output_is_shown_as_often_as_asked_for_and_leads_back(
    campaign_settings: CampaignSettings,
) -> None:
    items, key = campaign(campaign_settings)
    texts = {one.utterance.id: one.outputs for one in candidates()}
    judged = [item for item in items if item.blinded.damaged is None]
    pairs = [
        (item.blinded.utterance_id, system) for item in judged for system in item.blinded.systems.values()
    ]
    assert len(pairs) == len(set(pairs)) == 2 * campaign_settings.items
    for item in items:
        for code, system in item.blinded.systems.items():
            assert item.outputs[code] == texts[item.blinded.utterance_id][system]
        if (damaged := item.blinded.damaged) is not None:
            assert item.outputs[damaged] not in texts[item.blinded.utterance_id].values()
            assert (item.blinded.whole is not None) == (campaign_settings.protocol == "cESA")
    assert len({item.item for item in key.items}) == len(items)
    of_annotators = assign(items, campaign_settings)
    for item in items:
        times = sum(item in own for own in of_annotators)
        wanted = campaign_settings.annotators if item.blinded.damaged else campaign_settings.copies
        assert times == wanted
    n_checks = [sum(item.blinded.damaged is not None for item in own) for own in of_annotators]
    assert n_checks == [campaign_settings.n_checks] * campaign_settings.annotators


def test_the_order_of_systems_is_drawn_for_each_item() -> None:
    orders = set()
    for seed in range(8):
        items, _ = campaign(CampaignSettings(items=6, protocol="cESA", checks=0, seed=seed))
        orders |= {tuple(item.blinded.systems.values()) for item in items}
        assert len({tuple(item.blinded.systems.values()) for item in items}) <= 2
    assert orders == {("large", "small"), ("small", "large")}


def test_disagreement_is_the_variance_of_scores() -> None:
    every = candidates()
    chrf = sacrebleu.CHRF()
    variances = {
        one.utterance.id: pvariance(
            [chrf.sentence_score(text, one.utterance.references).score for text in one.outputs.values()]
        )
        for one in every
    }
    expected = sorted(variances, key=lambda key: -variances[key])[:3]
    campaign_settings = select_candidates(every, "disagreement", 3, 0)
    assert {one.utterance.id for one in campaign_settings} == set(expected)
    assert [one.utterance.id for one in campaign_settings] == sorted(expected)  # in the order of the data
    for one in every:
        assert pvariance(one.scores.values()) == pytest.approx(variances[one.utterance.id])


def test_diversity_is_how_unlike_outputs_are_and_needs_no_reference() -> None:
    every = candidates()
    chrf = sacrebleu.CHRF()
    expected = [
        100
        - fmean(chrf.sentence_score(a, [b]).score for a, b in itertools.permutations(one.outputs.values(), 2))
        for one in every
    ]
    assert rate_diversity(every) == pytest.approx(expected)
    draws = {tuple(c.utterance.id for c in select_candidates(every, "random", 2, seed)) for seed in range(20)}
    assert len(draws) > 5
    unscored = [type(one)(one.utterance, one.outputs, one.spans, {}) for one in every]
    with pytest.raises(ConfigError, match="--select diversity needs no references"):
        select_candidates(unscored, "disagreement", 2, 0)


def test_doubtful_words_of_tokens_and_of_a_recognizer() -> None:
    by_id = {one.utterance.id: one for one in candidates()}
    assert by_id["u3"].spans["large"] == [Span(20, 25)]
    assert find_doubtful_words(outcome("u", "Ein Hund", "Hund").best, 0) == []
    words = (
        Word(start=0, end=1, text=" Hello", probability=0.9),
        Word(start=1, end=2, text=" wörld!", probability=0.2),
    )
    segment = Segment(start=0, end=2, text="Hello wörld!", words=words)
    transcript = Hypothesis(text="Hello wörld!", score=-1, n_tokens=3, system="asr", segments=(segment,))
    assert find_doubtful_words(transcript, 0.3) == [Span(6, 12)]
    assert find_doubtful_words(transcript.model_copy(update={"text": "Hello world"}), 0.3) == []


@settings(max_examples=50)
@given(st.text(max_size=30))
def test_texts_keep_their_positions_and_are_no_html(text: str) -> None:
    escaped = escape_tags(text)
    assert len(escaped) == len(text)
    assert count_units(escaped) == count_units(text)
    assert count_units(text) == sum(1 + (ord(letter) > 0xFFFF) for letter in text)
    for opening in ("<audio ", "<b>", "</p>"):
        assert opening not in escape_tags(f"{text}{opening}")


@given(st.text(min_size=1, max_size=40).filter(str.strip), st.text(max_size=40), st.integers(0, 5))
def test_a_damaged_output_ends_and_is_not_longer_in_words(text: str, donor: str, seed: int) -> None:
    spoiled = damage(text, donor, random.Random(seed))
    assert len(spoiled.split()) <= max(len(text.split()), len(text))


def test_a_damaged_output_has_half_of_its_words() -> None:
    text, donor = "a b c d e f g h", "1 2 3 4 5 6 7 8"
    words = damage(text, donor, random.Random(1)).split()
    assert len(words) == 8
    assert sum(word.isdigit() for word in words) == 4


def test_one_check_for_every_ten_items() -> None:
    assert CampaignSettings(items=50).n_checks == 5
    assert CampaignSettings(items=3).n_checks == 1


def test_nobody_judges_an_item_twice() -> None:
    with pytest.raises(ValidationError, match=r"copies: expected at most as many .* \(2\), found 3"):
        CampaignSettings(annotators=2, copies=3)


def test_speech_is_written_as_flac_and_played(tmp_path: Path) -> None:
    """Pearmut serves the folder of assets; what is known of the words stands below the player."""
    sound = describe(write_tone(tmp_path / "a.wav", 0.5))
    items, key = campaign(GOLDEN)
    first = items[0].utterance.id
    spoken = [
        replace(item, utterance=item.utterance.model_copy(update={"audio": sound}))
        if item.utterance.id == first
        else item
        for item in items
    ]
    files = write_campaign(tmp_path / "c", spoken, key, GOLDEN)
    samples, rate = soundfile.read(tmp_path / "c" / "assets" / "example" / "001.flac")
    assert (files.recordings, len(samples), rate) == (1, 8000, 16000)
    player = '<audio controls src="assets/example/001.flac"></audio>'
    written = (tmp_path / "c" / PEARMUT).read_text()
    assert json.dumps(player)[1:-1] in written
    assert json.dumps(f"{player}<p>")[1:-1] in written


def test_a_folder_without_a_campaign_and_systems_without_a_common_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected the folder of a campaign, found no key\.json in it"):
        read_key(tmp_path)
    outputs = {"large": {"u0": outcome("u0", "Ja")}, "small": {"u1": outcome("u1", "Ja")}}
    with pytest.raises(
        DataError, match="utterances that all of large, small have a translation of, found none"
    ):
        gather_candidates(UTTERANCES, outputs, "translation", "de", 0.3)
