(() => {
  const $ = (id) => document.getElementById(id);
  const body = document.body.dataset;
  const store = "gorqa:" + body.model;
  let messages = [];
  let running = null;

  const keep = () => {
    try { localStorage.setItem(store, JSON.stringify(messages)); } catch { /* a private window keeps nothing */ }
  };

  // kept are the turns of the last visit: questions and answers in turn, the latter with
  // their passages. What another version kept is left out.
  const kept = () => {
    try {
      const all = JSON.parse(localStorage.getItem(store));
      const right = all.every((m, i) => m.role === ["user", "assistant"][i % 2] && typeof m.content === "string" && (i % 2 === 0 || Array.isArray(m.citations)));
      return right && all.length % 2 === 0 ? all : [];
    } catch { return []; }
  };

  const addTurn = (role, text) => {
    const turn = element("li", undefined, role);
    const p = element("p", text);
    turn.append(p);
    $("turns").append(turn);
    follow(turn, true);
    return { turn, p };
  };

  // follow keeps the end of the conversation in view, unless the reader has gone up.
  const follow = (turn, always) => {
    if (always || turn.getBoundingClientRect().bottom < innerHeight + 100) turn.scrollIntoView({ block: "end" });
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

  const button = (text, label, pressed, press) => {
    const b = element("button", text);
    b.type = "button";
    b.setAttribute("aria-label", label);
    b.setAttribute("aria-pressed", String(pressed));
    b.addEventListener("click", () => press(b));
    return b;
  };

  const press = (buttons, pressed) => buttons.forEach((b) => b.setAttribute("aria-pressed", String(b === pressed)));

  const fail = (turn, message) => {
    const p = element("p", message, "error");
    p.setAttribute("role", "alert");
    turn.append(p);
    follow(turn, true);
  };

  // failure is what a response that is not as it should be says.
  const failure = async (response) => {
    try { return (await response.json()).error.message; } catch { return `The server replied with status ${response.status}.`; }
  };

  const headers = () => {
    const h = { "Content-Type": "application/json" };
    if (body.key === "true") h.Authorization = "Bearer " + $("key").value;
    return h;
  };

  // addTools adds what can be done with the answer messages[at]: its passages, and what one thinks of it.
  const addTools = (turn, at) => {
    const tools = element("div", undefined, "tools");
    const { content: answer, citations } = messages[at];
    if (citations.length > 0) {
      tools.append(button("Passages", "Show the passages of this answer", true, (b) => {
        press(document.querySelectorAll(".of"), b);
        showPassages(citations, answer);
        $("passages").scrollIntoView({ block: "nearest" });
      }));
      tools.lastChild.className = "of";
      press(document.querySelectorAll(".of"), tools.lastChild);
    }
    if (body.feedback === "true") tools.append(...ratings(turn, at));
    turn.append(tools);
  };

  const ratings = (turn, at) => {
    const sent = JSON.stringify({ question: messages[at - 1].content, answer: messages[at].content, documents: messages[at].citations.map((c) => c.document), history: turnsOf(messages.slice(0, at - 1)) });
    const buttons = [["Good", "Good answer", "up"], ["Bad", "Bad answer", "down"]].map(([sign, label, rating]) => button(sign, label, false, async (b) => {
      try {
        const response = await fetch("/feedback", { method: "POST", headers: headers(), body: JSON.stringify({ rating, ...JSON.parse(sent) }) });
        if (!response.ok) throw new Error(await failure(response));
        press(buttons, b);
      } catch (error) { fail(turn, error.message); }
    }));
    return buttons;
  };

  const turnsOf = (all) => all.map(({ role, content }) => ({ role, content }));

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

  // reply streams the answer to messages, and calls show with it and its passages so far.
  const reply = async (all, signal, show) => {
    const retrieve = $("retrieve");
    const response = await fetch("/v1/chat/completions", {
      method: "POST", headers: headers(), signal,
      body: JSON.stringify({ messages: turnsOf(all), stream: true, temperature: Number($("temperature").value), max_tokens: Number($("tokens").value), retrieval: retrieve && !retrieve.checked ? "none" : "auto" }),
    });
    if (!response.ok) throw new Error(await failure(response));
    for await (const event of events(response)) {
      if (event.error) throw new Error(event.error.message);
      show(event.choices[0]?.delta?.content ?? "", event.citations);
    }
  };

  const ask = async (question) => {
    const all = messages; // New chat begins others
    addTurn("user", question);
    const { turn, p } = addTurn("assistant", "");
    turn.setAttribute("aria-busy", "true");
    running = new AbortController();
    const { signal } = running;
    asks(true);
    let answer = "";
    let citations = [];
    try {
      await reply([...all, { role: "user", content: question }], signal, (text, found) => {
        if (found) showPassages(citations = found, "");
        answer += text;
        p.textContent = answer;
        follow(turn, false);
      });
      if (!answer) fail(turn, "The model had nothing to say.");
    } catch (error) {
      if (!signal.aborted) fail(turn, error.message);
    }
    if (messages !== all) return;
    turn.removeAttribute("aria-busy");
    if (answer) {
      all.push({ role: "user", content: question }, { role: "assistant", content: answer, citations });
      showPassages(citations, answer);
      addTools(turn, all.length - 1);
      follow(turn, true);
      keep();
    } else if (!$("question").value.trim()) {
      $("question").value = question;
    }
    asks(false);
  };

  const asks = (now) => {
    if (!now) running = null;
    $("send").hidden = now;
    $("stop").hidden = !now;
    $("question").focus({ preventScroll: true });
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
    asks(false);
  });

  messages = kept();
  messages.forEach((m, i) => {
    const { turn } = addTurn(m.role, m.content);
    if (i % 2 === 1) addTools(turn, i);
  });
  if (messages.length > 0) showPassages(messages.at(-1).citations, messages.at(-1).content);
  $("question").focus({ preventScroll: true });
})();
