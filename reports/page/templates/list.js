  // The list: filter, sort, pages, keys; the address says what is seen.
  const section = $("utterances");
  const chunk = Number(section.dataset.page), size = Number(section.dataset.shown), total = Number(section.dataset.total);
  const systems = block("systems"), baseline = Object.keys(systems)[0];
  const options = [...$("sort").options].slice(1);
  const NAMES = [...new Set(options.map((option) => option.dataset.name))];
  const ID = 0, NUMBERS = 1, FLAGS = 2;
  const number = (name) => (line_) => line_[NUMBERS][NAMES.indexOf(name)];
  const flag = (bit) => ({ kind: "flag", get: (line_) => (line_[FLAGS] & bit) !== 0 });
  const KEYS = {
    quarantined: flag(1), edited: flag(2), errors: flag(4),
    id: { kind: "exact", get: (line_) => line_[ID] },
    lang: { kind: "language", get: (line_) => line_[3] }, to: { kind: "language", get: (line_) => line_[4] },
    domain: { kind: "exact", get: (line_) => line_[5] }, speaker: { kind: "exact", get: (line_) => line_[6] },
    text: { kind: "part", get: (line_) => line_[7] },
  };
  for (const option of options) KEYS[option.dataset.key] = { kind: "number", get: number(option.dataset.name) };
  let index = null, terms = [], order = Array.from({ length: total }, (_, i) => i), page = 0, openAll = section.dataset.open === "1", turn = 0;

  async function entry(i) {
    return (await block("page-" + Math.floor(i / chunk)))[i % chunk];
  }
  function utterance(item) {
    const box = el("details", "utterance");
    const who = add(el("div", "who"), add(el("b"), el("bdi", "", item.id)), baseline ? el("span") : figures(item));
    if (item.edited.length) add(who, el("span", "tag", "edited"));
    box.dataset.id = item.id;
    add(box, add(el("summary"), who, baseline ? sideBySide(item) : lines(item)));
    box.addEventListener("toggle", () => {
      if (!box.open) return;
      if (!box.querySelector(".more")) box.append(more(item));
      if (!openAll) remember({ utterance: item.id }, true);
    });
    if (openAll) box.open = true;
    return box;
  }
  async function show() {
    const mine = ++turn;
    const pages = Math.max(1, Math.ceil(order.length / size));
    page = Math.min(Math.max(page, 0), pages - 1);
    const from = page * size, to = Math.min(from + size, order.length);
    const items = await Promise.all(order.slice(from, to).map(entry));
    if (mine !== turn) return; // another filter or page was asked for meanwhile
    $("list").replaceChildren(...items.map(utterance));
    $("count").textContent = (order.length === total ? "" : order.length.toLocaleString("en") + " of ")
      + total.toLocaleString("en") + (total === 1 ? " utterance" : " utterances");
    $("where").textContent = order.length ? (from + 1) + "–" + to + " of " + order.length : "none";
    $("previous").disabled = page === 0;
    $("next").disabled = page === pages - 1;
  }
  // Those without the number come last.
  const by = (get, sign) => (a, b) => {
    const x = get(index[a]), y = get(index[b]);
    return x === null || y === null ? (x === null) - (y === null) || a - b : sign * (x - y) || a - b;
  };
  async function choose() {
    index = await block("index");
    try {
      terms = parseFilter($("filter").value, KEYS);
      $("filter-error").textContent = "";
      $("filter").removeAttribute("aria-invalid");
    } catch (error) { // what was listed stays
      $("filter-error").textContent = error.message;
      $("filter").setAttribute("aria-invalid", "true");
      return;
    }
    order = index.map((_, i) => i).filter((i) => terms.every((term) => term.test(index[i])));
    const selected = $("sort").selectedOptions[0];
    if (selected.value !== "order") order.sort(by(number(selected.dataset.name), selected.dataset.first === "largest" ? -1 : 1));
    page = 0;
    drawFlags();
    await show();
  }
  function drawFlags() {
    const suggestions = [["quarantined", "+ quarantined", 1], ["edited", "+ edited", 2], ["errors", "+ with word errors", 4]];
    drawChips($("chips"), terms, suggestions.filter(([, , bit]) => section.dataset.flags & bit), (text) => { $("filter").value = text; act(); });
  }
  const report = (work) => work.catch((error) => { $("count").textContent = error.message; });

  // The address: #filter=…&sort=…&against=…&utterance=…; every step of the reader's is a step back.
  let address = location.hash;
  function remember(change, replaces) {
    const state = new URLSearchParams(address.includes("=") ? address.slice(1) : "");
    for (const [key, value] of Object.entries(change)) { if (value) state.set(key, value); else state.delete(key); }
    const hash = state.size ? "#" + state.toString().replaceAll("+", "%20") : "";
    if (hash === address) return;
    address = hash;
    history[replaces ? "replaceState" : "pushState"](null, "", hash || "#utterances");
  }
  const fields = () => ({ filter: $("filter").value.trim(), sort: $("sort").value === "order" ? "" : $("sort").value, against: baseline ? $("against").value : "" });
  let applied = "";
  function act(replaces) {
    const now = JSON.stringify(fields());
    if (now === applied) return; // leaving the field is no change: what is open stays open
    applied = now;
    remember({ ...fields(), utterance: "" }, replaces);
    report(choose());
  }
  async function restore() {
    address = location.hash;
    if (!address.includes("=")) { if (terms.length && !address) { $("filter").value = ""; await choose(); } return; }
    const state = new URLSearchParams(address.slice(1).replaceAll("+", "%2B")), id = state.get("utterance");
    $("filter").value = state.get("filter") || "";
    const sorted = options.find((option) => option.value === state.get("sort"));
    $("sort").selectedIndex = sorted ? sorted.index : 0;
    if (baseline) $("against").value = [...$("against").options].some((o) => o.value === state.get("against")) ? state.get("against") : "";
    applied = JSON.stringify(fields());
    await choose();
    if (id === null) { section.scrollIntoView(); return; }
    const at = index.findIndex((line_) => line_[ID] === id);
    if (at < 0) { $("count").textContent = "expected an utterance of this run in the address, found " + id; section.scrollIntoView(); return; }
    if (!order.includes(at)) { $("filter").value = ""; await choose(); }
    page = Math.floor(order.indexOf(at) / size);
    await show();
    const box = [...document.querySelectorAll(".utterance")].find((each) => each.dataset.id === id);
    box.open = true;
    box.querySelector("summary").focus({ preventScroll: true });
    box.scrollIntoView();
  }
  window.addEventListener("hashchange", () => { if (location.hash !== address) report(restore()); });
  window.addEventListener("popstate", () => { if (location.hash !== address) report(restore()); });

  function turnPage(step) { page += step; report(show()); section.scrollIntoView(); }
  function walk(step) {
    const all = [...document.querySelectorAll(".utterance > summary")];
    const here = all.indexOf(document.activeElement);
    const next = all[here < 0 ? (step > 0 ? 0 : all.length - 1) : here + step];
    if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
  }
  let pause;
  $("filter").addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(() => act(true), 80); });
  $("filter").addEventListener("change", () => act());
  $("sort").addEventListener("change", () => act());
  if (baseline) $("against").addEventListener("change", () => { remember(fields()); report(show()); });
  $("previous").addEventListener("click", () => turnPage(-1));
  $("next").addEventListener("click", () => turnPage(1));
  $("open").addEventListener("click", () => {
    openAll = !openAll;
    $("open").textContent = openAll ? "Close all" : "Open all";
    $("open").setAttribute("aria-pressed", String(openAll));
    for (const box of document.querySelectorAll(".utterance")) box.open = openAll;
  });
  const SHORTCUTS = {
    "/": () => $("filter").focus(), j: () => walk(1), k: () => walk(-1),
    n: () => $("next").click(), p: () => $("previous").click(), "?": () => $("help-button").click(),
  };
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (SHORTCUTS[event.key] && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); SHORTCUTS[event.key](); }
    if (event.key === "Escape" && event.target === $("filter")) { $("filter").value = ""; act(); }
    if (event.key === "Enter" && event.target === $("filter")) { event.preventDefault(); act(); walk(1); }
  });
  applied = JSON.stringify(fields());
  drawFlags();
  report(location.hash.includes("=") ? restore() : show());
