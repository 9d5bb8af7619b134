  // Plots of dots, one per utterance: a click, or Enter, leads to it. Drawn when they come into sight.
  const SVG = "http://www.w3.org/2000/svg", WIDE = 460, HIGH = 250, LEFT = 44, BELOW = 34, ROUND = 10;
  function svg(tag, attributes, text) {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  }
  // Round steps that divide a range into about five.
  function ticks(low, high) {
    const rough = (high - low) / 5 || 1, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
    const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
    return Array.from({ length: last - first + 1 }, (_, n) => Number(((first + n) * step).toPrecision(10)));
  }
  function scale(values, from, to) {
    const low = Math.min(...values), high = Math.max(...values), margin = (high - low || 1) * 0.04;
    const bottom = low - margin, top = high + margin;
    return { low: bottom, high: top, at: (value) => from + (value - bottom) / (top - bottom) * (to - from) };
  }
  async function drawDots(figure) {
    const lines_ = await block("index"), { x, y, xLabel, yLabel } = figure.dataset;
    const dots = lines_.map((each) => ({ id: each[ID], x: number(x)(each), y: number(y)(each) })).filter((dot) => dot.x !== null && dot.y !== null);
    const across = scale(dots.map((dot) => dot.x), LEFT, WIDE - ROUND), up = scale(dots.map((dot) => dot.y), HIGH - BELOW, ROUND);
    const picture = svg("svg", { viewBox: "0 0 " + WIDE + " " + HIGH, "aria-hidden": "true", class: "dot-plot" });
    for (const tick of ticks(across.low, across.high)) {
      picture.append(svg("line", { x1: across.at(tick), x2: across.at(tick), y1: ROUND, y2: HIGH - BELOW, class: "grid" }), svg("text", { x: across.at(tick), y: HIGH - BELOW + 15, "text-anchor": "middle" }, tick));
    }
    for (const tick of ticks(up.low, up.high)) {
      picture.append(svg("line", { x1: LEFT, x2: WIDE - ROUND, y1: up.at(tick), y2: up.at(tick), class: "grid" }), svg("text", { x: LEFT - 6, y: up.at(tick) + 4, "text-anchor": "end" }, tick));
    }
    if (figure.dataset.diagonal) {
      const low = Math.max(across.low, up.low), high = Math.min(across.high, up.high);
      picture.append(svg("line", { x1: across.at(low), y1: up.at(low), x2: across.at(high), y2: up.at(high), class: "diagonal" }));
    }
    picture.append(svg("text", { x: (LEFT + WIDE) / 2, y: HIGH - 3, "text-anchor": "middle", class: "axis" }, xLabel), svg("text", { x: 12, y: (HIGH - BELOW) / 2, transform: "rotate(-90 12 " + (HIGH - BELOW) / 2 + ")", "text-anchor": "middle", class: "axis" }, yLabel));
    for (const dot of dots) { dot.left = across.at(dot.x); dot.top = up.at(dot.y); }
    // One path for all of them: thousands of dots cost one element.
    picture.append(svg("path", { d: dots.map((dot) => "M" + dot.left.toFixed(1) + " " + dot.top.toFixed(1) + "h0").join(""), class: dots.length > 400 ? "dots many" : "dots" }));
    const ring = picture.appendChild(svg("circle", { r: 6, class: "ring", visibility: "hidden" }));
    letWalk(figure, picture, ring, dots);
  }
  function letWalk(figure, picture, ring, dots) {
    const { xLabel, yLabel } = figure.dataset, say = el("a", "dot-link", "");
    const area = add(el("div", "dot-area"), picture), sorted = [...dots].sort((a, b) => a.x - b.x || a.y - b.y);
    let now = -1;
    area.tabIndex = 0;
    area.setAttribute("role", "group");
    area.setAttribute("aria-label", figure.dataset.title + ": " + dots.length + " utterances; left and right go from dot to dot, Enter opens the utterance");
    const point = (n) => {
      now = n;
      const dot = sorted[n];
      ring.setAttribute("cx", dot.left);
      ring.setAttribute("cy", dot.top);
      ring.removeAttribute("visibility");
      say.href = "#utterance=" + encodeURIComponent(dot.id);
      say.textContent = dot.id + ": " + xLabel + " " + Number(dot.x.toFixed(2)) + ", " + yLabel + " " + Number(dot.y.toFixed(2));
    };
    const nearestTo = (event) => {
      const box = picture.getBoundingClientRect(), zoom = WIDE / box.width;
      const left = (event.clientX - box.left) * zoom, top = (event.clientY - box.top) * zoom;
      const far = (dot) => (dot.left - left) ** 2 + (dot.top - top) ** 2;
      const best = sorted.reduce((best_, dot, n) => far(dot) < far(sorted[best_]) ? n : best_, 0);
      return far(sorted[best]) < 30 ** 2 ? best : -1;
    };
    picture.addEventListener("pointermove", (event) => { const n = nearestTo(event); if (n >= 0) point(n); });
    picture.addEventListener("click", (event) => { const n = nearestTo(event); if (n >= 0) { point(n); say.click(); } });
    area.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) point(Math.min(Math.max(now + step, 0), sorted.length - 1));
      else if (event.key === "Enter" && now >= 0) say.click();
      else return;
      event.preventDefault();
    });
    const live = add(el("p", "dot-now"), say);
    live.setAttribute("role", "status");
    figure.append(area, live);
  }
  const undrawn = new Set(document.querySelectorAll("figure.dots"));
  function draw(figure) {
    sight.unobserve(figure);
    if (undrawn.delete(figure)) drawDots(figure).catch((error) => figure.append(el("p", "bad", error.message)));
  }
  const sight = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) draw(target);
  });
  for (const figure of undrawn) sight.observe(figure);
  // On paper everything is in sight: plots are drawn, folded sections are open.
  addEventListener("beforeprint", () => {
    for (const figure of [...undrawn]) draw(figure);
    for (const fold of document.querySelectorAll("details.fold")) fold.open = true;
  });
  // A link to a folded section opens it.
  function unfold() {
    const target = document.getElementById(location.hash.slice(1));
    const fold = target && target.querySelector(":scope > details.fold");
    if (fold) { fold.open = true; target.scrollIntoView(); }
  }
  addEventListener("hashchange", unfold);
  unfold();
