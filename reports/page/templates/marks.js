  // Differences between two texts, marked in them: between output and reference, nodes, rounds and systems.
  // A difference is a list of columns [operation, before, after]: equal, substituted, inserted, deleted.
  // Punctuation stands at its word again, as in the text that the words were taken from.
  const CLOSING = /^[.,;:!?…)\]}’”»%。，、！？]$/, OPENING = /^[([{„“«¿¡]$/;
  const WORD = { s: "substituted", d: "missing", i: "extra" };
  const TAG = { s: "mark", d: "del", i: "ins" };
  // The fewest edits from one list of words to another (Levenshtein), as the reports' alignment.
  function align(before, after) {
    const cost = [Array.from({ length: after.length + 1 }, (_, j) => j)];
    for (let i = 1; i <= before.length; i++) {
      cost.push([i]);
      for (let j = 1; j <= after.length; j++) {
        const differs = before[i - 1] === after[j - 1] ? 0 : 1;
        cost[i].push(Math.min(cost[i - 1][j - 1] + differs, cost[i - 1][j] + 1, cost[i][j - 1] + 1));
      }
    }
    const edits = [];
    for (let i = before.length, j = after.length; i || j;) {
      const differs = i && j && before[i - 1] !== after[j - 1] ? 1 : 0;
      if (i && j && cost[i][j] === cost[i - 1][j - 1] + differs) { i--; j--; edits.push([differs ? "s" : "e", before[i], after[j]]); }
      else if (i && cost[i][j] === cost[i - 1][j] + 1) edits.push(["d", before[--i], null]);
      else edits.push(["i", null, after[--j]]);
    }
    return edits.reverse();
  }
  // A text with its differences: side 1 or 2 of the columns, or both, the old struck out before the new.
  function marked(edits, spaced, side, className) {
    const node = el("bdi", className || "");
    node.dir = "auto";
    let before = "";
    const put = (operation, text, title) => {
      if (node.childNodes.length && spaced && !CLOSING.test(text) && !OPENING.test(before)) node.append(" ");
      before = text;
      if (operation === "e") { node.append(text); return; }
      const mark = el(TAG[operation], operation, text);
      mark.title = title || WORD[operation];
      node.append(mark);
    };
    for (const [operation, old, text] of edits) {
      if (side !== "both") {
        if ((side === 1 ? old : text) !== null) put(operation, side === 1 ? old : text, operation === "s" ? "substituted: " + old + " → " + text : "");
        continue;
      }
      if (operation === "e") put("e", text);
      if (operation === "s" || operation === "d") put("d", old, "before");
      if (operation === "s" || operation === "i") put("i", text, "now");
    }
    if (!node.childNodes.length) { node.classList.add("empty"); node.textContent = "(empty)"; }
    return node;
  }
  // The words of an output as its alignment has them, else as spaces divide it.
  function wordsOf(stage) {
    if (stage.edits) return stage.edits.map((edit) => edit[2]).filter((word) => word !== null);
    return stage.nbest[0][0].split(/\s+/).filter(Boolean);
  }
