#!/usr/bin/env bash
# pylatexenc 2.11, latex2text: what stands in \texttt, \textsf, \textup, \textmd, \mbox, \verb or in verbatim is lost, without a word.
# Expected was their text, which \textbf, \textsc and \text leave behind, and so does any command that pylatexenc has never heard of.
#
# Its parser knows that these take an argument and its table of texts lacks them, so that the text is taken away with the command. Of
# an unknown one the braces are left and read as text, by design (issue 60). Names of files, options and functions, which papers and
# manuals set in typewriter, are what one asks about. Issue 68 was the same for \ensuremath and was mended for that one. The
# documentation has how to define a command's text, and not that the default ones lose it.
#
# Seen on Python 3.11, pylatexenc 2.11:
#   text of textbf, textit, textsc, text, emph, underline, unknown kept; of textmd, textsf, texttt, textup, mbox lost
#   'Set \\texttt{top\\_k} to 40.': 'Set  to 40.'
#   'Run \\verb|make all| first.': 'Run  first.'
#   'Run\n\\begin{verbatim}\nmake all\n\\end{verbatim}\nfirst.': 'Run\n\nfirst.'
#   'Run\n\\begin{lstlisting}\nmake all\n\\end{lstlisting}\nfirst.': 'Run\n\nmake all\n\nfirst.'
#   '$x = 5 \\mbox{ if } y$': 'x = 5  y'
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check pylatexenc==2.11
"$work/v/bin/python" - 2>&1 <<'P' | tee "$work/seen"
from pylatexenc.latex2text import LatexNodes2Text
text = LatexNodes2Text().latex_to_text
kept, lost = [], []
for name in ("textbf", "textit", "textsc", "text", "emph", "underline", "unknown", "textmd", "textsf", "texttt", "textup", "mbox"):
    (kept if "word" in text(f"\\{name}{{word}}") else lost).append(name)
print(f"text of {', '.join(kept)} kept; of {', '.join(lost)} lost")
for latex in (r"Set \texttt{top\_k} to 40.", r"Run \verb|make all| first.", "Run\n\\begin{verbatim}\nmake all\n\\end{verbatim}\nfirst.",
              "Run\n\\begin{lstlisting}\nmake all\n\\end{lstlisting}\nfirst.", r"$x = 5 \mbox{ if } y$"):
    print(f"{latex!r}: {text(latex)!r}")
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
