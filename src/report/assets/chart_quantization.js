// Linear layers by block: what int8 costs each, and which stay float.
vitrim.chart("quantization", (data) => {
  const {number, compact, plot, tip, axisX, axisY, css} = vitrim;
  const kinds = [...new Set(data.rows.map((d) => d.layer))], layers = 1 + d3.max(data.rows, (d) => d.block);
  const known = data.rows.filter((d) => d.cost !== null && d.cost > 0);
  const [least, most] = d3.extent(known, (d) => Math.log10(d.cost));
  const share = (d) => (most > least ? (Math.log10(d.cost) - least) / (most - least) : 0.5);
  const ramp = d3.interpolateLab(css("middle"), css("high"));
  const color = (d) => (d.cost === null || d.cost <= 0 ? "var(--neutral)" : ramp(share(d)));
  const ink = (d) => (d.cost === null || d.cost <= 0 ? "var(--text)" : d3.lab(ramp(share(d))).l > 58 ? "#14171a" : "#ffffff");
  const short = (d) => (d.cost === null ? "" : d.cost.toExponential(0).replace("-", "\u2212"));
  const unit = data.measured ? "KL, nats" : "relative error of the weights";
  const text = (d) => `${d.name}: ${d.int8 ? "int8" : "float"}\n${unit} ${number(d.cost)}`
    + (d.alpha > 0 ? `\nequalised, exponent ${d.alpha}` : "") + (d.refitted ? "\nrefitted" : "") + `\n${compact(d.bytes)} bytes`;
  const map = (width) => {
    const cell = (width - 60) / layers;
    return plot(width, "What int8 costs each linear layer, by block", {
      height: 60 + 34 * kinds.length, marginLeft: 44, marginRight: 10, marginTop: 6, marginBottom: 34,
      x: {type: "band", domain: d3.range(layers), ticks: d3.range(0, layers, cell < 20 ? 4 : 1), tickFormat: String, tickSize: 0, label: "block", labelAnchor: "right", padding: 0.06},
      y: {type: "band", domain: kinds, tickSize: 0, label: null, padding: 0.08},
      marks: [
        Plot.cell(data.rows, {x: "block", y: "layer", fill: color, rx: 2}),
        Plot.cell(data.rows.filter((d) => !d.int8), {x: "block", y: "layer", fill: "none", stroke: "var(--accent)", strokeWidth: 2.5, rx: 2}),
        ...(cell >= 44 ? [Plot.text(data.rows, {x: "block", y: "layer", text: short, fill: ink, fontSize: 11})] : []),
        tip(data.rows, {x: "block", y: "layer", title: text}),
      ],
    });
  };
  const worst = known.slice().sort((a, b) => b.cost - a.cost).slice(0, 12);
  const bars = (width) => plot(width, "The layers that int8 costs most", {
    height: 44 + 24 * worst.length, marginLeft: 150, marginRight: 12, marginTop: 6, insetRight: 40,
    x: {nice: true, zero: true}, y: {type: "band", domain: worst.map((d) => d.name), label: null, padding: 0.3},
    marks: [
      axisX(width - 150, {label: unit}), axisY({label: null}),
      Plot.barX(worst, {x: "cost", y: "name", fill: (d) => (d.int8 ? "var(--neutral)" : "var(--accent)"), rx: 1.5}),
      Plot.text(worst, {x: "cost", y: "name", text: (d) => number(d.cost, 2), fill: "var(--text)", textAnchor: "start", dx: 5}),
    ],
  });
  return {
    legend: [...(known.length ? [{ramp: d3.range(0, 1.01, 0.1).map(ramp), from: number(10 ** least, 2), to: number(10 ** most, 2) + (data.measured ? " nats" : "")}] : []),
      ...(data.rows.some((d) => !d.int8) ? [{shape: "outline", color: "accent", label: "stays float"}] : [])],
    panels: [{name: "By block", grow: 1.6, basis: 420, draw: map}, ...(worst.length ? [{name: "The largest", basis: 300, draw: bars}] : [])],
  };
});
