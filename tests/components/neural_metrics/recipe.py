"""Weights of tiny models from their names, the same in every environment; and the goldens' sentences."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

GOLDENS = "goldens"
SENTENCES = [
    ("A man is riding a bike.", "Ein Mann fährt Fahrrad.", "Ein Mann fährt ein Fahrrad."),
    ("Two dogs play in the snow.", "Zwei  Hunde spielen im Schnee", "Zwei Hunde spielen im Schnee."),
    ("A girl ﬁnds\u00a0it!", "Mädchen ﬁndet\u00a0es！ sofort", "Ein Mädchen findet es."),
    ("The old woman with the red hat is selling fresh fruit at the market in the town.",
     "Die alte Frau mit dem roten Hut verkauft auf dem Markt in der Stadt frisches Obst an alle.",
     "Die alte Frau mit rotem Hut verkauft frisches Obst auf dem Markt der Stadt."),
    ("He is not here.", "", "Er ist nicht hier."),
    ("Children are running " * 12, "Kinder rennen umher " * 11, "Die Kinder rennen " * 13),
]  # fmt: skip
"""(source, translation, reference): double space, ligature, an empty text, and texts that are cut."""
ENCODER = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 66,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
MT5 = {
    "vocab_size": 250112,
    "d_model": 8,
    "d_kv": 4,
    "d_ff": 16,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_heads": 2,
    "feed_forward_proj": "gated-gelu",
    "dropout_rate": 0.0,
    "tie_word_embeddings": False,
    "decoder_start_token_id": 0,
    "pad_token_id": 0,
    "eos_token_id": 1,
}
COMETS = {
    "comet": {"class_identifier": "regression_metric", "encoder_model": "XLM-RoBERTa", "pool": "avg",
              "layer": "mix", "layer_transformation": "sparsemax", "layer_norm": False,
              "hidden_sizes": [12, 6], "activations": "Tanh", "final_activation": None},
    "comet-norm": {"class_identifier": "regression_metric", "encoder_model": "XLM-RoBERTa", "pool": "max",
                   "layer": "mix", "layer_transformation": "softmax", "layer_norm": True,
                   "hidden_sizes": [12], "activations": "Sigmoid", "final_activation": "Tanh"},
    "comet-qe": {"class_identifier": "referenceless_regression_metric", "encoder_model": "XLM-RoBERTa",
                 "pool": "cls", "layer": 2, "layer_transformation": "softmax", "layer_norm": True,
                 "hidden_sizes": [12, 6], "activations": "Tanh", "final_activation": None},
    "cometkiwi": {"class_identifier": "unified_metric", "encoder_model": "XLM-RoBERTa", "sent_layer": "mix",
                  "layer_transformation": "sparsemax", "layer_norm": True, "word_layer": 2,
                  "hidden_sizes": [12, 6], "activations": "Tanh", "final_activation": None,
                  "input_segments": ["mt", "src"], "word_level_training": True,
                  "error_labels": ["minor", "major"]},
    "unite": {"class_identifier": "unified_metric", "encoder_model": "XLM-RoBERTa-XL", "sent_layer": "mix",
              "layer_transformation": "sparsemax_patch", "layer_norm": False, "word_layer": 3,
              "hidden_sizes": [12, 6], "activations": "Tanh", "final_activation": None,
              "input_segments": ["mt", "src", "ref"], "word_level_training": False,
              "error_labels": ["minor", "major"]},
    "xcomet": {"class_identifier": "xcomet_metric", "encoder_model": "XLM-RoBERTa-XL", "sent_layer": "mix",
               "layer_transformation": "softmax", "layer_norm": False, "word_layer": 3,
               "hidden_sizes": [12, 6], "activations": "Tanh", "final_activation": None,
               "word_level_training": True, "error_labels": ["minor", "major", "critical"]},
}  # fmt: skip
"""Model -> what its hparams.yaml says beside the encoder's place."""


def weights_of(shapes: dict[str, list[int]]) -> dict[str, NDArray[np.float32]]:
    """Make up tensors by name: multiples of 0.001, so that no environment rounds them differently."""
    return {name: _weights(name, shape) for name, shape in sorted(shapes.items())}


def _weights(name: str, shape: list[int]) -> NDArray[np.float32]:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    values = rng.integers(-1000, 1001, shape).astype(np.float32) / 1000
    is_scale = "norm" in name.lower() and name.endswith("weight")
    if is_scale or name.endswith("gamma"):
        return np.asarray(1 + values / 4, np.float32)
    return np.asarray(values * (0.5 if len(shape) > 1 else 0.2), np.float32)
