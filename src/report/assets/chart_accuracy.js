// Accuracy with intervals, and paired differences.
{
  const {points, percent, number, axisX, plot, tip} = vitrim;
  const color = (d) => ({compressed: "var(--accent)", dense: "var(--text)", control: "var(--neutral)"}[d.role] ?? "var(--attention)");
  const strong = (d) => (d.role === "compressed" ? 700 : 400);
  const labels = (rows, text) => Plot.text(rows, {y: "name", frameAnchor: "left", text, dx: -10, textAnchor: "end", fill: (d) => (d.role === "control" ? "var(--muted)" : color(d)), fontWeight: strong});
  const clip = (text, most) => (text.length > most ? text.slice(0, most - 1) + "\u2026" : text);
  const space = (rows, text) => 18 + 6.6 * d3.max(rows, (d) => text(d).length);

  /** A dot and its interval per row, the value written beside it. */
  const dots = (rows, options) => (width, first = true) => {
    const most = width < 480 ? 18 : 36;
    const text = (d) => clip(options.text ? options.text(d, width) : d.name, most);
    const left = first || !options.aligned ? space(rows, text) : 8;
    return plot(width, options.label, {
      height: 40 + 32 * rows.length, marginLeft: left, marginRight: 60, marginTop: 6, marginBottom: 28,
      x: {nice: true, zero: options.zero}, y: {type: "band", domain: rows.map((d) => d.name), axis: null},
      marks: [
        Plot.gridX({stroke: "var(--grid)", strokeOpacity: 1, ticks: 5}),
        axisX(width - left, {tickFormat: options.tick, label: null}),
        ...(options.zero ? [Plot.ruleX([0], {stroke: "var(--faint)", strokeWidth: 1.5})] : []),
        left > 8 ? labels(rows, text) : null,
        Plot.ruleY(rows, {y: "name", x1: options.low, x2: options.high, stroke: color, strokeWidth: 2.5, strokeLinecap: "round"}),
        Plot.dot(rows, {x: options.value, y: "name", fill: color, r: 5.5, stroke: "var(--surface)", strokeWidth: 1.2}),
        Plot.text(rows, {y: "name", frameAnchor: "right", text: options.format, textAnchor: "end", dx: 52, fill: "var(--text)", fontWeight: strong}),
        tip(rows, {x: options.value, y: "name", title: options.title}),
      ],
    });
  };
  const whole = (v) => String(Math.round(100 * v * 10) / 10).replace("-", "\u2212");
  const difference = (rows, text) => dots(rows, {
    label: "Change with 95 % intervals", value: "difference", low: "differenceLow", high: "differenceHigh", zero: true,
    tick: whole, format: (d) => points(d.difference), text,
    title: (d) => `${d.name}\n${d.layers === "none" ? "" : "removed " + d.layers + "\n"}${points(d.difference)} points [${points(d.differenceLow)}, ${points(d.differenceHigh)}]${d.p === "\u2013" ? "" : "\nMcNemar " + d.p}`,
  });

  vitrim.chart("accuracy", (data) => {
    const paired = data.rows.filter((d) => d.difference !== undefined);
    const panels = [{name: data.metric === "Top-1" ? "Accuracy, %" : `${data.metric}, %`, grow: 1.3, basis: 380, draw: dots(data.rows, {
      label: `${data.metric ?? "Top-1"} with 95 % intervals`, value: "top1", low: "low", high: "high", tick: whole, format: (d) => whole(d.top1),
      title: (d) => `${d.name}\n${percent(d.top1)} [${whole(d.low)}, ${whole(d.high)}]\n${d.images} images`,
    })}];
    if (paired.length) panels.push({name: "Change on the same images, points", basis: 320, draw: difference(paired)});
    return {panels};
  });

  vitrim.chart("controls", (data) => {
    // The layers stand beside the name where there is room.
    const text = (d, width) => (width < 480 ? d.name : `${d.name}   (${d.layers})`);
    const paired = data.rows.filter((d) => d.difference !== undefined), diverged = data.rows.filter((d) => d.kl !== undefined);
    const panels = [];
    if (paired.length) panels.push({name: "Change in top-1, points", grow: 1.6, basis: 480, draw: difference(paired, text)});
    if (diverged.length) panels.push({name: "Divergence from dense, nats", basis: 280, draw: dots(diverged, {
      label: "Mean KL to the dense model's output on held-out images", value: "kl", low: "kl", high: "kl", zero: true, aligned: paired.length === diverged.length,
      tick: (v) => number(v), format: (d) => number(d.kl), text, title: (d) => `${d.name}\nremoved ${d.layers}\nKL ${number(d.kl)} nats`,
    })});
    return {legend: [{shape: "dot", color: "accent", label: "this result"}, {shape: "dot", color: "neutral", label: "controls"}], panels};
  });
}
