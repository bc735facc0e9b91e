(() => {
  const $ = (id) => document.getElementById(id);
  const drawing = (name, attributes, text) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const figure = (x, digits = 4) => Math.abs(x) >= 1e5 || (x !== 0 && Math.abs(x) < 1e-3) ? x.toExponential(2) : String(Number(x.toPrecision(digits)));
  const colours = 6;

  const unpacked = async () => {
    const bytes = Uint8Array.from(atob(JSON.parse($("data").textContent)), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  };

  // smoothed is the exponential moving average, its beginning corrected for what it lacks.
  const smoothed = (points, weight) => {
    let sum = 0;
    let all = 0;
    return points.map(([step, value]) => {
      sum = sum * weight + value * (1 - weight);
      all = all * weight + 1 - weight;
      return [step, sum / all];
    });
  };

  // ticks are round numbers between two, about so many.
  const ticks = (low, high, about) => {
    const rough = (high - low) / about;
    const ten = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * ten).find((s) => s >= rough);
    const found = [];
    for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i++) found.push(i * step);
    return found;
  };

  // draw makes a curve's figure; its reading follows the pointer or the arrow keys.
  const draw = (curve, wide, weight) => {
    const width = wide ? 1160 : 460;
    const height = wide ? 300 : 220;
    const area = { left: 62, right: width - 12, top: 10, bottom: height - 26 };
    const lines = curve.lines.map((l) => {
      const smooths = !curve.exact && weight > 0 && l.points.length > 8;
      return { ...l, smooths, smooth: smooths ? smoothed(l.points, weight) : l.points };
    });
    const all = lines.flatMap((l) => l.points);
    const steps = [...new Set(all.map((p) => p[0]))].sort((a, b) => a - b);
    let low = Math.min(...all.map((p) => p[1]));
    let high = Math.max(...all.map((p) => p[1]));
    if (high - low < 1e-12 * Math.max(1, Math.abs(high))) { low -= Math.max(1e-9, Math.abs(low) / 2); high += Math.max(1e-9, Math.abs(high) / 2); }
    const first = steps[0];
    const last = steps.at(-1);
    const x = (step) => last > first ? area.left + (area.right - area.left) * (step - first) / (last - first) : (area.left + area.right) / 2;
    const y = (value) => area.bottom - (area.bottom - area.top) * (value - low) / (high - low);
    const path = (points) => points.map((p) => `${x(p[0]).toFixed(1)},${y(p[1]).toFixed(1)}`).join(" ");

    const summary = lines.map((l) => `${l.name}: ${figure(l.points[0][1])} at step ${l.points[0][0]}, ${figure(l.points.at(-1)[1])} at step ${l.points.at(-1)[0]}`).join("; ");
    const svg = drawing("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: "0", "aria-label": `${curve.title}. ${summary}. Left and right arrow keys read it step by step.` });
    for (const v of ticks(low, high, 4)) {
      svg.append(drawing("line", { class: "grid", x1: area.left, x2: area.right, y1: y(v), y2: y(v) }), drawing("text", { x: area.left - 6, y: y(v) + 4, "text-anchor": "end" }, figure(v)));
    }
    svg.append(drawing("text", { x: area.left, y: height - 6 }, `step ${first}`), drawing("text", { x: area.right, y: height - 6, "text-anchor": "end" }, String(last)));
    for (const l of lines) {
      const colour = `run${l.run % colours}`;
      const dashed = l.dashed ? " dashed" : "";
      if (l.points.length === 1) svg.append(drawing("circle", { class: colour, cx: x(l.points[0][0]), cy: y(l.points[0][1]), r: 4 }));
      if (l.smooths) svg.append(drawing("polyline", { class: `raw ${colour}`, points: path(l.points) }));
      svg.append(drawing("polyline", { class: `line ${colour}${dashed}`, points: path(l.smooth) }));
    }
    const cursor = drawing("line", { class: "cursor", y1: area.top, y2: area.bottom, visibility: "hidden" });
    svg.append(cursor);

    const box = element("figure");
    const caption = element("figcaption");
    caption.append(element("b", curve.title));
    if (lines.length > 1) caption.append(...lines.map((l) => element("span", l.name, `key run${l.run % colours}${l.dashed ? " dashed" : ""}`)));
    const reading = element("output");
    const latest = () => lines.map((l) => lines.length > 1 ? `${l.name} ${figure(l.points.at(-1)[1])}` : `last ${figure(l.points.at(-1)[1])}`).join(" · ");
    reading.textContent = latest();
    let at = steps.length;
    const read = (i) => {
      at = Math.max(0, Math.min(steps.length - 1, i));
      cursor.setAttribute("x1", x(steps[at]));
      cursor.setAttribute("x2", x(steps[at]));
      cursor.setAttribute("visibility", "visible");
      const here = lines.flatMap((l) => l.points.filter((p) => p[0] === steps[at]).map((p) => lines.length > 1 ? `${l.name} ${figure(p[1])}` : figure(p[1])));
      reading.textContent = `step ${steps[at]}: ${here.join(" · ")}`;
    };
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const step = first + (last - first) * ((event.clientX - box.left) / box.width * width - area.left) / (area.right - area.left);
      let near = 0;
      steps.forEach((s, i) => { if (Math.abs(s - step) < Math.abs(steps[near] - step)) near = i; });
      read(near);
    });
    svg.addEventListener("pointerleave", () => { cursor.setAttribute("visibility", "hidden"); reading.textContent = latest(); });
    svg.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      read(at + by);
    });
    box.append(caption, svg, reading);
    return box;
  };

  const showCurves = (curves) => {
    const show = () => $("charts").replaceChildren(...curves.map((c, i) => draw(c, i === 0 && innerWidth > 800, Number($("smoothing").value))));
    $("smoothing").addEventListener("input", show);
    matchMedia("(min-width: 801px)").addEventListener("change", show);
    show();
  };

  const pageRows = 25;
  const showRows = (data) => {
    const state = { search: "", group: "", score: data.scores[0]?.key ?? "", by: -1, down: false, from: 0 };
    const opened = new Set();
    const rows = data.rows.map((row, at) => {
      const passages = [...new Set([...(row.gold_docs ?? []), ...row.answers.flatMap((a) => a.passages ?? [])])];
      const text = [row.question, ...(row.history ?? []), row.gold, ...row.answers.flatMap((a) => [a.text, a.note ?? ""]), ...passages.map((p) => data.passages[p].text)].join("\n").toLowerCase();
      return { ...row, at, text };
    });
    const several = data.answers.length > 1;
    const score = (row, i) => row.answers[i].scores?.[state.score];
    const change = (row) => { const [a, b] = [score(row, 0), score(row, data.answers.length - 1)]; return a === undefined || b === undefined ? undefined : b - a; };
    const columns = [
      { name: "Question", key: (r) => r.question.toLowerCase() },
      { name: "Gold", wide: true, key: (r) => r.gold.toLowerCase(), text: (r) => r.gold },
      ...data.answers.map((name, i) => ({ name: several ? `Answer ${name}` : "Answer", wide: true, key: (r) => r.answers[i].text.toLowerCase(), text: (r) => r.answers[i].text })),
      ...data.answers.map((name, i) => ({ name: several ? `Score ${name}` : "Score", figure: true, wide: several && i < data.answers.length - 1, key: (r) => score(r, i) })),
      ...(several ? [{ name: "Change", figure: true, signed: true, key: change }] : []),
    ];
    const shown = () => {
      const words = state.search.trim().toLowerCase();
      const found = rows.filter((r) => (!state.group || r.group === state.group) && r.text.includes(words));
      if (state.by < 0) return found;
      const key = columns[state.by].key;
      const sign = state.down ? -1 : 1;
      return found.sort((a, b) => {
        const [p, q] = [key(a), key(b)];
        if (p === undefined || q === undefined) return (p === undefined) - (q === undefined) || a.at - b.at;
        return (p < q ? -sign : p > q ? sign : 0) || a.at - b.at;
      });
    };
    const part = (title, ...texts) => [element("h3", title), ...texts.map((t) => element("p", t))];
    const passage = (p, row, answer) => {
      const d = element("details");
      const { title, text } = data.passages[p];
      const shown = element("p");
      shown.append(marked(text, answer));
      d.append(element("summary", (row.gold_docs?.includes(p) ? "gold: " : "") + title), shown);
      return d;
    };
    const details = (row) => {
      const cell = element("td");
      cell.colSpan = columns.length;
      cell.append(...part("Question", row.question));
      if (row.history) cell.append(...part("Before it", ...row.history));
      cell.append(...part("Gold answer", row.gold));
      const answers = element("div", undefined, "answers");
      row.answers.forEach((a, i) => {
        const box = element("div");
        box.append(...part(several ? `Answer ${data.answers[i]}` : "Answer", a.missing ? "No answer to this question." : a.text));
        if (a.note) box.append(...part("Judge", a.note));
        const scores = data.scores.filter((s) => a.scores?.[s.key] !== undefined);
        if (scores.length > 0) box.append(...part("Scores", scores.map((s) => `${s.name} ${figure(a.scores[s.key])}`).join(" · ")));
        if (a.passages?.length > 0) box.append(element("h3", "Passages"), ...a.passages.map((p) => passage(p, row, a.text)));
        answers.append(box);
      });
      cell.append(answers);
      const other = (row.gold_docs ?? []).filter((p) => !row.answers.some((a) => a.passages?.includes(p)));
      if (other.length > 0) cell.append(element("h3", "Gold passages"), ...other.map((p) => passage(p, row, row.gold)));
      const line = element("tr", undefined, "full");
      line.id = `full${row.at}`;
      line.append(cell);
      return line;
    };
    const line = (row) => {
      const tr = element("tr");
      columns.forEach((c, i) => {
        const td = element("td", undefined, [c.wide && "wide", c.figure && "figure"].filter(Boolean).join(" "));
        if (i === 0) {
          const open = element("button", undefined, "open");
          open.type = "button";
          open.append(element("span", row.question, "short"));
          open.setAttribute("aria-expanded", String(opened.has(row.at)));
          open.addEventListener("click", () => {
            if (opened.delete(row.at)) $(`full${row.at}`).remove();
            else { opened.add(row.at); tr.after(details(row)); }
            open.setAttribute("aria-expanded", String(opened.has(row.at)));
          });
          td.append(open);
        } else if (c.figure) {
          const v = c.key(row);
          td.textContent = v === undefined ? "–" : (c.signed && v > 0 ? "+" : "") + figure(v, 3);
        } else td.append(element("span", c.text(row), "short"));
        tr.append(td);
      });
      return tr;
    };
    const show = () => {
      const found = shown();
      state.from = Math.max(0, Math.min(state.from, Math.floor((found.length - 1) / pageRows) * pageRows));
      const page = found.slice(state.from, state.from + pageRows);
      $("rows").tBodies[0].replaceChildren(...page.flatMap((r) => opened.has(r.at) ? [line(r), details(r)] : [line(r)]));
      const more = data.all > rows.length ? ` (the first ${rows.length} of ${data.all} are in this file)` : "";
      $("place").textContent = found.length === 0 ? "No row has this." : `${state.from + 1}–${state.from + page.length} of ${found.length}${more}`;
      $("before").disabled = state.from === 0;
      $("after").disabled = state.from + pageRows >= found.length;
      [...$("rows").tHead.rows[0].cells].forEach((cell, i) => {
        cell.setAttribute("aria-sort", i !== state.by ? "none" : state.down ? "descending" : "ascending");
        cell.firstChild.textContent = columns[i].name + (i !== state.by ? "" : state.down ? " ↓" : " ↑");
      });
    };
    const head = element("tr");
    columns.forEach((c, i) => {
      const th = element("th", undefined, c.wide ? "wide" : "");
      th.scope = "col";
      const sort = element("button", c.name);
      sort.type = "button";
      sort.addEventListener("click", () => {
        if (state.by !== i) [state.by, state.down] = [i, false];
        else if (!state.down) state.down = true;
        else state.by = -1;
        state.from = 0;
        show();
      });
      th.append(sort);
      head.append(th);
    });
    $("rows").tHead.replaceChildren(head);
    const options = (id, list) => $(id).replaceChildren(...list.map(([value, text]) => { const o = element("option", text); o.value = value; return o; }));
    const groups = [...new Set(rows.map((r) => r.group))];
    options("group", [["", "all"], ...groups.map((g) => [g, g])]);
    $("grouping").hidden = groups.length < 2;
    options("score", data.scores.map((s) => [s.key, s.name]));
    for (const id of ["search", "group", "score"]) $(id).addEventListener("input", () => { state[id] = $(id).value; state.from = 0; show(); });
    $("before").addEventListener("click", () => { state.from -= pageRows; show(); });
    $("after").addEventListener("click", () => { state.from += pageRows; show(); });
    show();
  };

  unpacked().then(({ curves, rows }) => {
    if (curves?.length > 0) showCurves(curves);
    if (rows.rows?.length > 0) showRows(rows);
    document.body.dataset.ready = "true";
  }).catch((error) => {
    document.querySelector("main").append(element("p", `The curves and the answers cannot be drawn (${error.message}); a browser of 2023 or later expected.`, "note"));
  });
})();
