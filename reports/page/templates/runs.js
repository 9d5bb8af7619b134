  // The index of runs: its rows are filtered in place.
  const table = $("runs");
  if (table) {
    const heads = [...table.tHead.rows[0].cells].map((head) => head.dataset.key);
    const rows = [...table.tBodies[0].rows], total = rows.length;
    const kinds = { run: "part", data: "part", model: "part", started: "part", flow: "exact", status: "exact" };
    const content = (row, key) => row.cells[heads.indexOf(key)].textContent.trim();
    const KEYS = { text: { kind: "part", get: (row) => row.textContent.toLowerCase() } };
    for (const key of heads) {
      const kind = kinds[key] || "number";
      KEYS[key] = { kind, get: kind === "number" ? (row) => content(row, key) === "" ? null : numberOf(content(row, key)) : (row) => content(row, key) };
    }
    let terms = [];
    const act = () => {
      try {
        terms = parseFilter($("filter").value, KEYS);
        $("filter-error").textContent = "";
        $("filter").removeAttribute("aria-invalid");
      } catch (error) {
        $("filter-error").textContent = error.message;
        $("filter").setAttribute("aria-invalid", "true");
        return;
      }
      for (const row of rows) row.hidden = !terms.every((term) => term.test(row));
      const count = rows.filter((row) => !row.hidden).length;
      $("count").textContent = count === total ? total.toLocaleString("en") + " runs" : count.toLocaleString("en") + " of " + total.toLocaleString("en") + " runs";
      drawChips($("chips"), terms, [], (text) => { $("filter").value = text; act(); });
      history.replaceState(null, "", $("filter").value ? "#filter=" + encodeURIComponent($("filter").value) : "#");
    };
    $("filter").addEventListener("input", act);
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && event.target !== $("filter")) { event.preventDefault(); $("filter").focus(); }
      if (event.key === "Escape" && event.target === $("filter")) { $("filter").value = ""; act(); }
    });
    const stated = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B")).get("filter");
    if (stated) { $("filter").value = stated; act(); }
  }
