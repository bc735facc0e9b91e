"""Measures the Unicode tables of Hugging Face tokenizers over all code points
and writes tokenizer/tables.go.

The library mixes Unicode versions (Oniguruma, the regex crate, Rust's std,
unicode_categories, unicode-normalization-alignments at 9.0), so the tables are
taken from its behaviour, not from a Unicode data file.

    python parity/make_tokenizer_unicode.py
"""
import os

import tokenizers
from make_tokenizer_files import charsmap
from tokenizers import Regex, normalizers, pre_tokenizers

CODES = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
CHUNK = 2048


def chunks():
    for i in range(0, len(CODES), CHUNK):
        yield "".join(map(chr, CODES[i:i + CHUNK]))


def removed(norm):
    """Code points that a normalizer deletes."""
    out = []
    for s in chunks():
        kept = set(norm(s))
        out += [ord(c) for c in s if c not in kept]
    return out


def by_regex(pattern):
    return removed(normalizers.Replace(Regex(pattern), "").normalize_str)


def by_pre(pre):
    return removed(lambda s: "".join(p for p, _ in pre.pre_tokenize_str(s)))


def where(test):
    return [c for c in CODES if test(chr(c))]


def ranges(codes):
    out = []
    for c in codes:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def delta(codes):
    """gap,length pairs in hexadecimal: the gap from the end of the range before."""
    words, last = [], 0
    for lo, hi in ranges(codes):
        words.append(f"{lo - last:x}" if lo == hi else f"{lo - last:x}+{hi - lo:x}")
        last = hi
    return " ".join(words)


digits = pre_tokenizers.Digits(individual_digits=True)
words = pre_tokenizers.Whitespace()
lower = normalizers.Lowercase()
nfd, nfkd = normalizers.NFD(), normalizers.NFKD()
bert = lambda **k: normalizers.BertNormalizer(**dict(dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False), **k))
clean = bert(clean_text=True)
accents = bert(strip_accents=True)


# Grapheme clusters show through the normalizer Precompiled: it replaces a
# cluster of under six bytes whole by its first mapped rune, so a mark after a
# mapped rune is lost unless the two stand in a longer cluster.
MARK = "\u0300"


def clusters(mapped, text, lost):
    """Code points c for which the mark of text(c) is lost, or kept."""
    norm = normalizers.Precompiled(charsmap({mapped: "Z"}))
    return [c for c in CODES if c != ord(lost) and (lost not in norm.normalize_str(text(chr(c))))]


def kept(mapped, text):
    gone = set(clusters(mapped, text, MARK))
    return [c for c in CODES if c not in gone and chr(c) != MARK]


norm_a = normalizers.Precompiled(charsmap({"a": "Z"}))
joining = where(lambda c: c != "a" and norm_a.normalize_str("a" + c) == "Z")
extend = set(kept("©", lambda c: "©" + c + "\u200d©" + MARK)) | {ord(MARK)}
zwj = {0x200D}
indic = set(kept("क", lambda c: "क" + c + "\u094dक" + MARK))
before_v = set(kept("\u1161", lambda c: c + "\u1161" + MARK))
before_t = set(kept("\u11a8", lambda c: c + "\u11a8" + MARK))
syllables = set(range(0xAC00, 0xD7A4))
prepending = kept("a", lambda c: c + "a" + MARK)
before_v -= set(prepending)
before_t -= set(prepending)


def hangul(c):
    return 0xAC00 <= ord(c) <= 0xD7A3


sets = {
    "letters": ("\\p{L} of Oniguruma", by_regex(r"\p{L}")),
    "numbers": ("\\p{N} of Oniguruma", by_regex(r"\p{N}")),
    "spaces": ("\\s of Oniguruma", by_regex(r"\s")),
    "numeric": ("char::is_numeric", where(lambda c: len(digits.pre_tokenize_str("a" + c + "a")) == 3)),
    "punctuation": ("punctuation, ASCII's wide sense and category P", by_pre(pre_tokenizers.Punctuation("removed"))),
    "wordRunes": ("\\w of the regex crate", where(lambda c: [p for p, _ in words.pre_tokenize_str("a" + c)] == ["a" + c])),
    "others": ("category C, as BertNormalizer cleans it", where(lambda c: clean.normalize_str("a" + c + "b") == "ab")),
    "nonspacing": ("category Mn, as BertNormalizer strips it", where(lambda c: accents.normalize_str("a" + c) == "a" and c != "a")),
    "combining": ("category M, as StripAccents strips it", removed(normalizers.StripAccents().normalize_str)),
    "decomposing": ("runes that NFKD takes apart, Hangul syllables left out", where(lambda c: not hangul(c) and nfkd.normalize_str(c) != c)),
    "reordering": ("runes with a canonical combining class",
                   where(lambda c: not hangul(c) and (c == "\u0345" or nfd.normalize_str("a\u0345" + c) != "a\u0345" + nfd.normalize_str(c)))),
}

