  // The list: search, sort, filter, pages, keys.
  const root = document.documentElement;
  const section = $("utterances");
  const size = Number(section.dataset.page), total = Number(section.dataset.total);
  const NAMES = [...$("sort").options].slice(1).map((option) => option.value);
  const BAD = NAMES.length, TEXT = NAMES.length + 1, WER = NAMES.indexOf("wer");
  let index = null, order = Array.from({ length: total }, (_, i) => i), page = 0, openAll = false, turn = 0;

  async function entry(i) {
    return (await block("page-" + Math.floor(i / size)))[i % size];
  }
  function utterance(item) {
    const box = el("details", "utterance");
    const who = add(el("div", "who"), add(el("b"), el("bdi", "", item.id)), figures(item));
    add(box, add(el("summary"), who, lines(item)));
    box.addEventListener("toggle", () => { if (box.open && !box.querySelector(".more")) box.append(more(item)); });
    if (openAll) box.open = true;
    return box;
  }
  async function show() {
    const mine = ++turn;
    const pages = Math.max(1, Math.ceil(order.length / size));
    page = Math.min(Math.max(page, 0), pages - 1);
    const from = page * size, to = Math.min(from + size, order.length);
    const items = await Promise.all(order.slice(from, to).map(entry));
    if (mine !== turn) return; // another search or page was asked for meanwhile
    $("list").replaceChildren(...items.map(utterance));
    $("count").textContent = order.length === total ? total.toLocaleString("en") + " utterances"
      : order.length.toLocaleString("en") + " of " + total.toLocaleString("en") + " utterances";
    $("where").textContent = order.length ? (from + 1) + "–" + to + " of " + order.length : "none";
    $("previous").disabled = page === 0;
    $("next").disabled = page === pages - 1;
  }
  // Those without the number come last.
  const by = (key, sign) => (a, b) => {
    const x = index[a][key], y = index[b][key];
    return x === null || y === null ? (x === null) - (y === null) || a - b : sign * (x - y) || a - b;
  };
  const SHOWS = { all: () => true, quarantined: (line) => line[BAD] === 1, errors: (line) => line[WER] > 0 };
  async function choose() {
    index = await block("index");
    const terms = $("search").value.normalize("NFC").toLowerCase().split(/\s+/).filter(Boolean);
    const keep = SHOWS[$("show").value];
    order = index.map((_, i) => i).filter((i) => keep(index[i]) && terms.every((term) => index[i][TEXT].includes(term)));
    const chosen = $("sort").selectedOptions[0];
    if (chosen.value !== "order") order.sort(by(NAMES.indexOf(chosen.value), chosen.dataset.first === "largest" ? -1 : 1));
    page = 0;
    await show();
  }
  const told = (work) => work.catch((error) => { $("count").textContent = error.message; });
  function leaf(step) { page += step; told(show()); section.scrollIntoView(); }
  function walk(step) {
    const all = [...document.querySelectorAll(".utterance > summary")];
    const here = all.indexOf(document.activeElement);
    const next = all[here < 0 ? (step > 0 ? 0 : all.length - 1) : here + step];
    if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
  }
  let pause;
  $("search").addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(() => told(choose()), 80); });
  $("sort").addEventListener("change", () => told(choose()));
  $("show").addEventListener("change", () => told(choose()));
  $("previous").addEventListener("click", () => leaf(-1));
  $("next").addEventListener("click", () => leaf(1));
  $("open").addEventListener("click", () => {
    openAll = !openAll;
    $("open").textContent = openAll ? "Close all" : "Open all";
    $("open").setAttribute("aria-pressed", String(openAll));
    for (const box of document.querySelectorAll(".utterance")) box.open = openAll;
  });
  const KEYS = { "/": () => $("search").focus(), j: () => walk(1), k: () => walk(-1), n: () => $("next").click(), p: () => $("previous").click() };
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (KEYS[event.key] && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); KEYS[event.key](); }
    if (event.key === "Escape" && event.target === $("search")) { $("search").value = ""; told(choose()); }
  });
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const label = () => { $("theme").textContent = dark() ? "Light" : "Dark"; };
  $("theme").addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; label(); });
  label();
  told(show());
