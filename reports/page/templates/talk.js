  const talk = JSON.parse($("data").textContent), sound = $("sound"), list = $("segments");
  const clock = (seconds) => {
    const whole = Math.floor(seconds), pad = (n) => String(n).padStart(2, "0");
    return (whole >= 3600 ? Math.floor(whole / 3600) + ":" + pad(Math.floor(whole / 60) % 60) : Math.floor(whole / 60)) + ":" + pad(whole % 60);
  };
  const srtTime = (seconds) => {
    const ms = Math.round(seconds * 1000), pad = (n, width) => String(n).padStart(width, "0");
    return pad(Math.floor(ms / 3600000), 2) + ":" + pad(Math.floor(ms / 60000) % 60, 2) + ":" + pad(Math.floor(ms / 1000) % 60, 2) + "," + pad(ms % 1000, 3);
  };
  let before = "";
  const rows = talk.segments.map((segment) => {
    const row = el("li"), text = el("div", "text", segment.text), time = button(clock(segment.start), () => hear(segment.start));
    time.title = "Hear it from here";
    time.disabled = !sound;
    text.contentEditable = "plaintext-only";
    text.dir = "auto";
    text.spellcheck = true;
    text.setAttribute("role", "textbox");
    text.setAttribute("aria-label", "Text at " + clock(segment.start));
    if (segment.doubtful) { text.classList.add("doubtful"); text.title = "The recognizer is not sure of this"; }
    if (segment.speaker && segment.speaker !== before) add(row, el("div", "speaker", segment.speaker));
    before = segment.speaker;
    add(row, time, text);
    if (segment.source) { const source = el("div", "source", segment.source); source.dir = "auto"; add(row, source); }
    text.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); text.blur(); } });
    text.addEventListener("input", count);
    add(list, row);
    return { segment, row, text };
  });
  const written = (row) => row.text.textContent.replace(/\s+/g, " ").trim();
  function hear(seconds) {
    if (!sound) return;
    sound.currentTime = seconds;
    sound.play().catch(() => {}); // no sound was chosen yet
  }
  function count() {
    const changed = rows.filter((row) => written(row) !== row.segment.text);
    for (const row of rows) row.text.classList.toggle("edited", changed.includes(row));
    $("save").disabled = changed.length === 0;
    $("changed").textContent = changed.length === 0 ? "Nothing changed." : changed.length + (changed.length === 1 ? " text changed." : " texts changed.");
  }
  $("save").addEventListener("click", () => {
    const cues = rows.map((row, number) => (number + 1) + "\n" + srtTime(row.segment.start) + " --> " + srtTime(row.segment.end) + "\n" + written(row) + "\n");
    const link = el("a");
    link.href = URL.createObjectURL(new Blob([cues.join("\n")], { type: "application/x-subrip" }));
    link.download = talk.name + ".srt";
    link.click();
    $("changed").textContent = "Saved as " + talk.name + ".srt.";
    saved = true;
  });
  let saved = false;
  addEventListener("beforeunload", (event) => { if (!saved && !$("save").disabled) event.preventDefault(); });
  list.addEventListener("input", () => { saved = false; });
  if ($("choose")) $("choose").addEventListener("change", (event) => { if (event.target.files[0]) sound.src = URL.createObjectURL(event.target.files[0]); });
  // Scrolls along with what is heard, unless the reader corrects a text or has scrolled away from what was lit.
  if (sound) sound.addEventListener("timeupdate", () => {
    const isLit = ({ segment }) => sound.currentTime >= segment.start && sound.currentTime < segment.end;
    const isSeen = ({ row }) => row.getBoundingClientRect().bottom > 0 && row.getBoundingClientRect().top < innerHeight;
    const before = rows.filter(({ row }) => row.classList.contains("now")), next = rows.find(isLit);
    const follows = next && !before.includes(next) && !list.contains(document.activeElement.closest(".text")) && (before.length === 0 || before.some(isSeen));
    for (const each of rows) each.row.classList.toggle("now", isLit(each));
    if (follows) next.row.scrollIntoView({ block: "nearest" });
  });
