  // One utterance: its lines in the list, and what is below them when it is opened.
  function line(parent, label, node) { add(parent, el("span", "k", label), node); }

  // A text with who speaks, where that is known: a paragraph for each turn.
  function turns(stage) {
    const box = el("div", "out");
    let turn = null, before = "";
    for (const [, , text, , speaker] of (stage.segments || []).filter((segment) => segment[4])) {
      if (speaker !== before) box.append(turn = add(el("div"), el("b", "", speaker + ": ")));
      before = speaker;
      add(turn, words("bdi", "", text), " ");
    }
    return turn && box;
  }
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
      if (before && before.nbest[0][0] === stage.nbest[0][0] && !turns(stage)) {
        line(box, stage.stage, el("span", "quiet", "the same as " + before.stage));
        return;
      }
      if (stage.edits) {
        line(box, "reference", marked(stage.edits, stage.spaced, 1));
        line(box, stage.stage, marked(stage.edits, stage.spaced, 2, "out"));
        if (turns(stage)) line(box, "speakers", turns(stage));
      } else if (turns(stage)) {
        line(box, stage.stage, turns(stage));
      } else {
        line(box, stage.stage, words("bdi", "out", stage.nbest[0][0]));
      }
    });
    if (!item.stages.length) line(box, "source", words("bdi", "", item.text || "(not processed)"));
    return box;
  }
  function figures(item) {
    const box = el("span", "figures"), all = [];
    for (const stage of item.stages) {
      for (const [name, value] of Object.entries(stage.values || {})) {
        if (value !== null && name !== "BLEU") all.push([stage.stage, name, value]);
      }
    }
    for (const [stage, name, value] of all) {
      const alone = all.filter((each) => each[1] === name).length === 1;
      add(box, el("span", "", alone ? name : name + " " + stage), el("span", "", value.toFixed(1)));
    }
    return box;
  }
  // The hypotheses; what the further ones change against the best is marked.
  function nbest(stage) {
    const table = el("table"), body = el("tbody"), head = el("tr"), best = wordsOf({ nbest: stage.nbest });
    add(head, el("th", "n", "rank"), el("th", "", "hypothesis"), el("th", "n", "log-prob"), el("th", "n", "per token"));
    stage.nbest.forEach((hypothesis, rank) => {
      const [text, score, count] = hypothesis, cell = el("td", "text");
      if (rank && text) add(cell, marked(align(best, text.split(/\s+/).filter(Boolean)), true, "both"));
      else add(cell, words("bdi", "", text));
      const perToken = count ? (score / count).toFixed(3) : "–";
      body.append(add(el("tr"), el("td", "n", rank + 1), cell, el("td", "n", score.toFixed(2)), el("td", "n", perToken)));
    });
    return add(region(stage.stage + ": hypotheses"), add(table, add(el("thead"), head), body));
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
    const shown = add(region(stage.stage + ": features"), add(table, add(el("thead"), head), body));
    return add(el("details", "features"), el("summary", "quiet", "Features of the hypotheses"), shown);
  }
  // The errors that a model such as xCOMET marks in the best hypothesis: one line each.
  function errors(stage) {
    const list = el("ul", "errors"), points = Array.from(stage.nbest[0][0]);
    for (const [metric, severity, start, end, confidence] of stage.errors) {
      const where = " (" + metric + ", characters " + start + " to " + end + ", confidence " + confidence + ")";
      list.append(add(el("li"), el("b", "bad", severity), " ", words("bdi", "", points.slice(start, end).join("")), el("span", "quiet", where)));
    }
    return list;
  }
  // What each member of an ensemble gave every token: one row per token, its highest in bold.
  function members(stage, list) {
    const names = [...new Set(list.flatMap((token) => Object.keys(token[2] || {})))];
    if (!names.length) return null;
    const table = el("table", "members"), body = el("tbody"), head = add(el("tr"), el("th", "", "token"));
    for (const name of names) head.append(words("th", "n", name));
    for (const token of list) {
      const values = token[2] || {}, highest = Math.max(...Object.values(values));
      const row = add(el("tr"), words("th", "", token[0]));
      for (const name of names) row.append(el("td", values[name] === highest ? "n best" : "n", name in values ? values[name].toFixed(2) : ""));
      body.append(row);
    }
    return add(region(stage.stage + ": what each member gave"), add(table, add(el("thead"), head), body));
  }
  // The words of a text, marked by the confidence of an estimator: lines and shades, so that no color is needed.
  const SURE = [["s0", 0.9, "0.9 and more"], ["s1", 0.7, "0.7 and more"], ["s2", 0.5, "0.5 and more"], ["s3", 0.3, "0.3 and more"], ["s4", 0, "less"]];
  function sureness(pairs) {
    const box = el("div", "sure"), legend = el("p", "legend k");
    box.dir = "auto";
    for (const [word, p] of pairs) {
      const span = el("span", SURE.find(([, least]) => p >= least)[0], word);
      span.title = "confidence " + p.toFixed(2);
      add(box, span, " ");
    }
    for (const [name, , range] of SURE) add(legend, add(el("span", "sure"), el("span", name, "word"), " " + range));
    return add(el("div"), box, legend);
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
  // What is known of the utterance beside its texts, and the link that leads to it.
  function about(item) {
    const [source, target] = item.languages, facts = source === "und" ? [] : [source + (target ? " to " + target : "")];
    if (item.domain) facts.push("domain " + item.domain);
    if (item.speaker) facts.push("speaker " + item.speaker);
    if (item.edited.length) facts.push("edited by hand in " + item.edited.join(", "));
    const link = el("a", "", "Link to this utterance");
    link.href = "#utterance=" + encodeURIComponent(item.id);
    return add(el("p", "k about"), facts.map((fact) => fact + " · ").join(""), link);
  }
  function more(item) {
    const box = add(el("div", "more"), about(item));
    if (item.audio) add(box, add(el("h3", "", "Audio "), el("span", "", item.audio.name + ", " + item.audio.seconds.toFixed(2) + " s")), player(item));
    const numbers = Object.entries(item.values).filter((v) => v[1] !== null);
    if (numbers.length) add(box, el("h3", "", "Numbers"), el("div", "", numbers.map(([name, value]) => name + " " + value).join(", ")));
    const stated = [["Source", item.text || null], ["Reference transcript", item.transcript], ...item.references.map((r) => ["Reference translation", r])];
    for (const [label, text] of stated) if (text !== null) add(box, el("h3", "", label), words("div", "", text));
    if (item.steps.length) add(box, el("h3", "", "Way through the pipeline"), way(item));
    for (const stage of item.stages) {
      const values = Object.entries(stage.values || {}).filter((v) => v[1] !== null).map((v) => v[0] + " " + v[1].toFixed(1)).join(", ");
      const head = add(el("h3", "", stage.stage + " "), el("span", "", values));
      box.append(head);
      if (stage.reason) { box.append(words("div", "bad", stage.reason + ": " + stage.detail)); continue; }
      add(box, nbest(stage), features(stage) || "");
      if (stage.errors && stage.errors.length) add(box, el("div", "who", "Errors that a model marks in the best"), errors(stage));
      const best = stage.nbest[0][3], confidences = stage.nbest[0][5];
      if (confidences) add(box, el("div", "who", "Words of the best by the confidence that they are right"), sureness(confidences));
      if (best.length) add(box, el("div", "who", "Tokens of the best, underlined the more the less likely"), tokens(best));
      const given = members(stage, best);
      if (given) add(box, el("div", "who", "What each member gave to each token"), given);
    }
    return box;
  }
