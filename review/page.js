(() => {
  const $ = (id) => document.getElementById(id);
  const pairs = document.body.dataset.pairs === "true";
  const numbered = (labels) => labels.map((label, i) => ({ label, value: i + 1 }));
  const scales = pairs
    ? [{ name: "Preference", question: "Which answer is better?", choices: [{ label: "the left one", value: "left" }, { label: "neither", value: "tie" }, { label: "the right one", value: "right" }] }]
    : JSON.parse($("data").textContent).map((s) => ({ ...s, choices: numbered(s.labels) }));
  let rater = "";
  let items = 0;
  let rated = new Set();
  let item = null;

  const post = async (path, more) => {
    const headers = { "Content-Type": "application/json" };
    if ($("key")) headers.Authorization = "Bearer " + $("key").value;
    const response = await fetch(path, { method: "POST", headers, body: JSON.stringify({ rater, ...more }) });
    const reply = await response.json().catch(() => ({ error: `The server replied with status ${response.status}.` }));
    if (!response.ok) throw new Error(reply.error);
    return reply;
  };

  const showProgress = () => {
    $("bar").max = items;
    $("bar").value = rated.size;
    $("count").textContent = `${rated.size} of ${items} rated`;
    $("open").disabled = rated.size === items;
  };

  const passageList = (passages, answer, title) => {
    const box = element("div", undefined, "passages");
    box.append(element("h3", title));
    passages.forEach((p, i) => {
      const details = element("details");
      details.open = i === 0 && !pairs;
      const text = element("p");
      text.append(marked(p.text, answer));
      details.append(element("summary", `[${i + 1}] ${p.title}`), text);
      box.append(details);
    });
    return box;
  };

  const show = () => {
    $("history").replaceChildren(...item.history.map((t) => element("li", `${t.speaker}: ${t.message}`)));
    $("question").textContent = item.question;
    $("answers").replaceChildren(...item.answers.map((a, i) => {
      const box = element("div", undefined, "answer");
      box.append(element("h3", pairs ? ["Left answer", "Right answer"][i] : "Answer"), element("p", a.text || "(no words)"));
      if (a.passages.length > 0) box.append(passageList(a.passages, a.text, "Its passages; marked is what it shares with them"));
      return box;
    }));
    $("gold").open = false;
    $("golden").textContent = item.gold;
    $("goldDocs").replaceChildren(...(item.gold_docs.length > 0 ? [passageList(item.gold_docs, item.answers.map((a) => a.text).join("\n"), "Gold passages")] : []));
    for (const s of scales) for (const c of s.choices) input(s, c).checked = item.annotation[s.name] === c.value;
    $("comment").value = item.comment;
    $("saved").textContent = "";
    $("failed").textContent = "";
    $("previous").disabled = item.item === 0;
    $("next").disabled = item.item === items - 1;
    showProgress();
    turnTo(scales.find((s) => item.annotation[s.name] === undefined) ?? scales[0]);
    scrollTo(0, 0);
    $("question").focus({ preventScroll: true });
  };

  let current = scales[0];
  const turnTo = (scale) => {
    current = scale;
    document.querySelectorAll("fieldset").forEach((f) => f.classList.toggle("now", scales.length > 1 && f.id === id(scale)));
  };
  const id = (scale) => "scale" + scales.indexOf(scale);
  const input = (scale, choice) => $(`${id(scale)}-${scale.choices.indexOf(choice)}`);

  // While another item is on its way, nothing is judged: it would be the one before it.
  let loading = false;
  const load = async (at) => {
    if (loading) return;
    loading = true;
    try {
      await save();
      item = await post("/item", { item: at });
      show();
    } catch (error) { $("failed").textContent = error.message; }
    loading = false;
  };

  // save keeps the judgement as it is, unless it is kept already.
  let kept = Promise.resolve();
  const save = () => {
    if (!item || item.comment === $("comment").value && !item.changed) return kept;
    const { item: at, annotation } = item;
    item.comment = $("comment").value;
    item.changed = false;
    $("saved").textContent = "Saving …";
    const judged = item;
    kept = kept.catch(() => {}).then(() => post("/annotate", { item: at, annotation, comment: judged.comment })).then((reply) => {
      rated = new Set(reply.rated);
      showProgress();
      if (item !== judged) return;
      $("saved").textContent = rated.size === items ? "Saved. All are rated; thank you." : "Saved.";
      $("failed").textContent = "";
    });
    return kept.catch((error) => {
      judged.changed = true; // the next click tries again
      $("saved").textContent = "";
      throw error;
    });
  };
  const keep = () => save().catch((error) => { $("failed").textContent = error.message; });

  const judge = (scale, choice) => {
    if (loading) return;
    input(scale, choice).checked = true;
    item.annotation = { ...item.annotation, [scale.name]: choice.value };
    item.changed = true;
    turnTo(scales.find((s) => item.annotation[s.name] === undefined) ?? scale);
    keep();
  };

  for (const scale of scales) {
    const field = element("fieldset");
    field.id = id(scale);
    const legend = element("legend", pairs ? scale.question : scale.name);
    if (!pairs) legend.append(element("small", scale.question));
    const labels = element("div", undefined, "labels");
    scale.choices.forEach((c, i) => {
      const label = element("label");
      const radio = element("input");
      Object.assign(radio, { type: "radio", name: id(scale), id: `${id(scale)}-${i}` });
      radio.addEventListener("change", () => judge(scale, c));
      label.append(radio, element("kbd", String(i + 1)), element("span", c.label));
      labels.append(label);
    });
    field.append(legend, labels);
    field.addEventListener("focusin", () => turnTo(scale));
    $("scales").append(field);
  }

  const unrated = (from) => {
    for (let i = 1; i <= items; i++) if (!rated.has((from + i) % items)) return (from + i) % items;
    return from;
  };
  const move = (by) => { if (item && item.item + by >= 0 && item.item + by < items) load(item.item + by); };
  $("next").addEventListener("click", () => move(1));
  $("previous").addEventListener("click", () => move(-1));
  $("open").addEventListener("click", () => load(unrated(item.item)));
  $("comment").addEventListener("change", keep);
  $("ratings").addEventListener("submit", (event) => event.preventDefault());

  addEventListener("keydown", (event) => {
    if (!item || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("textarea, input:not([type=radio])")) return;
    const choice = current.choices[Number(event.key) - 1];
    if (choice) judge(current, choice);
    else if (event.key === "n") move(1);
    else if (event.key === "p") move(-1);
    else if (event.key === "g") $("gold").open = !$("gold").open;
    else return;
    event.preventDefault();
  });

  const begin = async (name) => {
    rater = name.trim();
    try {
      const state = await post("/state", {});
      items = state.items;
      rated = new Set(state.rated);
      item = await post("/item", { item: rated.size === items ? 0 : unrated(items - 1) });
    } catch (error) {
      $("refused").textContent = error.message;
      return;
    }
    try { sessionStorage.setItem("gorqa:rater", rater); } catch { /* a private window keeps nothing */ }
    $("who").textContent = rater;
    for (const [part, hidden] of [["start", true], ["work", false], ["progress", false], ["leave", false]]) $(part).hidden = hidden;
    show();
  };
  $("start").addEventListener("submit", (event) => {
    event.preventDefault();
    begin($("rater").value);
  });
  $("leave").addEventListener("click", async () => {
    await keep();
    try { sessionStorage.removeItem("gorqa:rater"); } catch { /* nothing was kept */ }
    location.reload();
  });
  let before = "";
  try { before = sessionStorage.getItem("gorqa:rater") ?? ""; } catch { /* nothing was kept */ }
  $("rater").value = before;
  if (before && !$("key")) begin(before); else $("rater").focus();
})();
