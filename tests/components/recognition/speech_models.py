"""Random encoder-decoders and audio language models that read speech, as model folders, made in a test."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

WORDS = [f"\u2581{a}{b}" for a in "bdfgklmnprst" for b in "aeiou"]
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]
NAMES = [*SPECIAL, *WORDS]

_DECODER = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
_LAYERS = {
    **{"encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32},
    **{"decoder_layers": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 32},
}
_IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def words_tokenizer(extra: list[str] = [], **settings: Any) -> Any:  # noqa: B006 - is not changed
    """A tokenizer of whole syllables; ``extra`` are control tokens, which come last."""
    vocabulary = {name: i for i, name in enumerate(NAMES)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        **settings,
    )
    tokenizer.add_tokens(extra, special_tokens=True)
    return tokenizer


def _moonshine(folder: Path) -> tuple[Any, Any]:
    config = transformers.MoonshineConfig(
        vocab_size=len(NAMES),
        hidden_size=24,
        intermediate_size=32,
        encoder_num_hidden_layers=1,
        decoder_num_hidden_layers=2,
        encoder_num_attention_heads=2,
        decoder_num_attention_heads=2,
        max_position_embeddings=64,
        **_IDS,
        decoder_start_token_id=1,
    )
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)
    processor = transformers.Wav2Vec2Processor(extractor, words_tokenizer())
    return transformers.MoonshineForConditionalGeneration(config), processor


def _moonshine_streaming(folder: Path) -> tuple[Any, Any]:
    config = transformers.MoonshineStreamingConfig(
        encoder_config={
            **_DECODER,
            **{"num_key_value_heads": 2, "sliding_windows": [[16, 4], [16, 0]]},
        },
        vocab_size=len(NAMES),
        **_DECODER,
        num_key_value_heads=2,
        max_position_embeddings=256,
        decoder_start_token_id=1,
    )
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)
    processor = transformers.MoonshineStreamingProcessor(extractor, words_tokenizer())
    return transformers.MoonshineStreamingForConditionalGeneration(config), processor


def _speech2text(folder: Path) -> tuple[Any, Any]:
    languages = [f"<lang:{code}>" for code in ("de", "en", "es", "fr", "it", "nl", "pt", "ro", "ru")]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(word[1:] for word in WORDS)] * 20),
        model_writer=model,
        vocab_size=60,
        hard_vocab_limit=False,
        user_defined_symbols=languages,
        minloglevel=2,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spm.model").write_bytes(model.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    names = [*SPECIAL, *(pieces.IdToPiece(i) for i in range(3, len(pieces)))]
    (folder / "pieces.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
    tokenizer = transformers.Speech2TextTokenizer(
        str(folder / "pieces.json"), str(folder / "spm.model"), lang_codes="mustc", tgt_lang="de"
    )
    config = transformers.Speech2TextConfig(
        vocab_size=len(tokenizer),
        d_model=24,
        **_LAYERS,
        max_target_positions=64,
        conv_channels=16,
        input_feat_per_channel=80,
        **_IDS,
        decoder_start_token_id=2,
    )
    processor = transformers.Speech2TextProcessor(transformers.Speech2TextFeatureExtractor(), tokenizer)
    return transformers.Speech2TextForConditionalGeneration(config), processor


def _seamless(version: str) -> Callable[[Path], tuple[Any, Any]]:
    def build(folder: Path) -> tuple[Any, Any]:
        languages = ["__eng__", "__deu__", "__fra__", "__cmn__"]
        names = ["<pad>", "<unk>", "<s>", "</s>", *WORDS]
        tokenizer = transformers.SeamlessM4TTokenizer(
            vocab={name: i for i, name in enumerate(names)}, additional_special_tokens=languages
        )
        config = getattr(transformers, f"SeamlessM4T{version}Config")(
            vocab_size=len(names) + len(languages),
            hidden_size=24,
            max_position_embeddings=64,
            **_LAYERS,
            speech_encoder_layers=1,
            speech_encoder_attention_heads=2,
            speech_encoder_intermediate_size=32,
            conv_depthwise_kernel_size=5,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=3,
            decoder_start_token_id=3,
        )
        model = getattr(transformers, f"SeamlessM4T{version}ForSpeechToText")(config)
        model.generation_config.text_decoder_lang_to_code_id = {
            name.strip("_"): tokenizer.convert_tokens_to_ids(name) for name in languages
        }
        extractor = transformers.SeamlessM4TFeatureExtractor()
        return model, transformers.SeamlessM4TProcessor(extractor, tokenizer)

    return build


_PARAKEET = {
    "hidden_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "num_mel_bins": 80,
    "subsampling_conv_channels": 16,
    "conv_kernel_size": 5,
}


def _parakeet(kind: str) -> Callable[[Path], tuple[Any, Any]]:
    def build(folder: Path) -> tuple[Any, Any]:
        names = [
            "<unk>",
            "\u2581",
            *(f"\u2581{letter}" for letter in "abcde"),
            *"abcdefghij.",
            "<blank>",
            "<pad>",
        ]
        backend = Tokenizer(models.Unigram([(name, -1.0) for name in names], unk_id=0))
        backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        tokenizer = transformers.ParakeetTokenizer(
            tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>"
        )
        tokenizer.add_special_tokens({"additional_special_tokens": ["<blank>"]})
        config = getattr(transformers, f"Parakeet{kind}Config")(
            vocab_size=len(names),
            blank_token_id=len(names) - 2,
            pad_token_id=len(names) - 1,
            decoder_hidden_size=16,
            encoder_config=_PARAKEET,
            max_symbols_per_step=3,
        )
        model = getattr(transformers, f"ParakeetFor{kind}")(config)
        model.generation_config.decoder_start_token_id = len(names) - 2
        # transformers 5.24 takes the next token from tokens and durations together, which fails at random
        # weights: no duration may win.
        with torch.no_grad():
            model.joint.head.bias[: len(names)] += 1000
        extractor = transformers.ParakeetFeatureExtractor(feature_size=80)
        return model, transformers.ParakeetProcessor(extractor, tokenizer, decoder_type=kind.lower())

    return build


TRANSDUCERS = {"ParakeetRNNT": _parakeet("RNNT"), "ParakeetTDT": _parakeet("TDT")}
"""Transducers by family."""


def _canary(folder: Path) -> tuple[Any, Any]:
    tokenizer = words_tokenizer(["<|start|>", "<|en|>", "<|de|>", "<|fr|>"])
    size, start = len(tokenizer), len(NAMES)
    config = transformers.CanaryConfig(
        encoder_config={"model_type": "parakeet_encoder", **_PARAKEET},
        decoder_config={
            "vocab_size": size,
            **_DECODER,
            "head_dim": 12,
            "num_key_value_heads": 2,
            "encoder_hidden_size": 24,
            "max_position_embeddings": 64,
        },
        vocab_size=size,
        **_IDS,
        decoder_start_token_id=start,
    )
    template = (
        "{% for c in messages[0]['content'] %}{% if c['type'] == 'text' %}<|start|>"
        "<|{{ c['source_language'] }}|><|{{ c['target_language'] }}|>{% endif %}{% endfor %}"
    )
    extractor = transformers.ParakeetFeatureExtractor(feature_size=80)
    processor = transformers.CanaryProcessor(extractor, tokenizer, template)
    return transformers.CanaryForConditionalGeneration(config), processor


def _cohere(folder: Path) -> tuple[Any, Any]:
    names = [
        "startofcontext",
        "startoftranscript",
        "emo:undefined",
        "en",
        "de",
        "pnc",
        "noitn",
        "notimestamp",
    ]
    tokenizer = words_tokenizer([*(f"<|{name}|>" for name in [*names, "nodiarize"]), "\u2581"])
    config = transformers.CohereAsrConfig(
        encoder_config={"model_type": "parakeet_encoder", **_PARAKEET},
        vocab_size=len(tokenizer),
        **_DECODER,
        max_position_embeddings=64,
        **_IDS,
    )
    extractor = transformers.CohereAsrFeatureExtractor(feature_size=80)
    return transformers.CohereAsrForConditionalGeneration(config), transformers.CohereAsrProcessor(
        extractor, tokenizer
    )


FAMILIES: dict[str, Callable[[Path], tuple[Any, Any]]] = {
    "Moonshine": _moonshine,
    "MoonshineStreaming": _moonshine_streaming,
    "Speech2Text": _speech2text,
    "SeamlessM4T": _seamless(""),
    "SeamlessM4Tv2": _seamless("v2"),
    "Canary": _canary,
    "CohereAsr": _cohere,
}
"""Encoder-decoders by family."""


_SCALES = {"encoder_attn": 60, "cross_attention": 60, "encoder_projector": 10, "decoder_projector": 60}
"""Parts of names of weights that are made larger still: the texts shall depend on the audio."""


def save(family: str, folder: Path, seed: int = 1) -> Path:
    """Write a model folder of a family."""
    torch.manual_seed(seed)
    model, processor = {**FAMILIES, **TRANSDUCERS, **AUDIO_MODELS}[family](folder)
    return write(model, processor, folder)


def write(model: Any, processor: Any, folder: Path) -> Path:
    """Write a model and its processor, the weights larger than at initialization, so that texts differ."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() >= 2 and "conv_layers" not in name:
                parameter.mul_(next((scale for part, scale in _SCALES.items() if part in name), 8))
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


