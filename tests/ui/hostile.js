// In the page: draw a batch of messages as the thread draws them, and say what is wrong with any.
async ({ batch, tags, attributes }) => {
  const allowedTags = new Set(tags);
  const allowedNames = new Set(attributes);
  const faults = [];
  const list = document.querySelector("#chat .rows");
  const rows = batch.map((blocks, i) => {
    const { row, text } = floe.messageRow(i % 2 ? "user" : "assistant");
    row.style.contentVisibility = "visible";
    floe.showBlocks(text, blocks);
    return row;
  });
  list.replaceChildren(...rows);
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));

  const own = (node) => node.closest("figcaption button"); // ours, not the message's
  const inside = (inner, outer) =>
    inner.left >= outer.left - 1 && inner.right <= outer.right + 1 && inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;

  /** What of a node can be seen and pressed, as far as the message's own elements cut it. */
  const visiblePart = (node, message) => {
    let { left, right, top, bottom } = node.getBoundingClientRect();
    for (let at = node.parentElement; at !== message; at = at.parentElement) {
      const style = getComputedStyle(at);
      const box = at.getBoundingClientRect();
      if (style.overflowX !== "visible") [left, right] = [Math.max(left, box.left), Math.min(right, box.right)];
      if (style.overflowY !== "visible") [top, bottom] = [Math.max(top, box.top), Math.min(bottom, box.bottom)];
    }
    return left >= right || top >= bottom ? null : { left, right, top, bottom };
  };

  rows.forEach((row, i) => {
    const fault = (what) => faults.push(`message ${i}: ${what}`);
    const message = row.firstElementChild;
    const style = getComputedStyle(message);
    if (!/content|strict|paint/.test(style.contain)) fault(`contain: ${style.contain}`);
    const outer = message.getBoundingClientRect();
    for (const node of message.querySelectorAll("*")) {
      if (own(node)) continue;
      const name = node.localName;
      if (!allowedTags.has(name)) fault(`<${name}>`);
      for (const attribute of node.attributes) {
        if (!allowedNames.has(attribute.name)) fault(`<${name} ${attribute.name}>`);
      }
      if (/^(MATH|math)$/.test(name) !== (node instanceof MathMLElement && name === "math")) fault(`<${name}> in another namespace`);
      if (node instanceof SVGElement) fault(`<${name}> is of SVG`);
      const { position, cssFloat, transform } = getComputedStyle(node);
      if (position !== "static" || cssFloat !== "none" || transform !== "none") fault(`<${name}> is placed`);
      const part = visiblePart(node, message);
      if (part && !inside(part, outer)) fault(`<${name}> leaves its box: ${JSON.stringify([part, outer])}`);
    }
    const template = document.createElement("template");
    template.innerHTML = batch[i].join("");
    const once = template.innerHTML;
    template.innerHTML = once;
    if (template.innerHTML !== once) fault("reads otherwise the second time");
  });
  return { faults, nodes: list.querySelectorAll("*").length };
}