sets |= {
    "graphemeControl": ("Control, CR and LF of the grapheme clusters", clusters(MARK, lambda c: c + MARK + "\u0301", "\u0301")),
    "graphemeExtend": ("Extend", [c for c in joining if c in extend and c not in zwj]),
    "graphemeSpacing": ("SpacingMark", [c for c in joining if c not in extend and c not in zwj]),
    "graphemePrepend": ("Prepend", prepending),
    "graphemeL": ("Hangul L", sorted(before_v - before_t)),
    "graphemeV": ("Hangul V", sorted((before_v & before_t) - syllables)),
    "graphemeT": ("Hangul T", sorted(before_t - before_v - syllables)),
    "pictographic": ("Extended_Pictographic", [c for c in kept("©", lambda c: c + "\u200d©" + MARK) if c not in prepending]),
    "indicConsonant": ("Indic_Conjunct_Break=Consonant", [c for c in kept("क", lambda c: c + "\u094dक" + MARK) if c not in prepending]),
    "indicLinker": ("Indic_Conjunct_Break=Linker", [c for c in kept("क", lambda c: "क" + c + "क" + MARK) if c not in prepending]),
    "indicExtend": ("Indic_Conjunct_Break=Extend or Linker", [c for c in joining if c == ord(MARK) or c in indic]),
}

# White space is one set everywhere, and Go's unicode.IsSpace too.
white = by_pre(pre_tokenizers.WhitespaceSplit())
assert white == sets["spaces"][1] and len(white) == 25, white

# Lower case: runs of (first, last, step, offset), and what grows to more runes.
runs, special = [], []
for c in CODES:
    low = lower.normalize_str(chr(c))
    if low == chr(c):
        continue
    if len(low) != 1:
        special.append((c, low))
        continue
    d = ord(low) - c
    if runs and runs[-1][3] == d:
        r = runs[-1]
        if r[0] == r[1] and c - r[1] in (1, 2):
            r[1], r[2] = c, c - r[1]
            continue
        if r[0] != r[1] and c - r[1] == r[2]:
            r[1] = c
            continue
    runs.append([c, c, 1, d])

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "..", "text", "tokenizer", "tables.go"), "w") as f:
    w = lambda *a: print(*a, file=f, sep="")
    w("// Code generated by parity/make_tokenizer_unicode.py from Hugging Face tokenizers ", tokenizers.__version__, "; DO NOT EDIT.")
    w()
    w("package tokenizer")
    w()
    w("// Sets of code points: ranges in order, each as the gap from the end of the one")
    w("// before it and, after a plus, its length less one, in hexadecimal.")
    w("const (")
    for name, (about, codes) in sets.items():
        w(f"\t// {name}Set: {about}.")
        text = delta(codes)
        lines, line = [], ""
        for word in text.split(" "):
            if len(line) + len(word) > 110:
                lines.append(line)
                line = ""
            line += word + " "
        lines.append(line.rstrip())
        w(f"\t{name}Set = \"\" +\n\t\t" + " +\n\t\t".join('"' + l + '"' for l in lines))
    w(")")
    w()
    w("// lowerRuns are the lower-case mappings to one rune.")
    w("var lowerRuns = [...]caseRun{")
    for i in range(0, len(runs), 4):
        w("\t" + " ".join("{0x%x, 0x%x, %d, %d}," % tuple(r) for r in runs[i:i + 4]))
    w("}")
    w()
    w("// lowerSpecial are the lower-case mappings to several runes.")
    w("var lowerSpecial = map[rune]string{")
    for c, low in special:
        w("\t0x%x: \"%s\"," % (c, "".join("\\u%04x" % ord(x) for x in low)))
    w("}")
for name, (_, codes) in sets.items():
    print(name, len(codes), len(ranges(codes)))
print("lower runs", len(runs), "special", special)
