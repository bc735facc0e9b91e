"use strict";
// element makes one with a text and a class.
const element = (name, text, className) => {
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  return e;
};

// marked is a passage in which runs of four words at least that it shares with an answer
// are marked.
const marked = (passage, answer) => {
  const run = 4;
  const words = (text) => [...text.matchAll(/[\p{L}\p{N}]+/gu)].map((m) => ({ at: m.index, end: m.index + m[0].length, word: m[0].toLowerCase() }));
  const known = new Set();
  const said = words(answer);
  for (let i = 0; i + run <= said.length; i++) known.add(said.slice(i, i + run).map((w) => w.word).join(" "));
  const all = words(passage);
  const shared = new Array(all.length).fill(false);
  for (let i = 0; i + run <= all.length; i++) {
    if (known.has(all.slice(i, i + run).map((w) => w.word).join(" "))) shared.fill(true, i, i + run);
  }
  const out = document.createDocumentFragment();
  let at = 0;
  for (let i = 0; i < all.length; i++) {
    if (!shared[i]) continue;
    let last = i;
    while (last + 1 < all.length && shared[last + 1]) last++;
    out.append(passage.slice(at, all[i].at), element("mark", passage.slice(all[i].at, all[last].end)));
    at = all[last].end;
    i = last;
  }
  out.append(passage.slice(at));
  return out;
};
