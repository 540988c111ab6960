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

  const cut = (box, by, x, y) => ({
    left: x ? Math.max(box.left, by.left) : box.left,
    right: x ? Math.min(box.right, by.right) : box.right,
    top: y ? Math.max(box.top, by.top) : box.top,
    bottom: y ? Math.min(box.bottom, by.bottom) : box.bottom,
  });
  const all = { left: -Infinity, right: Infinity, top: -Infinity, bottom: Infinity };

  const check = (message, fault) => {
    const outer = message.getBoundingClientRect();
    /** `clip` is what the elements around `node`, within the message, let be seen. */
    const walk = (node, clip) => {
      const name = node.localName;
      if (name === "button" && node.parentElement.localName === "figcaption") return; // ours
      if (!allowedTags.has(name)) fault(`<${name}>`);
      for (const attribute of node.attributes) {
        if (!allowedNames.has(attribute.name)) fault(`<${name} ${attribute.name}>`);
      }
      if (node instanceof SVGElement) fault(`<${name}> of SVG`);
      if (
        (name === "math") !==
        (node instanceof MathMLElement && node.parentElement instanceof HTMLElement)
      ) {
        fault(`<${name}> in another namespace`);
      }
      const style = getComputedStyle(node);
      if (style.position !== "static" || style.cssFloat !== "none" || style.transform !== "none") {
        fault(`<${name}> is placed`);
      }
      const box = node.getBoundingClientRect();
      const seen = cut(box, clip, true, true);
      const empty = seen.left >= seen.right || seen.top >= seen.bottom;
      const inside =
        seen.left >= outer.left - 1 &&
        seen.right <= outer.right + 1 &&
        seen.top >= outer.top - 1 &&
        seen.bottom <= outer.bottom + 1;
      if (!empty && !inside) fault(`<${name}> leaves its box: ${JSON.stringify([seen, outer])}`);
      const inner = cut(clip, box, style.overflowX !== "visible", style.overflowY !== "visible");
      for (const child of node.children) walk(child, inner);
    };
    const { contain } = getComputedStyle(message);
    if (!/content|strict|paint/.test(contain)) fault(`contain: ${contain}`);
    for (const child of message.children) walk(child, all);
  };

  rows.forEach((row, i) => {
    const fault = (what) => faults.push(`message ${i}: ${what}`);
    check(row.firstElementChild, fault);
    const template = document.createElement("template");
    template.innerHTML = batch[i].join("");
    const once = template.innerHTML;
    template.innerHTML = once;
    if (template.innerHTML !== once) fault("reads otherwise the second time");
  });
  return { faults, nodes: list.querySelectorAll("*").length };
};
