"""A real server: ``transformers serve`` with a tiny model, whose answers are those of ``generate``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from components.endpoints.chat import open_chat
from components.models import resolve
from tests.components.decoding.tiny_models import llama
from tests.components.translation.tokenizers import characters
from tests.serving import free_port, wait_for

pytest.importorskip("openai", reason="needs the extra served")
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"
TOKENIZER = characters(["<pad>", "</e>", "<eot>", "<unk>"], newline=True, bos_token="<eot>", eos_token="</e>")
TOKENIZER.chat_template = TEMPLATE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with random weights."""
    path = tmp_path_factory.mktemp("tiny")
    network = llama(vocabulary=len(TOKENIZER), positions=512)
    network.generation_config.eos_token_id, network.generation_config.pad_token_id = 1, 0
    network.save_pretrained(path)
    TOKENIZER.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder)]
    where = ["--device", "cpu", "--dtype", "float32", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([*command, *where], env=environment, stdout=log, stderr=log)
    try:
        wait_for(process, f"http://127.0.0.1:{port}", folder / "server.log")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(20)


@torch.no_grad()
def test_answers_are_those_of_generate(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path))
    monkeypatch.setenv("ANTIPHON_SERVED_URL", url)
    monkeypatch.setenv("ANTIPHON_SERVED_TINY_MODEL", str(folder))
    assert resolve("served:tiny").reference == "served:tiny"
    texts = ["a dog", "two cats", "x"]
    answers = open_chat("tiny").generate([(("user", text),) for text in texts], 24)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    for text, answer in zip(texts, answers, strict=True):
        prompt = TOKENIZER.apply_chat_template(
            [{"role": "user", "content": text}],
            return_tensors="pt",
            add_generation_prompt=True,
            return_dict=True,
        )
        ids = model.generate(**prompt, do_sample=False, max_new_tokens=24, eos_token_id=1, pad_token_id=0)[
            0, prompt["input_ids"].shape[1] :
        ]
        expected = TOKENIZER.decode(ids, skip_special_tokens=True).strip()
        assert (answer.text, answer.output_tokens) == (expected, len(ids))
