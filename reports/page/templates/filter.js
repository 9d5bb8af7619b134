  // The filter language: terms that all must hold. A key is a number (wer>20), a text (lang:de,fr), or a flag.
  const TERM = /^([\p{L}\p{N}_-]+?)(>=|<=|:|>|<|=)(.*)$/su;
  const unquote = (text) => text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/gs, "$1") : text;
  const quoteText = (text) => /^[^\s":,<>=-][^\s":,<>=]*$/.test(text) ? text : '"' + text.replace(/[\\"]/g, "\\$&") + '"';
  // The terms of an expression as they are written; a quoted stretch may hold spaces.
  function splitTerms(text) {
    const terms = text.match(/(?:"(?:[^"\\]|\\.)*"|[^\s"])+|"/gsu) || [];
    const open = terms.find((term) => term === '"' || (term.replace(/"(?:[^"\\]|\\.)*"/gsu, "").includes('"')));
    if (open !== undefined) throw new Error('expected a closing " after ' + text.slice(text.lastIndexOf('"')));
    return terms;
  }
  function distance(a, b) {
    let row = [...Array(b.length + 1).keys()];
    for (let i = 1; i <= a.length; i++) {
      const next = [i];
      for (let j = 1; j <= b.length; j++) next.push(Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] !== b[j - 1])));
      row = next;
    }
    return row[b.length];
  }
  function nearest(word, names) {
    const [best] = [...names].map((name) => [distance(word, name), name]).sort((a, b) => a[0] - b[0]);
    return best && best[0] <= Math.max(1, word.length / 3) ? "; did you mean " + best[1] + "?" : "";
  }
  const COMPARE = { ">": (a, b) => a > b, "<": (a, b) => a < b, ">=": (a, b) => a >= b, "<=": (a, b) => a <= b, "=": (a, b) => a === b, ":": (a, b) => a === b };
  function numberTest(get, key, operator, value) {
    const range = operator === ":" && /^(-?[\d.]+)\.\.(-?[\d.]+)$/.exec(value);
    if (range) return (line) => get(line) !== null && get(line) >= Number(range[1]) && get(line) <= Number(range[2]);
    const number = value.trim() === "" ? NaN : Number(value);
    if (Number.isNaN(number)) throw new Error("expected a number after " + key + operator + (value ? ", found " + value : ""));
    return (line) => get(line) !== null && COMPARE[operator](get(line), number);
  }
  // Letters are the same whether their accents are composed or not, whatever their case.
  const plain = (text) => text.normalize("NFC").toLowerCase();
  function textTest(kind, get, key, operator, value) {
    if (operator !== ":" && operator !== "=") throw new Error(key + " is a text: write " + key + ":" + (value || "…"));
    const values = (value.match(/"(?:[^"\\]|\\.)*"|[^,"]+/gsu) || []).map((part) => plain(unquote(part)));
    if (!values.length) throw new Error("expected a text after " + key + operator + ' ("" stands for none)');
    const holds = {
      exact: (text, part) => text === part,
      language: (text, part) => text === part || text.startsWith(part + "-"),
      part: (text, part) => text.includes(part),
    }[kind === "language" && operator === "=" ? "exact" : kind];
    return (line) => {
      const text = plain(get(line));
      return values.some((part) => holds(text, part));
    };
  }
  // keys: name -> {kind: number | exact | language | part | flag, get}. Gives the terms with a test each.
  function parseFilter(text, keys) {
    return splitTerms(text).map((raw) => {
      const negated = raw.length > 1 && raw.startsWith("-"), body = negated ? raw.slice(1) : raw;
      const test = termTest(body, keys);
      return { raw, test: negated ? (line) => !test(line) : test };
    });
  }
  function termTest(body, keys) {
    const keyOf = (word) => Object.hasOwn(keys, plain(word)) ? keys[plain(word)] : undefined;
    const parts = body.startsWith('"') ? null : TERM.exec(body);
    if (!parts) {
      const flag = keyOf(body);
      if (flag && flag.kind === "flag") return flag.get;
      return textTest("part", keys.text.get, "text", ":", body.startsWith('"') ? body : '"' + body.replace(/\\/g, "\\\\") + '"');
    }
    const [, name, operator, value] = parts, key = keyOf(name);
    if (!key || key.kind === "flag") throw new Error("no column " + name + (key ? ": it stands alone" : nearest(name.toLowerCase(), Object.keys(keys)) || "; ? lists them"));
    if (key.kind === "number") return numberTest(key.get, name, operator, unquote(value));
    return textTest(key.kind, key.get, name, operator, value);
  }
  // The terms as chips, each of which can be taken away, then flags that can be added.
  function drawChips(box, terms, suggestions, change) {
    const without = (raw) => terms.filter((term) => term.raw !== raw).map((term) => term.raw).join(" ");
    const present = new Set(terms.map((term) => term.raw));
    const chips = terms.map(({ raw }) => {
      const chip = button(raw.length > 60 ? raw.slice(0, 59) + "…" : raw, () => change(without(raw)), "chip on");
      chip.setAttribute("aria-label", "Remove the filter " + raw);
      return chip;
    });
    const more = suggestions.filter(([raw]) => !present.has(raw)).map(([raw, label]) => {
      const chip = button(label, () => change([...present, raw].join(" ")), "chip");
      chip.setAttribute("aria-label", "Add the filter " + raw);
      return chip;
    });
    box.replaceChildren(...[...chips, ...more].map((chip) => add(el("li"), chip)));
  }
