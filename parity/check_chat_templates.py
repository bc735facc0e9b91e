"""Compares gorqa's renderings of chat templates with transformers'.

    python parity/check_chat_templates.py FOLDER...

takes every *.jinja file under the folders, and the chat templates of
tokenizer_config.json files there, renders conversations through them in
transformers' environment and in gorqa's (go test ./text/jinja), and prints
how many templates render the same throughout. Templates are their models'
and stay outside of the repository.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import jinja2
import transformers

from jinja_cases import NOW, outcome

ROOT = pathlib.Path(__file__).resolve().parent.parent


def m(role, content, **more):
    return {"role": role, "content": content, **more}


def part(text):
    return [{"type": "text", "text": text}]


CALL = {"type": "function", "id": "call12345", "function": {"name": "search", "arguments": {"query": "ü <b>", "k": 3, "deep": True}}}
TOOLS = [{"type": "function", "function": {"name": "search", "description": "Looks \"it\" up.", "parameters": {
    "type": "object", "required": ["query"], "properties": {
        "query": {"type": "string", "description": "What to look for.\nAs text."},
        "k": {"type": "integer", "default": 3, "enum": [1, 2, 3]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "where": {"type": "object", "properties": {"a": {"type": ["number", "null"]}}}}}}}]
CONVERSATIONS = {
    "user": [m("user", "Hello?")],
    "system": [m("system", "Be brief."), m("user", "Hello?")],
    "turns": [m("user", "Q1"), m("assistant", "A1"), m("user", "Q2"), m("assistant", "A2"), m("user", "Q3")],
    "system and turns": [m("system", "S"), m("user", "Q1"), m("assistant", "A1"), m("user", "Q2")],
    "closed": [m("system", "S"), m("user", "Q1"), m("assistant", "A1")],
    "unicode and markup": [m("system", "Réponds « en français » 日本語"), m("user", "😀 {{ 7*7 }} <b>&'\"\\n"), m("assistant", "<think>\nhm\n</think>\n\nÇa va\u2028?"), m("user", "  \n¿Y?\t\n")],
    "empty": [m("user", ""), m("assistant", ""), m("user", "")],
    "reasoning": [m("user", "Q1"), m("assistant", "A1", reasoning_content="R1\n"), m("user", "Q2"), m("assistant", "A2", reasoning_content="R2")],
    "parts": [m("system", part("S")), m("user", part("Q1")), m("assistant", part("A1")), m("user", part("Q2"))],
    "assistant first": [m("assistant", "A"), m("user", "Q")],
    "user twice": [m("user", "Q1"), m("user", "Q2")],
    "tool calls": [m("system", "S"), m("user", "Q"), m("assistant", "", tool_calls=[CALL]), m("tool", "{\"found\": 1}", name="search", tool_call_id="call12345"), m("assistant", "A"), m("user", "Q2")],
}


def cases(name, source):
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    for title, conversation in CONVERSATIONS.items():
        for generation in (False, True):
            for more in ({}, {"enable_thinking": False}, {"enable_thinking": True}) if "enable_thinking" in source else ({},):
                for tools in (None, TOOLS) if title in ("user", "tool calls") else (None,):
                    variables = {"messages": conversation, "tools": tools, "documents": None, "add_generation_prompt": generation, **tokens, **more}
                    label = f"{name}\t{title}, add_generation_prompt {generation}, {more}{', tools' if tools else ''}"
                    yield {"name": label, "source": source, "variables": variables, **outcome(source, variables)}


def templates(folders):
    seen = set()
    for folder in map(pathlib.Path, folders):
        for path in sorted(folder.rglob("*")):
            found = []
            if path.suffix == ".jinja":
                found = [(str(path.relative_to(folder)), path.read_text(encoding="utf-8"))]
            elif path.name.endswith("tokenizer_config.json"):
                own = json.loads(path.read_text(encoding="utf-8")).get("chat_template")
                own = own if isinstance(own, list) else [{"name": "", "template": own}] if own else []
                found = [(f"{path.relative_to(folder)} {t['name']}", t["template"]) for t in own]
            for name, source in found:
                if source not in seen and re.search(r"messages|\bcontent\b", source):
                    seen.add(source)
                    yield name, source


def main():
    everything, names = [], []
    for name, source in templates(sys.argv[1:]):
        names.append(name)
        everything.extend(cases(name, source))
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as f:
        json.dump({"now": NOW.isoformat(), "cases": everything}, f)
    run = subprocess.run(
        ["go", "test", "./text/jinja", "-count=1", "-v", "-run", "TestPublicTemplates"],
        cwd=ROOT, env={**os.environ, "GORQA_CHAT_TEMPLATES": f.name}, text=True, capture_output=True)
    os.remove(f.name)
    print(run.stdout[-int(os.environ.get("SHOW", "6000")):], run.stderr)
    rendered = sum("text" in c for c in everything)
    print(f"transformers {transformers.__version__}, jinja2 {jinja2.__version__}: {len(names)} different templates, {len(everything)} conversations, of which jinja2 renders {rendered} and refuses {len(everything) - rendered}")
    sys.exit(run.returncode)


main()
