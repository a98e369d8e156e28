// Charts over depth: entropy, transfer entropy with distortion, interaction.
{
  const {number, withInterval, valueText, blocks, band, grid, axisX, axisY, plot, tip, css} = vitrim;

  vitrim.chart("entropy", (data) => {
    const rows = data.rows.map(withInterval);
    const color = (d) => (d.branch === "MLP" ? "var(--mlp)" : "var(--attention)");
    const draw = (width) => plot(width, "Entropy of attention and MLP outputs by block", {
      height: Math.round(Math.max(260, Math.min(380, width * 0.42))),
      x: blocks(data.layers, width), y: {label: "entropy, nats", nice: true},
      marks: [
        band(data.chosen), grid(), axisY({label: "entropy, nats"}),
        Plot.line(data.other, {x: "block", y: "value", z: "branch", stroke: color, strokeWidth: 1.2, strokeDasharray: "4 3"}),
        Plot.line(rows, {x: "block", y: "value", z: "branch", stroke: color, strokeWidth: 2}),
        Plot.ruleX(rows, {x: "block", y1: "low", y2: "high", stroke: color, strokeWidth: 1.5}),
        Plot.dot(rows, {x: "block", y: "value", fill: color, symbol: (d) => (d.branch === "MLP" ? "diamond" : "circle"), r: 4.5, stroke: "var(--surface)", strokeWidth: 1}),
        tip(rows, {x: "block", y: "value", title: (d) => `Block ${d.block}, ${d.branch}\n${valueText(d)} nats`}),
      ],
      symbol: {type: "identity"},
    });
    return {
      legend: [{shape: "dot", color: "attention", label: "attention"}, {shape: "diamond", color: "mlp", label: "MLP"},
        ...(data.other.length ? [{shape: "dash", color: "muted", label: `estimator \u201c${data.otherName}\u201d`}] : []),
        ...(data.chosen.length ? [{shape: "square", color: "band", label: "chosen"}] : [])],
      panels: [{draw}],
    };
  });

  /** Bars from zero, the chosen blocks in the accent colour, with error bars where there are errors. */
  const bars = (rows, data, label, unit) => (width) => {
    const chosen = new Set(data.chosen), full = rows.map(withInterval);
    return plot(width, label, {
      height: 230, x: blocks(data.layers, width), y: {label: unit, nice: true, zero: true, ticks: 5},
      marks: [
        grid({ticks: 5}), axisY({ticks: 5, label: unit}),
        Plot.rectY(full, {x1: (d) => d.block - 0.34, x2: (d) => d.block + 0.34, y: "value", fill: (d) => (chosen.has(d.block) ? "var(--accent)" : "var(--neutral)"), rx: 1.5}),
        Plot.ruleX(full.filter((d) => d.se), {x: "block", y1: "low", y2: "high", stroke: "var(--text)", strokeWidth: 1.2}),
        Plot.ruleY([0], {stroke: "var(--faint)"}),
        tip(full, {x: "block", y: "value", title: (d) => `Block ${d.block}\n${label} ${valueText(d)}`}, Plot.pointerX),
      ],
    });
  };

  vitrim.chart("transfer", (data) => {
    const both = data.drop.length > 0 && data.identity.length > 0;
    const chosen = new Set(data.chosen);
    const rows = [...data.drop.map((d) => ({...withInterval(d), mask: "drop", at: d.block - (both ? 0.14 : 0)})),
      ...data.identity.map((d) => ({...withInterval(d), mask: "identity", at: d.block + (both ? 0.14 : 0)}))];
    const color = (d) => (chosen.has(d.block) ? "var(--accent)" : "var(--dense)");
    const draw = (width) => plot(width, "Transfer entropy of each attention layer", {
      height: Math.round(Math.max(250, Math.min(340, width * 0.36))),
      x: blocks(data.layers, width), y: {label: "transfer entropy, nats", nice: true, zero: true},
      marks: [
        band(data.chosen), grid(), axisY({label: null}), Plot.ruleY([0], {stroke: "var(--faint)"}),
        Plot.ruleX(rows, {x: "at", y1: "low", y2: "high", stroke: color, strokeWidth: 1.5}),
        Plot.dot(rows.filter((d) => d.mask === "drop"), {x: "at", y: "value", fill: color, r: 5, stroke: "var(--surface)", strokeWidth: 1}),
        Plot.dot(rows.filter((d) => d.mask === "identity"), {x: "at", y: "value", fill: "var(--surface)", stroke: color, strokeWidth: 1.5, symbol: "diamond", r: 4.5}),
        tip(rows, {x: "at", y: "value", title: (d) => `Block ${d.block}, mask \u201c${d.mask}\u201d\n${valueText(d)} nats`}),
      ],
    });
    const panels = [{name: "Transfer entropy, nats", grow: 1, basis: 5000, draw}];
    if (data.kl.length) panels.push({name: "Divergence of the predictions", basis: 270, draw: bars(data.kl, data, "KL", "KL, nats")});
    if (data.feature.length) panels.push({name: "Error of the features", basis: 270, draw: bars(data.feature, data, "Relative error", "relative error")});
    if (data.absorbed.length) panels.push({name: "Left after absorption", basis: 270, draw: bars(data.absorbed, data, "Score", "score")});
    return {
      legend: [...(data.drop.length ? [{shape: "dot", color: "dense", label: "drop"}] : []),
        ...(data.identity.length ? [{shape: "hollow", color: "dense", label: "identity"}] : []),
        ...(data.chosen.length ? [{shape: "square", color: "accent", label: "chosen"}] : [])],
      panels,
    };
  });

  vitrim.chart("interaction", (data) => {
    const size = d3.max(data.rows, (d) => Math.abs(d.value)) || 1;
    const half = d3.interpolateLab;
    const middle = css("middle"), below = half(middle, css("low")), above = half(middle, css("high"));
    const color = (value) => (value < 0 ? below(-value / size) : above(value / size));
    // Text must stand out from its cell: pick the lighter or the darker one by the cell's own lightness.
    const ink = (value) => (d3.lab(color(value)).l > 58 ? "#14171a" : "#ffffff");
    const short = (value) => value.toFixed(Math.abs(value) < 9.95 ? 1 : 0).replace(/^-(?=0\.?0*$)/, "").replace("-", "\u2212");
    const text = (d) => `Blocks ${d.i} and ${d.j}\n${number(d.value)} nats`;
    const matrix = (outer) => {
      const width = Math.min(outer, 580), cell = (width - 40) / data.layers;
      const ticks = data.layers > 16 && width < 420 ? d3.range(0, data.layers, 2) : d3.range(data.layers);
      return plot(width, "Interaction of every pair of attention layers", {
        height: width, marginLeft: 30, marginRight: 10, marginTop: 6, marginBottom: 34,
        x: {type: "band", domain: d3.range(data.layers), ticks, tickFormat: String, tickSize: 0, label: "block", labelAnchor: "right", padding: 0.04},
        y: {type: "band", domain: d3.range(data.layers), ticks, tickFormat: String, tickSize: 0, label: null, padding: 0.04},
        marks: [
          Plot.cell(data.rows, {x: "i", y: "j", fill: (d) => color(d.value), rx: 2}),
          Plot.cell(d3.range(data.layers), {x: (d) => d, y: (d) => d, fill: "none", stroke: "var(--grid)", rx: 2}),
          ...(cell >= 36 ? [Plot.text(data.rows, {x: "i", y: "j", text: (d) => short(d.value), fill: (d) => ink(d.value), fontSize: 11})] : []),
          tip(data.rows, {x: "i", y: "j", title: text}),
        ],
      });
    };
    const pairs = data.rows.filter((d) => d.i < d.j).sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, 16)
      .map((d) => ({...d, pair: `${d.i}, ${d.j}`}));
    const strongest = (width) => plot(width, "The pairs of layers with the strongest interaction", {
      height: 44 + 26 * pairs.length, marginLeft: 52, marginRight: 12, marginTop: 6, insetLeft: 30, insetRight: 30,
      x: {nice: true}, y: {type: "band", domain: pairs.map((d) => d.pair), label: null, padding: 0.35},
      marks: [
        axisX(width, {label: "interaction, nats"}), axisY({label: null}),
        Plot.barX(pairs, {x: "value", y: "pair", fill: (d) => (d.value < 0 ? "var(--low)" : "var(--high)"), rx: 1.5}),
        Plot.text(pairs, {x: "value", y: "pair", text: (d) => short(d.value), fill: "var(--text)", textAnchor: "start", dx: 5, filter: (d) => d.value >= 0}),
        Plot.text(pairs, {x: "value", y: "pair", text: (d) => short(d.value), fill: "var(--text)", textAnchor: "end", dx: -5, filter: (d) => d.value < 0}),
        Plot.ruleX([0], {stroke: "var(--faint)"}),
      ],
    });
    return {
      legend: [{ramp: d3.range(-1, 1.01, 0.1).map((t) => color(t * size)), from: "\u2212" + number(size, 2), to: "+" + number(size, 2) + " nats"}],
      panels: [{name: "All pairs", grow: 1.6, basis: 420, draw: matrix}, {name: "Strongest pairs", basis: 280, draw: strongest}],
    };
  });
}
