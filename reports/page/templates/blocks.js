  // Blocks of data: scripts of JSON inside the page, or files of the data folder, loaded when first needed.
  const folder = $("utterances").dataset.folder;
  const firsts = $("utterances").dataset.files.split(",").map(Number); // blocks of pages that begin a file
  function fileOf(name) {
    const page = /^page-(\d+)$/.exec(name);
    return page ? "page-" + firsts.findLast((first) => first <= Number(page[1])) : name;
  }
  const arrived = new Map(), awaited = new Map();
  window.antiphon = (name, value) => { arrived.set(name, value); };
  // The block's value, or a promise of it.
  function block(name) {
    if (arrived.has(name)) return arrived.get(name);
    const here = $(name);
    if (here) {
      arrived.set(name, JSON.parse(here.textContent));
      return arrived.get(name);
    }
    const file = fileOf(name);
    if (!awaited.has(file)) awaited.set(file, new Promise((done, fail) => {
      const script = document.createElement("script");
      script.src = folder + "/" + file + ".js";
      script.onload = () => { script.remove(); done(); };
      script.onerror = () => fail(new Error(script.src + " is missing: keep the folder beside the page"));
      document.head.append(script);
    }));
    return awaited.get(file).then(() => arrived.get(name));
  }
