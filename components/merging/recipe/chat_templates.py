"""``chat_template`` of a recipe: ``auto``, a name of :data:`TEMPLATES`, or Jinja, as in mergekit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

AUTO = "auto"
MIN_TEMPLATE_LENGTH = 20
"""Characters of the shortest text that is taken for Jinja and not for a mistyped name; as in mergekit."""

TEMPLATES = {
    "alpaca": (
        "{%- for message in messages -%}"
        "{%- if not loop.first -%}{{ '\n\n' }}{%- endif -%}"
        "{%- if message.role == 'user' -%}{{ '### Instruction:\n' }}"
        "{%- elif message.role == 'user_context' -%}{{ '### Input:\n' }}"
        "{%- elif message.role == 'assistant' -%}{{ '### Response:\n' }}{%- endif -%}"
        "{{ message.content | trim }}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{ '\n\n### Response:\n' }}{%- endif -%}"
    ),
    "chatml": (
        "{%- for message in messages -%}"
        "{{ '<|im_start|>' ~ message.role ~ '\n' ~ message.content ~ '<|im_end|>\n' }}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
    ),
    "exaone": (
        "{%- if messages[0].role != 'system' -%}{{ '[|system|][|endofturn|]\n' }}{%- endif -%}"
        "{%- for message in messages -%}"
        "{{ '[|' ~ message.role ~ '|]' ~ message.content }}"
        "{{ '\n' if message.role == 'user' else '[|endofturn|]\n' }}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{ '[|assistant|]' }}{%- endif -%}"
    ),
    "llama3": (
        "{{ bos_token }}"
        "{%- for message in messages -%}"
        "{{ '<|start_header_id|>' ~ message.role ~ '<|end_header_id|>\n\n' }}"
        "{{ message.content | trim ~ '<|eot_id|>' }}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}"
        "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif -%}"
    ),
    "mistral": (
        "{{ bos_token }}"
        "{%- for message in messages -%}"
        "{%- if message.role == 'system' and loop.first -%}"
        "{%- elif message.role == 'user' -%}"
        "{{ ' [INST] ' }}"
        "{%- if loop.index0 == 1 and messages[0].role == 'system' -%}"
        "{{ messages[0].content ~ '\n\n' }}{%- endif -%}"
        "{{ message.content ~ ' [/INST]' }}"
        "{%- elif message.role == 'assistant' -%}{{ ' ' ~ message.content ~ eos_token }}"
        "{%- else -%}{{ raise_exception('expected the roles user and assistant, found ' ~ message.role) }}"
        "{%- endif -%}"
        "{%- endfor -%}"
    ),
}
"""mergekit's named formats: chatml and mistral render as its own do, the others without its stray spaces."""


def most_common_template(tokenizers: Iterable[Any]) -> str | None:
    """Return the chat template that most tokenizers have; of equally many the first; None without any."""
    templates: list[str] = []
    for tokenizer in tokenizers:
        template = tokenizer.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        if template:
            templates.append(template.strip())
    return Counter(templates).most_common(1)[0][0] if templates else None
