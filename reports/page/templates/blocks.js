  // Blocks of data: scripts of JSON inside the page, or files of the data folder, loaded when first needed.
  const folder = $("utterances").dataset.folder;
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
    if (!awaited.has(name)) awaited.set(name, new Promise((done, fail) => {
      const script = document.createElement("script");
      script.src = folder + "/" + name + ".js";
      script.onload = () => { script.remove(); done(arrived.get(name)); };
      script.onerror = () => fail(new Error(script.src + " is missing: keep the folder beside the page"));
      document.head.append(script);
    }));
    return awaited.get(name);
  }
