#!/usr/bin/env bash
# pysbd 0.3.4 (sentences by rules, 22 languages): a sentence with the sign of the Sun, a flat or a contour integral in it is lost, or
# most of it, without a word. Expected was the text in pieces: the code calls the result of clean=False, the default,
# "nondestructive with whitespaces".
#
# pysbd marks the stops that end no sentence by such signs and changes them back afterwards, so that those of the text become stops too:
# U+2609 "?!", U+266D ":", U+222E and U+222F ".", U+266C an Arabic comma. A sentence changed so isn't found in the text again and
# is left out; char_span=True the same. With clean=True the wrong text is given: a mass of 8 Suns is "8 M?!", B flat is "B:".
# Astronomy writes masses in that sign, music its keys, physics its laws: passages built from sentences lack just those
# statements. Lost text of other causes was mended (issues 37 and 57 of its repository).
#
# Seen on Python 3.11; the sentences, what of the text is lost, and the sentences with clean=True:
#   The mass is 8 M☉ in all. It is young. -> ['in all. ', 'It is young.'], lost 'The mass is 8 M☉ ', clean ['The mass is 8 M?!', 'in all.', 'It is young.']
#   The key is B♭ major. It is short. -> ['It is short.'], lost 'The key is B♭ major. ', clean ['The key is B: major.', 'It is short.']
#   The law is ∮ E·ds = 0 here. It is old. -> ['It is old.'], lost 'The law is ∮ E·ds = 0 here. ', clean ['The law is . E·ds = 0 here.', 'It is old.']
#   The flux is ∯ E·dA here. It is small. -> ['It is small.'], lost 'The flux is ∯ E·dA here. ', clean ['The flux is . E·dA here.', 'It is small.']
#   The key is C♯ minor. It is long. -> ['The key is C♯ minor. ', 'It is long.'], lost '', clean ['The key is C♯ minor.', 'It is long.']
#   The law is ∫ E·ds = 0 here. It is new. -> ['The law is ∫ E·ds = 0 here. ', 'It is new.'], lost '', clean ['The law is ∫ E·ds = 0 here.', 'It is new.']
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check pysbd==0.3.4
cat > "$work/run.py" <<'P'
import sys
from pysbd import Segmenter
plain, spans, clean = Segmenter(clean=False), Segmenter(char_span=True), Segmenter(clean=True)
for text in sys.stdin.read().splitlines():
    found = spans.segment(text)
    kept = {place for span in found for place in range(span.start, span.end)}
    assert [span.sent for span in found] == plain.segment(text)
    lost = "".join(letter for place, letter in enumerate(text) if place not in kept)
    print(f"{text} -> {plain.segment(text)}, lost {lost!r}, clean {clean.segment(text)}")
P
sed -n 's/^#   \(.*\) -> .*/\1/p' "$0" | PYTHONUTF8=1 "$work/v/bin/python" -W ignore "$work/run.py" | tee "$work/seen"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
