"""Renders the chat templates of text/prompt/testdata/chat with transformers.

    python parity/make_chat.py

writes text/prompt/testdata/chat/golden.json.gz: conversations ("cases") and the
prompts and answers that package prompt builds from them ("rows").
"""

import gzip
import json
import pathlib
from datetime import datetime

import jinja2
import transformers
from transformers.utils import chat_template_utils

ROOT = pathlib.Path(__file__).resolve().parent.parent / "text" / "prompt"
FOLDER = ROOT / "testdata" / "chat"
NOW = datetime(2026, 3, 4, 5, 6, 7)


class FixedDatetime(datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = FixedDatetime

TOKENS = {
    "smollm2": {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>"},
    "llama3": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "llama3.2": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "mistral-v0.1": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    "mistral-v0.3": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    "mistral-v0.2": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    "qwen2.5": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "qwen3": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "functions": {},
    "whitespace": {},
}


def m(role, content):
    return {"role": role, "content": content}


CONVERSATIONS = {
    "user": [m("user", "Hello?")],
    "system": [m("system", "Be brief."), m("user", "Hello?")],
    "turns": [m("user", "Q1"), m("assistant", "A1"), m("user", "Q2"), m("assistant", "A2"), m("user", "Q3")],
    "system and turns": [m("system", "S"), m("user", "Q1"), m("assistant", "A1"), m("user", "Q2")],
    "closed": [m("system", "S"), m("user", "Q1"), m("assistant", "A1")],
    "unicode": [m("system", "Réponds « en français » 日本語"), m("user", "😀 \u200d ñ \u00a0 e\u0301 שלום"), m("assistant", "Ça va\u2028?"), m("user", "¿Y?")],
    "white space": [m("system", "  \n S \t"), m("user", "\n\n Q \x1c\n"), m("assistant", "  A\n\nB  "), m("user", " \u3000")],
    "markup": [m("user", "{{ 7*7 }} {% if x %} {# c #} <b>&amp;'\"\\n"), m("assistant", "<|im_end|>\n<think>\nhm\n</think>\n\nyes"), m("user", "<tool_response>x</tool_response>")],
    "empty": [m("user", ""), m("assistant", ""), m("user", "")],
    "same question twice": [m("system", "S"), m("user", "Q"), m("assistant", "A"), m("user", "Q")],
    "assistant first": [m("assistant", "A"), m("user", "Q")],
    "user twice": [m("user", "Q1"), m("user", "Q2")],
}


def render(name, source, conversation, generation, now=True):
    try:
        out, _ = chat_template_utils.render_jinja_template(
            conversations=[conversation],
            chat_template=source,
            add_generation_prompt=generation,
            **TOKENS[name],
        )
        return {"text": out[0]}
    except jinja2.exceptions.TemplateError as err:
        return {"error": str(err)}


# What package prompt makes of a row: the default instruction and the passages
# as the system message, or before the first user message where the template
# refuses a system message.
INSTRUCTION = (ROOT / "default.txt").read_text().split("{dialogue}")[0].strip()
ROWS = {
    "one turn": {"passages": ["Source: s\nContent:\nA", "B"], "history": [], "question": "Q?", "answer": "It is A."},
    "history": {"passages": ["é <b>"], "history": [["USER", "Q1"], ["ASSISTANT", "A1"]], "question": "Q2", "answer": "Ça & <|x|>"},
    "answer with space": {"passages": [], "history": [], "question": "Q", "answer": " \n a b \n\n"},
}


def row(name, source, r):
    instruction = INSTRUCTION.replace("{passages}", "\n".join(r["passages"]))
    turns = [m("user" if s == "USER" else "assistant", t) for s, t in r["history"]] + [m("user", r["question"])]
    if "error" in render(name, source, [m("system", "S"), m("user", "U")], True):
        conversation = [m("user", instruction + "\n\n" + turns[0]["content"])] + turns[1:]
    else:
        conversation = [m("system", instruction)] + turns
    prompt = render(name, source, conversation, True)["text"]
    whole = render(name, source, conversation + [m("assistant", r["answer"])], False)["text"]
    assert whole.startswith(prompt), (name, prompt, whole)
    return {"prompt": prompt, "answer": whole[len(prompt):]}


cases, rows = [], []
for name in TOKENS:
    source = (FOLDER / f"{name}.jinja").read_text()
    for title, conversation in CONVERSATIONS.items():
        for generation in (False, True):
            cases.append({
                "template": name, "conversation": title, "messages": conversation,
                "add_generation_prompt": generation, **render(name, source, conversation, generation),
            })
    if name in ("functions", "whitespace"):
        continue
    for title, r in ROWS.items():
        rows.append({"template": name, "row": title, **r, **row(name, source, r)})
        rows[-1]["text"] = r["answer"]
        rows[-1]["answer"] = row(name, source, r)["answer"]

golden = {
    "made_by": "parity/make_chat.py",
    "versions": {"transformers": transformers.__version__, "jinja2": jinja2.__version__},
    "seed": None, "dtype": "text", "tolerance": 0,
    "now": NOW.isoformat() + "Z",
    "special_tokens": TOKENS,
    "cases": cases,
    "rows": rows,
}
with open(FOLDER / "golden.json.gz", "wb") as f:
    f.write(gzip.compress(json.dumps(golden, ensure_ascii=False, indent=1).encode(), mtime=0))
print(len(cases), "cases,", sum("error" in c for c in cases), "refused,", len(rows), "rows")
