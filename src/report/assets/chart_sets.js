// The best sets: which layers, their score, how often each is chosen.
vitrim.chart("sets", (data) => {
  const {number, percent, axisX, plot, tip, ci} = vitrim;
  const rows = data.rows.map((d, i) => ({...d, rank: i + 1, low: d.score - ci * (d.se ?? 0), high: d.score + ci * (d.se ?? 0)}));
  const color = (d) => (d.chosen ? "var(--accent)" : "var(--dense)");
  const height = 52 + 28 * rows.length;
  const domain = rows.map((d) => d.label);
  const text = (d) => `${d.label}\nscore ${number(d.score, 4)}${d.se ? " \u00b1 " + number(d.se, 2) : ""}\nTE ${number(d.te)} nats, KL ${number(d.kl)} nats\nfeature error ${number(d.feature)}\nchosen in ${percent(d.share, 0)} of resamples`;
  const named = {type: "band", domain, axis: null, padding: 0.2};
  const space = 14 + 6.4 * d3.max(domain, (d) => d.length);
  const margin = (first) => (first ? space : 8);
  const names = (first) => !first ? null : Plot.text(rows, {y: "label", frameAnchor: "left", text: "label", dx: -8, textAnchor: "end", fill: color, fontWeight: (d) => (d.chosen ? 700 : 400)});

  const members = rows.flatMap((row) => d3.range(data.layers).map((layer) => ({label: row.label, layer, chosen: row.chosen, inside: row.layers.includes(layer)})));
  const pattern = (outer, first) => {
    const width = Math.min(outer, space + 12 + 28 * data.layers);
    return plot(width, "Layers in each set", {
      height, marginLeft: margin(first), marginTop: 6, x: {type: "band", domain: d3.range(data.layers), padding: 0.18}, y: named,
      marks: [
        Plot.axisX(d3.range(0, data.layers, data.layers * 20 > width - space ? 2 : 1), {tickSize: 0, tickFormat: String, label: "block", labelArrow: "none", labelAnchor: "right"}), names(first),
        Plot.cell(members, {x: "layer", y: "label", rx: 2.5, fill: (d) => (d.inside ? (d.chosen ? "var(--accent)" : "var(--dense)") : "var(--grid)")}),
      ],
    });
  };
  const scores = (width, first) => plot(width, `Score of each set, ${data.score}`, {
    height, marginLeft: margin(first), marginTop: 6, marginRight: 16, x: {nice: true}, y: named,
    marks: [
      Plot.gridX({stroke: "var(--grid)", strokeOpacity: 1, ticks: 5}), axisX(width - margin(first), {label: "lower is better"}), names(first),
      Plot.ruleY(rows, {y: "label", x1: "low", x2: "high", stroke: color, strokeWidth: 2}),
      Plot.dot(rows, {x: "score", y: "label", fill: color, r: 5, stroke: "var(--surface)", strokeWidth: 1}),
      tip(rows, {x: "score", y: "label", title: text}),
    ],
  });
  const shares = (width, first) => plot(width, "How often each set is chosen on resampled images", {
    height, marginLeft: margin(first), marginTop: 6, marginRight: 44, x: {domain: [0, Math.max(0.1, d3.max(rows, (d) => d.share ?? 0))]}, y: named,
    marks: [
      axisX(width - margin(first), {ticks: 3, tickFormat: (d) => percent(d, 0), label: null}), names(first),
      Plot.barX(rows, {x: "share", y: "label", insetTop: 2, insetBottom: 2, fill: (d) => (d.chosen ? "var(--accent)" : "var(--neutral)"), rx: 1.5}),
      Plot.text(rows, {x: "share", y: "label", text: (d) => percent(d.share ?? 0, 0), textAnchor: "start", dx: 5, fill: "var(--text)"}),
      Plot.ruleX([0], {stroke: "var(--faint)"}),
    ],
  });
  return {
    legend: rows.some((d) => d.chosen) ? [{shape: "square", color: "accent", label: "chosen"}, {shape: "square", color: "dense", label: "other sets"}] : [],
    panels: [{name: "Layers in the set", grow: 1, basis: 300, draw: pattern}, {name: data.score[0].toUpperCase() + data.score.slice(1), grow: 1.2, basis: 300, draw: scores},
      {name: "Chosen on resamples", grow: 0.8, basis: 220, draw: shares}],
  };
});
