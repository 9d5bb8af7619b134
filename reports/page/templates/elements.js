  // Elements. Texts reach the page through textContent only.
  const $ = (id) => document.getElementById(id);
  function el(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  }
  function add(parent, ...nodes) { parent.append(...nodes); return parent; }
  function words(tag, className, text) {
    const node = el(tag, className, text === "" ? "(empty)" : text);
    if (text === "") node.classList.add("empty");
    node.dir = "auto";
    return node;
  }
  // A box that scrolls where its content is wider, and can be reached by keyboard for that.
  function region(label) {
    const box = el("div", "wide");
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", label);
    return box;
  }
  function button(text, act, className) {
    const node = el("button", className, text);
    node.type = "button";
    node.addEventListener("click", act);
    return node;
  }
