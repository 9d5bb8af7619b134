  // Tables: headers that sort, copy and download as TSV.
  const NUMBER = /^[^\d\p{L}]*?([+-]?\d[\d,]*(?:\.\d+)?)/u;
  function numberOf(text) {
    const found = NUMBER.exec(text.trim().replace("−", "-"));
    return found ? Number(found[1].replaceAll(",", "")) : NaN;
  }
  function compareCells(a, b) {
    const x = numberOf(a), y = numberOf(b);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
  }
  function sortRows(table, column, descending) {
    const body = table.tBodies[0], text = (row) => row.cells[column].textContent.trim();
    const rows = [...body.rows].sort((a, b) => {
      const x = text(a), y = text(b);
      return (x === "") - (y === "") || (x === "" ? 0 : (descending ? -1 : 1) * compareCells(x, y));
    });
    body.append(...rows);
  }
  function makeSortable(table) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const label = head.textContent;
      if (!label.trim()) return;
      head.replaceChildren(button(label, () => {
        const descending = head.getAttribute("aria-sort") === "ascending" || (!head.hasAttribute("aria-sort") && head.classList.contains("n"));
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sortRows(table, column, descending);
      }, "sorts"));
    });
  }
  // A cell that a spreadsheet would take for a formula begins with an apostrophe.
  const plainCell = (text) => text.replace(/\s+/g, " ").trim().replace(/^([=@]|[+-](?![\d.]))/, "'$1");
  function toTsv(table) {
    const rows = [table.tHead.rows[0], ...[...table.tBodies[0].rows].filter((row) => !row.hidden)];
    return rows.map((row) => [...row.cells].map((cell) => plainCell(cell.textContent)).join("\t")).join("\n") + "\n";
  }
  function download(name, text) {
    const link = el("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/tab-separated-values" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  for (const table of document.querySelectorAll("table.sortable")) {
    makeSortable(table);
    const title = table.dataset.title, said = el("span", "quiet");
    said.setAttribute("role", "status");
    const copy = button("Copy", () => navigator.clipboard.writeText(toTsv(table)).then(
      () => { said.textContent = "copied"; }, () => { said.textContent = "the browser does not allow it: download it"; }), "small");
    copy.setAttribute("aria-label", "Copy the table " + title + " as TSV");
    const save = button("TSV", () => download(title.replace(/[^\p{L}\p{N}]+/gu, "-").toLowerCase() + ".tsv", toTsv(table)), "small");
    save.setAttribute("aria-label", "Download the table " + title + " as TSV");
    (table.closest(".wide") || table).after(add(el("div", "table-tools"), copy, save, said));
  }
