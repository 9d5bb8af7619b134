  // The way of an utterance through the pipeline: a step per node, what changed against what it read marked.
  function result(step, item) {
    if (step.result !== "text") {
      const name = { way: "way-taken", quarantined: "bad" }[step.result] || "k";
      const text = { way: "→ ", quarantined: "ended here: ", speech: "speech, ", none: "" }[step.result];
      return words("div", name, text + (step.note || ""));
    }
    const box = el("div"), stage = item.stages.find(({ stage }) => stage === step.node);
    if (step.near && !step.edits.length) add(box, el("span", "quiet", "the same as " + step.near));
    else add(box, step.near ? marked(step.edits, step.spaced, "both") : words("bdi", "", stage.nbest[0][0]));
    if (step.near && step.edits.length) add(box, el("span", "k", " (changed against " + step.near + ")"));
    if (step.note) add(box, words("div", "k", step.note));
    return box;
  }
  function way(item) {
    const list = el("ol", "steps");
    const source = item.text || (item.audio ? "speech, " + item.audio.seconds.toFixed(2) + " s" : "");
    add(list, add(el("li"), el("b", "", "data"), words("div", "", source)));
    for (const step of item.steps) {
      const reads = step.reads.length ? " of " + step.reads.join(", ") : "";
      const head = add(el("div"), el("b", "", step.node + " "), el("span", "k", step.kind + reads));
      const name = { none: "none", quarantined: "ended" }[step.result];
      add(list, add(el("li", name), head, result(step, item)));
    }
    return list;
  }