_TEMPLATE = (
    "{% for m in messages %}<|user|>{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}{% if c['type'] == 'audio' %}AUDIO{% else %} {{ c['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_CONTROLS = ["<|sound|>", "<|begin|>", "<|end|>", "<|user|>", "<|assistant|>"]
_TEXT = {**_DECODER, **_IDS, "num_key_value_heads": 1, "max_position_embeddings": 2048}


def _audio_language_model(
    name: str, encoder: dict[str, Any], processor: Callable[[Any, Any, str], Any], **settings: Any
) -> tuple[Any, Any]:
    names = {"audio_token": "<|sound|>", "audio_bos_token": "<|begin|>", "audio_eos_token": "<|end|>"}
    tokenizer = words_tokenizer(_CONTROLS, extra_special_tokens=names)
    config_class = getattr(transformers, f"{name}Config")
    text = {**_TEXT, "vocab_size": len(tokenizer)}
    config = config_class(text_config=text, **encoder, **settings)
    model = getattr(transformers, f"{name}ForConditionalGeneration")(config)
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = 2, 0
    sound = tokenizer.convert_tokens_to_ids("<|sound|>")
    assert sound in (settings.get("audio_token_index"), settings.get("audio_token_id"))
    template = _TEMPLATE.replace("AUDIO", "<|begin|><|sound|><|end|>")
    return model, processor(transformers.WhisperFeatureExtractor(feature_size=16), tokenizer, template)


_SOUND = len(NAMES)
_ENCODER = {"num_mel_bins": 16, "max_source_positions": 1500}
_WHISPER = {"d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32}


def _qwen2_audio(folder: Path) -> tuple[Any, Any]:
    def processor(extractor: Any, tokenizer: Any, template: str) -> Any:
        return transformers.Qwen2AudioProcessor(
            extractor, tokenizer, template, "<|sound|>", "<|begin|>", "<|end|>"
        )

    encoder = {"audio_config": {"model_type": "qwen2_audio_encoder", **_ENCODER, **_WHISPER}}
    return _audio_language_model("Qwen2Audio", encoder, processor, audio_token_index=_SOUND)


def _audio_flamingo(folder: Path) -> tuple[Any, Any]:
    def processor(extractor: Any, tokenizer: Any, template: str) -> Any:
        return transformers.AudioFlamingo3Processor(extractor, tokenizer, template, "<|sound|>")

    encoder = {"audio_config": {"model_type": "audioflamingo3_encoder", **_ENCODER, **_WHISPER}}
    return _audio_language_model("AudioFlamingo3", encoder, processor, audio_token_id=_SOUND)


def _glm_asr(folder: Path) -> tuple[Any, Any]:
    def processor(extractor: Any, tokenizer: Any, template: str) -> Any:
        return transformers.GlmAsrProcessor(extractor, tokenizer, template, "<|sound|>")

    audio = {
        **{"model_type": "glmasr_encoder", "hidden_size": 16, "intermediate_size": 64},
        **{"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, **_ENCODER},
    }
    return _audio_language_model("GlmAsr", {"audio_config": audio}, processor, audio_token_id=_SOUND)


def _qwen3_asr(folder: Path) -> tuple[Any, Any]:
    def processor(extractor: Any, tokenizer: Any, template: str) -> Any:
        extractor = transformers.Qwen3ASRFeatureExtractor(feature_size=16)
        return transformers.Qwen3ASRProcessor(extractor, tokenizer, template)

    audio = {
        **{"model_type": "qwen3_asr_encoder", "d_model": 16, "encoder_layers": 1, "num_mel_bins": 16},
        **{
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "output_dim": 24,
            "downsample_hidden_size": 8,
        },
    }
    return _audio_language_model(
        "Qwen3ASR",
        {"audio_config": audio},
        processor,
        audio_token_id=_SOUND,
        eos_token_id=2,
        pad_token_id=0,
        timestamp_token_id=3,
    )


def _granite_speech(name: str, **encoder: Any) -> Callable[[Path], tuple[Any, Any]]:
    def build(folder: Path) -> tuple[Any, Any]:
        states = 16 * (1 + len(encoder.get("cat_hidden_layers", ())))
        audio = {"num_layers": 2, "hidden_dim": 16, "num_heads": 2, "output_dim": 6, **encoder}
        projector = {
            **{"model_type": "blip_2_qformer", "encoder_hidden_size": states, "hidden_size": 16},
            **{"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 8},
        }

        def processor(extractor: Any, tokenizer: Any, template: str) -> Any:
            extractor = transformers.GraniteSpeechFeatureExtractor()
            return transformers.GraniteSpeechProcessor(extractor, tokenizer, "<|sound|>", template)

        parts = {"encoder_config": audio, "projector_config": projector}
        settings = {"audio_token_index": _SOUND, "has_lora_adapter": False, "tie_word_embeddings": False}
        return _audio_language_model(name, parts, processor, **settings)

    return build


AUDIO_MODELS: dict[str, Callable[[Path], tuple[Any, Any]]] = {
    "Qwen2Audio": _qwen2_audio,
    "AudioFlamingo3": _audio_flamingo,
    "GlmAsr": _glm_asr,
    "Qwen3ASR": _qwen3_asr,
    "GraniteSpeech": _granite_speech("GraniteSpeech"),
    "GraniteSpeechPlus": _granite_speech("GraniteSpeechPlus", cat_hidden_layers=[0]),
}
"""Audio language models by family, with their own processors."""
