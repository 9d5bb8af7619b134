"use strict";
// Texts reach the page through textContent only; blocks of 50 utterances are parsed when first shown.
(() => {
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  const section = $("utterances");
  const size = Number(section.dataset.page);
  const index = JSON.parse($("index").textContent);
  const WER = 0, CHRF = 1, SCORE = 2, LENGTH = 3, BAD = 4, TEXT = 5;
  const blocks = new Map();
  let order = [], page = 0, openAll = false;

  function entry(i) {
    const b = Math.floor(i / size);
    if (!blocks.has(b)) blocks.set(b, JSON.parse($("page-" + b).textContent));
    return blocks.get(b)[i % size];
  }
  function el(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  }
  function add(parent, ...nodes) { parent.append(...nodes); return parent; }
  function words(tag, className, text) {
    const node = el(tag, className, text === "" ? "(empty)" : text);
    if (text === "") node.classList.add("empty");
    node.dir = "auto";
    return node;
  }
  // Punctuation stands at its word again, as in the text that the words were taken from.
  const CLOSING = /^[.,;:!?…)\]}’”»%。，、！？]$/, OPENING = /^[([{„“«¿¡]$/;
  const WORD = { s: "substituted", d: "missing", i: "extra" };
  // One side of an alignment: 1 is the reference, 2 the output.
  function side(stage, which) {
    const edits = stage.edits, className = which === 2 ? "out" : "";
    const node = el("bdi", className);
    node.dir = "auto";
    let before = "";
    for (const edit of edits) {
      const text = edit[which];
      if (text === null) continue;
      if (node.childNodes.length && stage.spaced && !CLOSING.test(text) && !OPENING.test(before)) node.append(" ");
      before = text;
      if (edit[0] === "e") { node.append(text); continue; }
      const mark = el("mark", edit[0], text);
      mark.title = WORD[edit[0]] + (edit[0] === "s" ? ": " + edit[1] + " → " + edit[2] : "");
      node.append(mark);
    }
    if (!node.childNodes.length) { node.classList.add("empty"); node.textContent = "(empty)"; }
    return node;
  }
  function line(parent, label, node) { add(parent, el("span", "k", label), node); }

  function lines(item) {
    const box = el("div", "lines");
    if (item.text && item.stages.length) line(box, "source", words("bdi", "", item.text));
    item.stages.forEach((stage, n) => {
      if (n) box.append(el("span", "gap"));
      if (stage.reason) {
        line(box, stage.stage, add(el("span", "bad"), el("b", "", "quarantined: " + stage.reason), " ", words("bdi", "", stage.detail)));
        return;
      }
      if (stage.edits) {
        line(box, "reference", side(stage, 1));
        line(box, stage.stage, side(stage, 2));
      } else {
        line(box, stage.stage, words("bdi", "out", stage.nbest[0][0]));
      }
    });
    if (!item.stages.length) line(box, "source", words("bdi", "", item.text || "(not processed)"));
    return box;
  }
  const LABEL = { wer: "WER", cer: "CER", chrf: "chrF", bleu: "BLEU" };
  function figures(item) {
    const box = el("span", "figures");
    for (const stage of item.stages) {
      for (const [name, value] of Object.entries(stage.values || {})) {
        if (value === null || name === "bleu") continue;
        add(box, el("span", "", LABEL[name] || name), el("span", "", value.toFixed(1)));
      }
    }
    return box;
  }
  function player(item) {
    const audio = el("audio");
    const clip = item.audio;
    audio.controls = true;
    audio.preload = "none";
    audio.setAttribute("aria-label", "Audio of " + item.id);
    const until = clip.offset > 0 || !clip.embedded ? "#t=" + clip.offset + "," + (clip.offset + clip.seconds).toFixed(3) : "";
    audio.src = (clip.embedded ? $("audio-" + clip.embedded).textContent : clip.link) + until;
    return audio;
  }
  function nbest(stage) {
    const table = el("table"), body = el("tbody"), head = el("tr");
    for (const name of ["", "log-prob", "per token"]) head.append(el("th", "n", name));
    head.append(el("th", "", "hypothesis"));
    stage.nbest.forEach((one, rank) => {
      const row = el("tr");
      add(row, el("td", "n", rank + 1), el("td", "n", one[1].toFixed(2)), el("td", "n", one[2] ? (one[1] / one[2]).toFixed(3) : "–"));
      body.append(add(row, words("td", "", one[0])));
    });
    return add(el("div", "wide"), add(table, add(el("thead"), head), body));
  }
  function tokens(list) {
    const box = el("div", "tokens");
    box.dir = "auto";
    for (const [piece, logProb] of list) {
      const p = Math.exp(logProb);
      const span = el("span", p > 0.9 ? "p0" : p > 0.6 ? "p1" : p > 0.35 ? "p2" : p > 0.15 ? "p3" : "p4", piece);
      span.title = "log-probability " + logProb.toFixed(3) + " (p " + p.toFixed(3) + ")";
      box.append(span, "\u200b");
    }
    return box;
  }
  function more(item) {
    const box = el("div", "more");
    if (item.audio) add(box, el("h3", "", "Audio "), player(item)).querySelector("h3").append(el("span", "", item.audio.name + ", " + item.audio.seconds.toFixed(2) + " s"));
    const stated = [["Source", item.text || null], ["Reference transcript", item.transcript], ...item.references.map((r) => ["Reference translation", r])];
    for (const [label, text] of stated) if (text !== null) add(box, el("h3", "", label), words("div", "", text));
    for (const stage of item.stages) {
      const values = Object.entries(stage.values || {}).filter((v) => v[1] !== null).map((v) => (LABEL[v[0]] || v[0]) + " " + v[1].toFixed(1)).join(", ");
      const head = add(el("h3", "", stage.stage + " "), el("span", "", values));
      box.append(head);
      if (stage.reason) { box.append(words("div", "bad", stage.reason + ": " + stage.detail)); continue; }
      box.append(nbest(stage));
      if (stage.nbest[0][3].length) add(box, el("div", "who", "Tokens of the best, underlined the more the less likely"), tokens(stage.nbest[0][3]));
    }
    return box;
  }
  function utterance(i) {
    const item = entry(i);
    const box = el("details", "utterance");
    const who = add(el("div", "who"), add(el("b"), el("bdi", "", item.id)), figures(item));
    add(box, add(el("summary"), who, lines(item)));
    box.addEventListener("toggle", () => { if (box.open && !box.querySelector(".more")) box.append(more(item)); });
    if (openAll) box.open = true;
    return box;
  }
  function show() {
    const pages = Math.max(1, Math.ceil(order.length / size));
    page = Math.min(Math.max(page, 0), pages - 1);
    const from = page * size, to = Math.min(from + size, order.length);
    $("list").replaceChildren(...order.slice(from, to).map(utterance));
    $("count").textContent = order.length === index.length ? index.length.toLocaleString("en") + " utterances"
      : order.length.toLocaleString("en") + " of " + index.length.toLocaleString("en") + " utterances";
    $("where").textContent = order.length ? (from + 1) + "–" + to + " of " + order.length : "none";
    $("previous").disabled = page === 0;
    $("next").disabled = page === pages - 1;
  }
  const worst = (key, sign) => (a, b) => {
    const x = index[a][key], y = index[b][key];
    return x === null || y === null ? (x === null) - (y === null) || a - b : sign * (x - y) || a - b;
  };
  const SORTS = { order: (a, b) => a - b, wer: worst(WER, -1), chrf: worst(CHRF, 1), score: worst(SCORE, 1), length: worst(LENGTH, -1) };
  const SHOWS = { all: () => true, quarantined: (line) => line[BAD] === 1, errors: (line) => line[WER] > 0 };
  function choose() {
    const terms = $("search").value.normalize("NFC").toLowerCase().split(/\s+/).filter(Boolean);
    const keep = SHOWS[$("show").value];
    order = index.map((_, i) => i).filter((i) => keep(index[i]) && terms.every((term) => index[i][TEXT].includes(term)));
    order.sort(SORTS[$("sort").value]);
    page = 0;
    show();
  }
  function turn(by) { page += by; show(); section.scrollIntoView(); }
  let pause;
  $("search").addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(choose, 80); });
  $("sort").addEventListener("change", choose);
  $("show").addEventListener("change", choose);
  $("previous").addEventListener("click", () => turn(-1));
  $("next").addEventListener("click", () => turn(1));
  $("open").addEventListener("click", () => {
    openAll = !openAll;
    $("open").textContent = openAll ? "Close all" : "Open all";
    $("open").setAttribute("aria-pressed", String(openAll));
    for (const box of document.querySelectorAll(".utterance")) box.open = openAll;
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing) { event.preventDefault(); $("search").focus(); }
    if (event.key === "Escape" && event.target === $("search")) { $("search").value = ""; choose(); }
  });
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const label = () => { $("theme").textContent = dark() ? "Light" : "Dark"; };
  $("theme").addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; label(); });
  label();
  choose();
})();
