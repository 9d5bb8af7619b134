  // Systems of a comparison side by side, marked against the reference or against one of them.
  const stageOf = (item, name, role) => item.stages.find(({ stage }) => stage === systems[name][role]);
  // Which words of the reference an output has at their place, in order.
  const rightWords = (stage) => stage.edits.filter((edit) => edit[1] !== null).map((edit) => edit[0] === "e");
  // Words of the reference that one output has right and the other has not.
  function onlyRight(stage, other) {
    if (!stage.edits || !other.edits) return [];
    const its = rightWords(other), texts = stage.edits.filter((edit) => edit[1] !== null).map((edit) => edit[1]);
    const mine = rightWords(stage);
    return mine.length === its.length ? texts.filter((_, n) => mine[n] && !its[n]) : [];
  }
  // The text of a system's stage, marked against that of the system that the reader chose, else the reference.
  function textOf(stage, other, isOther) {
    if (!stage) return el("span", "quiet", "no output");
    if (stage.reason) return add(el("span", "bad"), el("b", "", "quarantined: " + stage.reason), " ", words("bdi", "", stage.detail));
    if (isOther) return words("bdi", "out", stage.nbest[0][0]);
    if (other && other.nbest) {
      const edits = align(wordsOf(other), wordsOf(stage));
      if (edits.every((edit) => edit[0] === "e")) return add(el("span"), words("bdi", "out", stage.nbest[0][0]), el("span", "k", " (the same)"));
      return marked(edits, stage.spaced !== false, "both", "out");
    }
    if (!other && stage.edits) return marked(stage.edits, stage.spaced, 2, "out");
    return words("bdi", "out", stage.nbest[0][0]);
  }
  function system(item, name, against) {
    const box = el("div", "system"), head = add(el("h3"), el("bdi", "", name)), base = against || baseline;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", name + ", " + item.id);
    add(box, head);
    for (const role of Object.keys(systems[name])) {
      const stage = stageOf(item, name, role), other = stageOf(item, base, role);
      const values = stage && stage.values ? Object.entries(stage.values).filter(([label, v]) => v !== null && label !== "BLEU") : [];
      add(box, add(el("p", "k"), role + " ", el("span", "n", values.map(([label, v]) => label + " " + v.toFixed(1)).join(", "))));
      add(box, add(el("p"), textOf(stage, against ? stageOf(item, against, role) : null, name === against)));
      if (name === base || !stage || !other || stage.reason || other.reason || role !== "transcript" && !stage.edits) continue;
      for (const [label, list] of [["right only here: ", onlyRight(stage, other)], ["right only in " + base + ": ", onlyRight(other, stage)]]) {
        if (list.length) add(box, add(el("p", "k"), label, words("bdi", "right", list.join(", "))));
      }
    }
    return box;
  }
  function sideBySide(item) {
    const box = el("div", "lines"), against = $("against").value, grid = el("div", "systems");
    if (item.text) line(box, "source", words("bdi", "", item.text));
    for (const [role, label] of [["transcript", "transcript"], ["translation", "translation"]]) {
      const stated = role === "transcript" ? item.transcript : item.references[0];
      if (stated && Object.values(systems).some((roles) => roles[role])) line(box, label, add(words("bdi", "", stated), el("span", "k", " (reference)")));
    }
    for (const name of Object.keys(systems)) add(grid, system(item, name, against));
    return add(el("div", "beside"), box, grid);
  }
