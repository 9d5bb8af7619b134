  // The way of an utterance through the pipeline: a step per node, what changed against what it read marked.
  function changed(step) {
    const node = el("bdi");
    node.dir = "auto";
    const put = (tag, text, className) => {
      if (node.childNodes.length && step.spaced && !CLOSING.test(text)) node.append(" ");
      node.append(tag ? el(tag, className, text) : text);
    };
    for (const [operation, before, after] of step.edits) {
      if (operation === "e") put("", after);
      if (operation === "s" || operation === "d") put("mark", before, "d");
      if (operation === "s" || operation === "i") put("mark", after, "i");
    }
    return node;
  }
  function given(step, item) {
    if (step.result !== "text") {
      const name = { way: "way-taken", quarantined: "bad" }[step.result] || "k";
      const text = { way: "→ ", quarantined: "ended here: ", speech: "speech, ", none: "" }[step.result];
      return words("div", name, text + (step.note || ""));
    }
    const box = el("div"), stage = item.stages.find((one) => one.stage === step.node);
    if (step.near && !step.edits.length) add(box, el("span", "quiet", "the same as " + step.near));
    else add(box, step.near ? changed(step) : words("bdi", "", stage.nbest[0][0]));
    if (step.near && step.edits.length) add(box, el("span", "k", " (changed against " + step.near + ")"));
    if (step.note) add(box, words("div", "k", step.note));
    return box;
  }
  function walked(item) {
    const list = el("ol", "steps");
    const source = item.text || (item.audio ? "speech, " + item.audio.seconds.toFixed(2) + " s" : "");
    add(list, add(el("li"), el("b", "", "data"), words("div", "", source)));
    for (const step of item.steps) {
      const reads = step.reads.length ? " of " + step.reads.join(", ") : "";
      const head = add(el("div"), el("b", "", step.node + " "), el("span", "k", step.kind + reads));
      const name = { none: "none", quarantined: "ended" }[step.result];
      add(list, add(el("li", name), head, given(step, item)));
    }
    return list;
  }
