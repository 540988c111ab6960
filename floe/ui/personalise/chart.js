// A line chart in SVG: it takes its colours from the style sheet, so light and dark follow.
"use strict";

floe.svg = (tag, attributes = {}, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
};

/** Round steps (1, 2, 5 times a power of ten) that divide a range into about `count` parts. */
floe.ticks = (low, high, count) => {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const steps = [1, 2, 5, 10].map((each) => each * power);
  const step = steps.find((each) => each >= rough * 0.999) ?? 10 * power;
  const ticks = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step) {
    ticks.push(Math.abs(at) < step * 1e-6 ? 0 : at);
  }
  return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
};

floe.dashes = ["", "6 3", "2 3", "8 3 2 3", "1 4", "10 4", "4 2 1 2", "3 6"];

floe.sides = ["local", "both", "cloud"];

/** How a curve is drawn: by whose it is, else by its place among the others. */
floe.curve = (each, number) => {
  const side = floe.sides.indexOf(each.side ?? "");
  const place = side < 0 ? number % 8 : side;
  return { class: `line-${side < 0 ? place : each.side}`, dash: floe.dashes[place] };
};

/**
 * A chart with a legend and a reading under the pointer; `update(series)` draws anew. A series has
 * `name` and `points` ([x, y], x growing), and may say `dots` to mark each point.
 */
floe.chart = (xName, yName) => {
  const HEIGHT = 230;
  const EDGE = { left: 46, right: 12, top: 10, bottom: 34 };
  const none = `${yName} by ${xName}: no figures yet`;
  const svg = floe.svg("svg", { role: "img", height: HEIGHT, "aria-label": none });
  const legend = floe.el("div", { className: "chart-legend" });
  const reading = floe.el("p", { className: "chart-reading" });
  const node = floe.el("figure", { className: "chart" }, legend, svg, reading);
  /** @type {SeriesValue[]} */
  let series = [];
  /** @type {Record<"x" | "y", (value: number) => number>} */
  let scale = { x: () => 0, y: () => 0 };

  const path = (/** @type {number[][]} */ points) =>
    points
      .map(([x, y], i) => `${i ? "L" : "M"}${scale.x(x).toFixed(1)} ${scale.y(y).toFixed(1)}`)
      .join("");

  const measure = (/** @type {number} */ width) => {
    const points = series.flatMap((each) => each.points);
    const xs = points.map(([x]) => x);
    const ys = points.map(([, y]) => y);
    const [left, right] = [Math.min(...xs), Math.max(...xs)];
    let [low, high] = [Math.min(...ys), Math.max(...ys)];
    const room = (high - low || Math.abs(high) || 1) * 0.08;
    [low, high] = [low - room, high + room];
    const wide = width - EDGE.left - EDGE.right;
    const tall = HEIGHT - EDGE.top - EDGE.bottom;
    scale = {
      x: (x) => EDGE.left + (right > left ? (x - left) / (right - left) : 0.5) * wide,
      y: (y) => EDGE.top + ((high - y) / (high - low)) * tall,
    };
    return { left, right, low, high };
  };

  /** @type {(width: number, box: ReturnType<typeof measure>) => SVGElement[]} */
  const axes = (width, { left, right, low, high }) => {
    const rows = floe.ticks(low, high, 4);
    const columns = floe.ticks(left, right, Math.max(2, Math.min(8, Math.floor(width / 90))));
    /** @type {(x: number, y: number, anchor: string, words: string) => SVGElement} */
    const text = (x, y, anchor, words) => floe.svg("text", { x, y, "text-anchor": anchor }, words);
    return [
      ...rows.ticks.flatMap((tick) => [
        floe.svg("line", {
          x1: EDGE.left,
          x2: width - EDGE.right,
          y1: scale.y(tick),
          y2: scale.y(tick),
          class: "grid",
        }),
        text(EDGE.left - 7, scale.y(tick) + 4, "end", tick.toFixed(rows.digits)),
      ]),
      ...columns.ticks
        .filter((tick) => Math.abs(tick - Math.round(tick)) < 1e-6)
        .map((tick) =>
          text(scale.x(tick), HEIGHT - EDGE.bottom + 16, "middle", String(Math.round(tick))),
        ),
      text(width - EDGE.right, HEIGHT - 3, "end", xName),
      floe.svg(
        "text",
        {
          x: 11,
          y: EDGE.top + 70,
          transform: `rotate(-90 11 ${EDGE.top + 70})`,
          "text-anchor": "middle",
        },
        yName,
      ),
    ];
  };

  /** @type {(each: SeriesValue, number: number) => SVGElement} */
  const line = (each, number) => {
    const { class: name, dash } = floe.curve(each, number);
    const group = floe.svg("g", { class: name });
    group.append(floe.svg("path", { d: path(each.points), "stroke-dasharray": dash }));
    if (each.dots || each.points.length === 1) {
      for (const [x, y] of each.points) {
        group.append(floe.svg("circle", { cx: scale.x(x), cy: scale.y(y), r: 3 }));
      }
    }
    return group;
  };

  const draw = () => {
    const width = Math.max(260, Math.floor(node.clientWidth));
    const drawn = series.filter((each) => each.points.length);
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute("width", String(width));
    node.classList.toggle("waiting", !drawn.length);
    if (!drawn.length) {
      svg.setAttribute("aria-label", none);
      svg.replaceChildren(
        floe.svg(
          "text",
          { x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" },
          "No figures yet",
        ),
      );
      return;
    }
    const box = measure(width);
    const lines = series.map((each, number) => (each.points.length ? line(each, number) : ""));
    svg.replaceChildren(...axes(width, box), ...lines);
    const last = drawn.map(
      (each) => `${each.name} ${each.points[each.points.length - 1][1].toFixed(3)}`,
    );
    svg.setAttribute("aria-label", `${yName} by ${xName}: at the end ${last.join(", ")}`);
  };

  svg.onpointermove = (event) => {
    const points = series.flatMap((each) => each.points);
    if (!points.length) return;
    const at = event.clientX - svg.getBoundingClientRect().left;
    const near = points.reduce((best, each) =>
      Math.abs(scale.x(each[0]) - at) < Math.abs(scale.x(best[0]) - at) ? each : best,
    )[0];
    const values = series.flatMap(({ name, points }) => {
      const point = points.filter(([x]) => x <= near).at(-1);
      return point ? [`${name} ${point[1].toFixed(3)}`] : [];
    });
    reading.textContent = `${xName} ${near}: ${values.join(" · ")}`;
  };
  svg.onpointerleave = () => {
    reading.textContent = "";
  };

  new ResizeObserver(() => requestAnimationFrame(draw)).observe(node);

  const update = (/** @type {SeriesValue[]} */ fresh) => {
    series = fresh;
    legend.replaceChildren(
      ...series.map((each, number) => {
        const { class: kind, dash } = floe.curve(each, number);
        const sample = floe.svg("svg", { viewBox: "0 0 26 8", class: kind });
        sample.setAttribute("aria-hidden", "true");
        sample.append(floe.svg("path", { d: "M1 4h24", "stroke-dasharray": dash }));
        return floe.el("span", {}, sample, each.name);
      }),
    );
    draw();
  };
  return Object.assign(node, { update });
};
