#!/usr/bin/env bash
# langchain-text-splitters 1.1.3: MarkdownHeaderTextSplitter, the usual way from Markdown to passages, strips every line,
# those of code blocks too, and drops each character that Python does not call printable. Expected was the text as it is.
#
# Python loses its indentation, nested lists their levels. A no-break space disappears, so two words become one ("10 km"
# is "10km"), as do tabs and the joiners that Hindi, Persian and other scripts are spelt with. Answers that
# quote the source are then found in no passage. ExperimentalMarkdownSyntaxTextSplitter of the same package keeps all.
#
# Seen on Python 3.11, langchain-text-splitters 1.1.3:
#   code: 'if x:\nprint(x)'; list: '- a\n- b'; words: '10km'; tab: 'ab'; Persian letters kept: 7 of 8
#   the experimental one: indented True, all characters True
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install --quiet --disable-pip-version-check langchain-text-splitters==1.1.3
"$work/v/bin/python" - <<'P' | tee "$work/seen"
from langchain_text_splitters import ExperimentalMarkdownSyntaxTextSplitter, MarkdownHeaderTextSplitter
def passage(text, splitter=MarkdownHeaderTextSplitter):
    return "".join(d.page_content for d in splitter([("#", "title")]).split_text("# Title\n" + text)).strip()
code = "```\nif x:\n    print(x)\n```"
persian = "می\u200cخواهم"
fence = "`"
print("code: %r; list: %r; words: %r; tab: %r; Persian letters kept: %d of %d" % (
    passage(code).strip(fence).strip(), passage("- a\n    - b"), passage("10\u00a0km"), passage("a\tb"), len(passage(persian)), len(persian)))
kept = lambda text: text in passage(text, ExperimentalMarkdownSyntaxTextSplitter)
print("the experimental one: indented %s, all characters %s" % (kept(code), kept("10\u00a0km a\tb " + persian)))
P
diff "$work/seen" - <<'P'
code: 'if x:\nprint(x)'; list: '- a\n- b'; words: '10km'; tab: 'ab'; Persian letters kept: 7 of 8
the experimental one: indented True, all characters True
P
