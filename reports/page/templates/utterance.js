  // One utterance. Texts reach the page through textContent only.
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
      const before = item.stages.slice(0, n).reverse().find((one) => one.nbest && one.recognition === stage.recognition);
      if (before && before.nbest[0][0] === stage.nbest[0][0]) {
        line(box, stage.stage, el("span", "quiet", "the same as " + before.stage));
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
  function figures(item) {
    const box = el("span", "figures");
    for (const stage of item.stages) {
      for (const [name, value] of Object.entries(stage.values || {})) {
        if (value === null || name === "BLEU") continue;
        add(box, el("span", "", name), el("span", "", value.toFixed(1)));
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
    if (clip.embedded) Promise.resolve(block("audio-" + clip.embedded)).then((uri) => { audio.src = uri + until; });
    else audio.src = clip.link + until;
    return audio;
  }
  function nbest(stage) {
    const table = el("table"), body = el("tbody"), head = el("tr");
    add(head, el("th", "n", ""), el("th", "", "hypothesis"), el("th", "n", "log-prob"), el("th", "n", "per token"));
    stage.nbest.forEach((one, rank) => {
      const perToken = one[2] ? (one[1] / one[2]).toFixed(3) : "–";
      body.append(add(el("tr"), el("td", "n", rank + 1), words("td", "text", one[0]), el("td", "n", one[1].toFixed(2)), el("td", "n", perToken)));
    });
    return add(scrolled(stage.stage + ": hypotheses"), add(table, add(el("thead"), head), body));
  }
  // The further numbers of the hypotheses, folded: one row per feature, one column per hypothesis.
  function features(stage) {
    const names = [...new Set(stage.nbest.flatMap((one) => Object.keys(one[4])))];
    if (!names.length) return null;
    const table = el("table"), body = el("tbody"), head = add(el("tr"), el("th", "", "feature"));
    stage.nbest.forEach((_, rank) => head.append(el("th", "n", rank + 1)));
    for (const name of names) {
      const row = add(el("tr"), el("th", "", name));
      for (const one of stage.nbest) row.append(el("td", "n", name in one[4] ? String(one[4][name]) : ""));
      body.append(row);
    }
    const shown = add(scrolled(stage.stage + ": features"), add(table, add(el("thead"), head), body));
    return add(el("details", "features"), el("summary", "quiet", "Features of the hypotheses"), shown);
  }
  function scrolled(label) {
    const box = el("div", "wide");
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", label);
    return box;
  }
  // What each member of an ensemble gave every token: one row per member, the highest of a token in bold.
  function members(stage, list) {
    const names = [...new Set(list.flatMap((token) => Object.keys(token[2] || {})))];
    if (!names.length) return null;
    const table = el("table", "members"), body = el("tbody"), head = add(el("tr"), el("th", "", "member"));
    for (const token of list) head.append(words("th", "n", token[0]));
    const highest = list.map((token) => Math.max(...Object.values(token[2] || {})));
    for (const name of names) {
      const row = add(el("tr"), el("th", "", name));
      list.forEach((token, n) => {
        const value = (token[2] || {})[name];
        row.append(el("td", value === highest[n] ? "n best" : "n", value === undefined ? "" : value.toFixed(2)));
      });
      body.append(row);
    }
    return add(scrolled(stage.stage + ": what each member gave"), add(table, add(el("thead"), head), body));
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
    const numbers = Object.entries(item.values).filter((v) => v[1] !== null);
    if (numbers.length) add(box, el("h3", "", "Numbers"), el("div", "", numbers.map(([name, value]) => name + " " + value).join(", ")));
    const stated = [["Source", item.text || null], ["Reference transcript", item.transcript], ...item.references.map((r) => ["Reference translation", r])];
    for (const [label, text] of stated) if (text !== null) add(box, el("h3", "", label), words("div", "", text));
    if (item.steps.length) add(box, el("h3", "", "Way through the pipeline"), walked(item));
    for (const stage of item.stages) {
      const values = Object.entries(stage.values || {}).filter((v) => v[1] !== null).map((v) => v[0] + " " + v[1].toFixed(1)).join(", ");
      const head = add(el("h3", "", stage.stage + " "), el("span", "", values));
      box.append(head);
      if (stage.reason) { box.append(words("div", "bad", stage.reason + ": " + stage.detail)); continue; }
      add(box, nbest(stage), features(stage) || "");
      const best = stage.nbest[0][3];
      if (best.length) add(box, el("div", "who", "Tokens of the best, underlined the more the less likely"), tokens(best));
      const given = members(stage, best);
      if (given) add(box, el("div", "who", "What each member gave to each token"), given);
    }
    return box;
  }
