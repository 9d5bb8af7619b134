"""A model behind an OpenAI-compatible endpoint as a translator: a function of one's own.

  mt: {kind: python, file: served.py, function: translate, of: asr, to: target, arguments: {model: qwen3}}

The address is OPENAI_BASE_URL (http://127.0.0.1:8000/v1), the key OPENAI_API_KEY: neither is in the graph.
A server that does not answer fails the node, which goes on from there when it is run again; an answer that
is no translation puts its own record aside.
"""

import json
import os
from urllib.request import Request, urlopen


def translate(record, model, timeout=60.0):
    """The record's text in the language that the node writes."""
    task = f"Translate from {record['language']} to {record['target_language']}. Give only the translation."
    messages = [{"role": "system", "content": task}, {"role": "user", "content": record["text"]}]
    body = json.dumps({"model": model, "temperature": 0, "messages": messages}).encode()
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', 'none')}",
    }
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    with urlopen(Request(url, body, headers), timeout=timeout) as response:  # noqa: S310 - our own server
        return json.load(response)["choices"][0]["message"]["content"].strip()
