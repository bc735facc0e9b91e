"""Renders prompts with thinking switched off, for templates in the manners of
thinking models, with transformers.

    python parity/make_thinking.py

writes text/prompt/testdata/thinking/golden.json: for each template and row the text
of prompt and answer as training must have them. The prompt is what
apply_chat_template(add_generation_prompt=True, enable_thinking=False) gives, with
the words that the template puts before an assistant's message of its own accord;
the answer is the message with what closes it.
"""

import json
import pathlib

import jinja2
import transformers
from transformers.utils import chat_template_utils

ROOT = pathlib.Path(__file__).resolve().parent.parent / "text" / "prompt"
FOLDER = ROOT / "testdata" / "thinking"
INSTRUCTION = (ROOT / "default.txt").read_text().split("{dialogue}")[0].strip()
OFF = {"enable_thinking": False, "thinking": False}


def m(role, content):
    return {"role": role, "content": content}


def render(source, conversation, generation, **off):
    out, _ = chat_template_utils.render_jinja_template(
        conversations=[conversation], chat_template=source, add_generation_prompt=generation, **off)
    return out[0]


# Where the answer begins: "say" is what the template says before it, which no
# rendering of transformers sets apart; written by hand from the template. Those that
# always think (as DeepSeek-R1's distills, QwQ and Qwen3-Thinking-2507 do) open the
# thoughts in the prompt: "say" closes them, empty.
TEMPLATES = {
    "message": "<think>\n\n</think>\n\n",
    "prompt": "",
    "opened": "",
    "closed": "",
    "system": "",
    "channel": "<|channel|>final<|message|>",
    "spaced": "",
    "qwen3": "",
    "alwaysthinks": "\n</think>\n\n",
    "alwaysthinkschat": "\n</think>\n\n",
    "thinksinanswers": "\n</think>\n\n",
}
ROWS = [
    {"passages": ["A", "B"], "history": [], "question": "Q?", "answer": "It is A."},
    {"passages": ["A"], "history": [["USER", "Q1"], ["ASSISTANT", "A1"]], "question": "Q2", "answer": "42"},
]
rows = []
for name, say in TEMPLATES.items():
    path = FOLDER / f"{name}.jinja"
    source = (path if path.exists() else ROOT / "testdata" / "chat" / f"{name}.jinja").read_text()
    for r in ROWS:
        turns = [m("user" if s == "USER" else "assistant", t) for s, t in r["history"]] + [m("user", r["question"])]
        conversation = [m("system", INSTRUCTION.replace("{passages}", "\n".join(r["passages"])))] + turns
        prompt = render(source, conversation, True, **OFF) + say
        whole = render(source, conversation + [m("assistant", r["answer"])], False, **OFF)
        at = whole.rindex(r["answer"])
        space = " " if name == "spaced" else ""
        rows.append({"template": name, "row": r, "prompt": prompt, "answer": space + whole[at:]})
golden = {
    "made_by": "parity/make_thinking.py",
    "versions": {"transformers": transformers.__version__, "jinja2": jinja2.__version__},
    "seed": None, "dtype": "text", "tolerance": 0, "rows": rows,
}
(FOLDER / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
