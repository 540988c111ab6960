// The tokens of an answer, coloured in its text itself: by highlights, which change no element.
"use strict";

/** Whether this browser can colour text without changing it; where not, the list stays open. */
floe.colours = typeof CSS !== "undefined" && "highlights" in CSS;

floe.shadeOf = ([, , , source, , local, cloud]) => {
  if (source !== "fused") return source;
  const both = (local ?? 0) + (cloud ?? 0);
  return `both-${Math.round(4 * (both > 0 ? (cloud ?? 0) / both : 0.5))}`;
};

/** What a token adds to the text; halves of a character add nothing until it is complete. */
floe.spelling = ([text, part]) => {
  if (part === 1) return text.replace(/‹[0-9A-F\u202f]+›$/, "");
  return text === "‹end›" ? "" : text;
};

/** How many characters are compared, and how far ahead, to find where the text goes on. */
floe.resumptions = [
  [8, 4200],
  [4, 80],
  [2, 16],
  [1, 8],
];

/**
 * Which token each character of a drawn text comes from, -1: none of them. `spelled` is what the
 * tokens spell, marks of Markdown included, from place `from` on; neither has any spaces.
 */
floe.alignText = (drawn, spelled, owners, from) => {
  const owner = new Int32Array(drawn.length).fill(-1);
  let at = from;
  let lost = 0;
  for (let i = 0; i < drawn.length && at < spelled.length && lost < 300; ) {
    if (drawn[i] === spelled[at]) {
      owner[i++] = owners[at++];
      lost = 0;
      continue;
    }
    let ahead = -1;
    for (const [length, reach] of floe.resumptions) {
      if (i + length > drawn.length) continue;
      ahead = spelled.slice(at, at + reach + length).indexOf(drawn.slice(i, i + length));
      if (ahead >= 0) break;
    }
    if (ahead >= 0) at += ahead;
    else {
      i += 1;
      lost += 1;
    }
  }
  return { owner, to: at };
};

