"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const body = document.body.dataset;
  const store = "gorqa:" + body.model;
  let messages = [];
  let running = null;

  const element = (name, text, className) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    if (className) e.className = className;
    return e;
  };

  const keep = () => {
    try { localStorage.setItem(store, JSON.stringify(messages)); } catch { /* a private window keeps nothing */ }
  };

  const addTurn = (role, text) => {
    const turn = element("li", undefined, role);
    const p = element("p", text);
    turn.append(p);
    $("turns").append(turn);
    turn.scrollIntoView({ block: "end" });
    return { turn, p };
  };

  // Runs of at least so many words that a passage shares with the answer are marked.
  const run = 4;
  const words = (text) => [...text.matchAll(/[\p{L}\p{N}]+/gu)].map((m) => ({ at: m.index, end: m.index + m[0].length, word: m[0].toLowerCase() }));
  const marked = (passage, answer) => {
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

  const showPassages = (citations, answer) => {
    $("list").replaceChildren();
    $("none").hidden = citations.length > 0;
    citations.forEach((c, i) => {
      const item = element("li");
      const details = element("details");
      details.open = i === 0;
      const meta = c.metadata || {};
      const title = meta.title || meta.source || c.text.split("\n", 1)[0];
      details.append(element("summary", `[${i + 1}] ${title}`), element("div", `score ${c.score.toFixed(3)}`, "score"));
      const text = element("div", undefined, "text");
      text.append(marked(c.text, answer));
      details.append(text);
      item.append(details);
      $("list").append(item);
    });
  };

  const headers = () => {
    const h = { "Content-Type": "application/json" };
    if (body.key === "true") h.Authorization = "Bearer " + $("key").value;
    return h;
  };

  const addThumbs = (turn, question, answer, citations) => {
    if (body.feedback !== "true") return;
    const tools = element("div", undefined, "tools");
    const buttons = [["👍", "Good answer", "up"], ["👎", "Bad answer", "down"]].map(([sign, label, rating]) => {
      const b = element("button", sign);
      b.type = "button";
      b.setAttribute("aria-label", label);
      b.setAttribute("aria-pressed", "false");
      b.addEventListener("click", async () => {
        const sent = await fetch("/feedback", { method: "POST", headers: headers(), body: JSON.stringify({ rating, question, answer, documents: citations.map((c) => c.document), history: messages.slice(0, -2) }) });
        if (sent.ok) buttons.forEach((x) => x.setAttribute("aria-pressed", String(x === b)));
      });
      return b;
    });
    tools.append(...buttons);
    turn.append(tools);
  };

  // events gives the objects of a stream of server-sent events.
  async function* events(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      const parts = rest.split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        const data = part.replace(/^data: /, "");
        if (data === "[DONE]") return;
        yield JSON.parse(data);
      }
    }
  }

  const ask = async (question) => {
    addTurn("user", question);
    const { turn, p } = addTurn("assistant", "");
    turn.setAttribute("aria-busy", "true");
    messages.push({ role: "user", content: question });
    running = new AbortController();
    $("send").hidden = true;
    $("stop").hidden = false;
    let answer = "";
    let citations = [];
    try {
      const retrieve = $("retrieve");
      const response = await fetch("/v1/chat/completions", {
        method: "POST", headers: headers(), signal: running.signal,
        body: JSON.stringify({ messages, stream: true, temperature: Number($("temperature").value), max_tokens: Number($("tokens").value), retrieval: retrieve && !retrieve.checked ? "none" : "auto" }),
      });
      if (!response.ok) throw new Error((await response.json()).error.message);
      for await (const event of events(response)) {
        if (event.error) throw new Error(event.error.message);
        if (event.citations) {
          citations = event.citations;
          showPassages(citations, "");
        }
        answer += event.choices[0]?.delta?.content ?? "";
        p.textContent = answer;
        turn.scrollIntoView({ block: "end" });
      }
    } catch (error) {
      if (error.name !== "AbortError") turn.append(element("p", error.message, "error"));
    }
    turn.removeAttribute("aria-busy");
    if (answer) {
      messages.push({ role: "assistant", content: answer });
      showPassages(citations, answer);
      addThumbs(turn, question, answer, citations);
      keep();
    } else {
      messages.pop();
    }
    running = null;
    $("send").hidden = false;
    $("stop").hidden = true;
    $("question").focus();
  };

  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const question = $("question").value.trim();
    if (!question || running) return;
    $("question").value = "";
    ask(question);
  });
  $("question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      $("ask").requestSubmit();
    }
  });
  $("stop").addEventListener("click", () => running?.abort());
  $("new").addEventListener("click", () => {
    running?.abort();
    messages = [];
    keep();
    $("turns").replaceChildren();
    showPassages([], "");
    $("question").focus();
  });
  try {
    messages = JSON.parse(localStorage.getItem(store) || "[]");
    messages.forEach((m) => addTurn(m.role, m.content));
  } catch { messages = []; }
  $("question").focus();
})();
