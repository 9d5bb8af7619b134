  // Audio, and the texts with times below it: what is heard is lit, a click plays from there.
  function player(item) {
    const audio = el("audio"), clip = item.audio;
    audio.controls = true;
    audio.preload = "none";
    audio.setAttribute("aria-label", "Audio of " + item.id);
    const until = clip.offset > 0 || !clip.embedded ? "#t=" + clip.offset + "," + (clip.offset + clip.seconds).toFixed(3) : "";
    if (clip.embedded) Promise.resolve(block("audio-" + clip.embedded)).then((uri) => { audio.src = uri + until; });
    else audio.src = clip.link + until;
    const box = add(el("div"), audio), texts = item.stages.filter((stage) => stage.segments).map((stage) => timedText(stage, audio, clip));
    for (const text of texts) add(box, text.node);
    if (texts.length) follow(audio, clip, texts);
    return box;
  }
  const playNow = (audio) => audio.play().catch(() => {}); // paused again before it began
  const clock = (seconds) => Math.floor(seconds / 60) + ":" + (seconds % 60).toFixed(1).padStart(4, "0");
  // The words of a transcript where they have times, else its segments.
  function timedText(stage, audio, clip) {
    const node = el("div", "timed"), spans = [];
    node.tabIndex = 0;
    node.setAttribute("role", "group");
    node.setAttribute("aria-label", stage.stage + " with times: left and right go from one to the next, Enter plays or pauses");
    const text = el("p");
    text.dir = "auto";
    let before = "";
    for (const [start, end, words_, timed, speaker] of stage.segments) {
      if (speaker && speaker !== before) text.append(el("b", "", speaker + ": "));
      before = speaker;
      const units = timed.length ? timed : [[start, end, words_ + " ", null]];
      for (const [from, to, unit, probability] of units) {
        const span = el("span", "", unit);
        span.title = clock(from) + " to " + clock(to) + (probability === null ? "" : ", probability " + probability.toFixed(2));
        if (probability !== null && probability < 0.5) span.classList.add("doubtful");
        span.addEventListener("click", () => { audio.currentTime = clip.offset + from; playNow(audio); });
        text.append(span);
        spans.push({ span, from, to });
      }
      if (timed.length) text.append(" ");
    }
    node.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) {
        const now = spans.findIndex((unit) => unit.span.classList.contains("now"));
        const next = spans[Math.min(Math.max(now + step, 0), spans.length - 1)];
        audio.currentTime = clip.offset + next.from;
        light(spans, next.from);
      } else if (event.key === "Enter") {
        if (audio.paused) playNow(audio); else audio.pause();
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    return { node: add(node, el("span", "k", stage.stage), text), spans };
  }
  // Scrolls the box of a long text to the unit that is lit, unless the reader has scrolled away from the one before.
  function keepInBox(span, before) {
    const box = span.closest(".timed"), frame = box.getBoundingClientRect(), last = before.getBoundingClientRect(), next = span.getBoundingClientRect();
    if (span !== before && (last.bottom < frame.top || last.top > frame.bottom)) return;
    if (next.top < frame.top || next.bottom > frame.bottom) box.scrollTop += next.top - frame.top - frame.height / 3;
  }
  // Lights the last unit that has begun and not ended.
  function light(spans, seconds) {
    const now = spans.findLast((unit) => unit.from <= seconds + 0.005), before = spans.find((unit) => unit.span.classList.contains("now"));
    if (now && now !== before) keepInBox(now.span, (before || now).span);
    for (const unit of spans) {
      const is = unit === now && seconds < unit.to + 0.15;
      unit.span.classList.toggle("now", is);
      if (is) unit.span.setAttribute("aria-current", "true"); else unit.span.removeAttribute("aria-current");
    }
  }
  function follow(audio, clip, texts) {
    const update = () => { for (const text of texts) light(text.spans, audio.currentTime - clip.offset); };
    const frame = () => { update(); if (!audio.paused) requestAnimationFrame(frame); };
    audio.addEventListener("play", frame);
    audio.addEventListener("seeked", update);
    audio.addEventListener("timeupdate", update);
  }