{
  const SKIPPED = "math, button, .box";
  const space = /\s/;

  const highlight = (/** @type {string} */ shade) => {
    const name = `floe-${shade}`;
    let found = CSS.highlights.get(name);
    if (!found) {
      found = new Highlight();
      CSS.highlights.set(name, found);
    }
    return found;
  };

  /** The texts of a block that come from the answer, in order. */
  const textsOf = (/** @type {ChildNode[]} */ nodes) => {
    /** @type {Text[]} */
    const texts = [];
    for (const node of nodes) {
      const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
      for (let text = walker.nextNode(); text; text = walker.nextNode()) {
        if (text instanceof Text && !text.parentElement?.closest(SKIPPED)) texts.push(text);
      }
      if (node instanceof Text) texts.push(node);
    }
    return texts;
  };

  /** @type {(nodes: ChildNode[], prose: ProseTokens, from: number) => ColouredBlock} */
  const alignBlock = (nodes, prose, from) => {
    /** @type {[Text, number][]} */
    const places = [];
    let drawn = "";
    for (const text of textsOf(nodes)) {
      for (let i = 0; i < text.data.length; i += 1) {
        if (space.test(text.data[i])) continue;
        places.push([text, i]);
        drawn += text.data[i];
      }
    }
    const { owner, to } = floe.alignText(drawn, prose.spelled, prose.owners, from);
    /** @type {TokenPiece[]} */
    const pieces = [];
    places.forEach(([node, offset], i) => {
      const token = owner[i];
      if (token < 0) return;
      const last = pieces.at(-1);
      if (last && last.token === token && last.node === node) {
        last.end = offset + 1;
        return;
      }
      let start = offset;
      const least = last?.node === node ? last.end : 0;
      while (start > least && space.test(node.data[start - 1])) start -= 1;
      pieces.push({ node, start, end: offset + 1, token });
    });
    const whole = owner.at(-1) !== -1 && to < prose.spelled.length;
    return { nodes, pieces, to, whole, shown: [] };
  };

  const clear = (/** @type {ColouredBlock} */ block) => {
    for (const [shade, range] of block.shown) highlight(shade).delete(range);
    block.shown = [];
  };

  /** @type {(block: ColouredBlock, rows: TokenValue[]) => void} */
  const paint = (block, rows) => {
    for (const { node, start, end, token } of block.pieces) {
      const range = new StaticRange({
        startContainer: node,
        startOffset: start,
        endContainer: node,
        endOffset: end,
      });
      const shade = floe.shadeOf(rows[token]);
      highlight(shade).add(range);
      block.shown.push([shade, range]);
    }
  };

  const rangeOf = (/** @type {TokenPiece} */ { node, start, end }) => {
    const range = new Range();
    range.setStart(node, start);
    range.setEnd(node, Math.min(end, node.length));
    return range;
  };

  /** @type {(prose: ProseTokens, x: number, y: number) => TokenPiece | undefined} */
  const pieceAt = (prose, x, y) => {
    const node = document.caretPositionFromPoint(x, y)?.offsetNode;
    if (!node) return undefined;
    const block = prose.blocks.find(({ nodes }) => nodes.some((each) => each.contains(node)));
    return block?.pieces.find(
      (piece) =>
        piece.node === node &&
        [...rangeOf(piece).getClientRects()].some(
          (box) => x >= box.left && x <= box.right && y >= box.top - 3 && y <= box.bottom + 3,
        ),
    );
  };

  /** @type {(prose: ProseTokens, piece: TokenPiece | undefined) => void} */
  const show = (prose, piece) => {
    const here = highlight("here");
    here.clear();
    if (!piece) {
      floe.hideCard();
      return;
    }
    const range = rangeOf(piece);
    here.add(range);
    floe.showCard(range.getBoundingClientRect(), prose.rows[piece.token]);
  };

  const hide = () => {
    highlight("here").clear();
    floe.hideCard();
  };

  document.addEventListener("pointerdown", (event) => {
    if (floe.colours && !floe.closest(event, ".message-text, .tokens, #token-card")) hide();
  });

  /** @type {(text: MessageText, prose: ProseTokens) => void} */
  const listen = (text, prose) => {
    const point = (/** @type {MouseEvent} */ event) => {
      if (!prose.on || floe.closest(event, "a[data-href], button")) return;
      show(prose, pieceAt(prose, event.clientX, event.clientY));
    };
    text.addEventListener("pointermove", (event) => event.pointerType === "mouse" && point(event));
    /** @type {(piece: TokenPiece | undefined) => void} */
    const pin = (piece) => {
      const { take } = prose;
      if (!piece || !take) return;
      const { token } = piece;
      const place = rangeOf(piece).getBoundingClientRect();
      floe.showCard(place, prose.rows[token], (other) => take(token, other), text);
    };
    text.addEventListener("click", (event) => {
      point(event);
      if (!prose.on || floe.closest(event, "a[data-href], button")) return;
      pin(pieceAt(prose, event.clientX, event.clientY));
    });
    text.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hide());
    text.addEventListener("focusout", hide);
    text.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Escape") hide();
      if (prose.on && event.key === "Enter" && event.target === text && prose.at >= 0) {
        event.preventDefault();
        pin(prose.blocks.flatMap((block) => block.pieces).find((each) => each.token === prose.at));
        floe.enterCard();
      }
      if (!prose.on || !step || event.target !== text) return;
      event.preventDefault();
      const pieces = prose.blocks.flatMap((block) => block.pieces);
      const now = pieces.findIndex((piece) => piece.token === prose.at);
      let next = now + step;
      while (pieces[next] && pieces[next].token === prose.at) next += step;
      const piece = pieces[next];
      if (!piece) return;
      prose.at = piece.token;
      piece.node.parentElement?.scrollIntoView({ block: "nearest" });
      requestAnimationFrame(() => show(prose, piece)); // a scroll, which hides the card, is over
    });
  };

  /**
   * Colour the text of a message by its tokens as far as they are known; `null`: no longer. What
   * stands in blocks that have not changed stays as it is.
   */
  floe.colourText = (text, rows, take) => {
    if (!floe.colours || (!rows && !text.prose)) return;
    if (!text.prose) {
      text.prose = { rows: [], spelled: "", owners: [], counted: 0, blocks: [], at: -1, on: false };
      listen(text, text.prose);
    }
    const prose = text.prose;
    if (prose.on !== Boolean(rows)) {
      prose.on = Boolean(rows);
      prose.at = -1;
      if (rows) text.tabIndex = 0;
      else text.removeAttribute("tabindex");
      if (rows) text.setAttribute("role", "group");
      else text.removeAttribute("role");
      if (rows)
        text.setAttribute(
          "aria-label",
          "Answer; left and right go from token to token, Enter shows what else could stand there",
        );
      else text.removeAttribute("aria-label");
    }
    if (!rows) {
      prose.blocks.forEach(clear);
      prose.blocks = [];
      return;
    }
    prose.rows = rows;
    prose.take = take;
    for (; prose.counted < rows.length; prose.counted += 1) {
      for (const unit of floe.spelling(rows[prose.counted]).replace(/\s+/g, "").split("")) {
        prose.spelled += unit;
        prose.owners.push(prose.counted);
      }
    }
    const drawn = text.drawnBlocks ?? [];
    let same = 0;
    while (
      same < drawn.length &&
      prose.blocks[same]?.nodes === drawn[same].nodes &&
      prose.blocks[same].whole
    ) {
      same += 1;
    }
    prose.blocks.splice(same).forEach(clear);
    for (const { nodes } of drawn.slice(same)) {
      const block = alignBlock(nodes, prose, prose.blocks.at(-1)?.to ?? 0);
      paint(block, rows);
      prose.blocks.push(block);
    }
  };
}
