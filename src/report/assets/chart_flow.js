// Entropy of every layer by epoch, under lambda: how information leaves the attention.
vitrim.chart("flow", (data) => {
  const {number, css, hover, grid, axisX, axisY, plot, tip} = vitrim;
  const epochs = data.epochs, removed = new Set(data.removed), blocks = d3.range(data.blocks);
  const diluted = removed.size > 0;
  const branches = [{key: "attention", name: "Attention", color: "attention"}, {key: "mlp", name: "MLP", color: "mlp"}];
  const known = (value) => value !== null && value !== undefined;

  /** Per block the entropies by epoch, as changes since the first that is known. */
  const changes = (key) => blocks.map((block) => {
    const values = epochs.map((e) => e[key][block]);
    const first = values.find(known);
    return values.map((value) => (known(value) ? value - first : null));
  });
  const moved = {attention: changes("attention"), mlp: changes("mlp")};
  // One strong layer must not wash out the others: the scale ends where all but the strongest twentieth do.
  const sizes = [...moved.attention, ...moved.mlp].flat().filter(known).map(Math.abs).filter((v) => v > 0).sort(d3.ascending);
  const size = sizes.length ? d3.quantileSorted(sizes, 0.95) : 1;
  const clipped = sizes.length > 0 && sizes[sizes.length - 1] > size * 1.001;
  const below = d3.interpolateLab(css("middle"), css("low")), above = d3.interpolateLab(css("middle"), css("high"));
  const color = (value) => (value < 0 ? below(Math.min(1, -value / size)) : above(Math.min(1, value / size)));
  const signed = (value) => (value > 0 ? "+" : "") + number(value, 3);

  const strip = diluted ? 46 : 0, top = strip + (diluted ? 12 : 2), left = 40, bottom = 34;
  const heat = (branch) => (width) => {
    const room = width - left - 6, cell = room / epochs.length;
    const row = Math.max(9, Math.min(26, 300 / data.blocks));
    const height = top + row * data.blocks + bottom;
    const svg = d3.create("svg").attr("width", width).attr("height", height).attr("viewBox", [0, 0, width, height]).attr("role", "img").attr("font-size", 12)
      .attr("aria-label", `Change of ${branch.name} entropy by block and epoch`);
    const middle = (i) => left + (i + 0.5) * cell;
    if (diluted) {  // lambda, on the same epochs
      const y = d3.scaleLinear([0, 1], [strip, 5]);
      const points = epochs.map((e, i) => [middle(i), y(e.lambda)]);
      const line = d3.line()(points);
      svg.append("path").attr("d", `${line}L${middle(epochs.length - 1)},${strip}L${middle(0)},${strip}Z`).attr("fill", "var(--band)");
      svg.append("path").attr("d", line).attr("fill", "none").attr("stroke", "var(--accent)").attr("stroke-width", 2);
      svg.append("g").selectAll("circle").data(epochs.length <= 40 ? points : []).join("circle").attr("cx", (p) => p[0]).attr("cy", (p) => p[1]).attr("r", 3).attr("fill", "var(--accent)");
      svg.append("line").attr("x1", left).attr("x2", left + room).attr("y1", strip).attr("y2", strip).attr("stroke", "var(--faint)").attr("stroke-width", 0.75);
      for (const value of [0, 1]) svg.append("text").attr("x", left - 8).attr("y", y(value)).attr("dy", "0.35em").attr("text-anchor", "end").attr("fill", "var(--muted)").text(value);
      svg.append("text").attr("x", left - 22).attr("y", (strip + 5) / 2).attr("dy", "0.35em").attr("text-anchor", "end").attr("fill", "var(--accent)").attr("font-weight", 700).text("\u03bb");
    }
    const every = [1, 2, 4, 8].find((s) => row * s >= 12) ?? 8;
    blocks.forEach((block) => {
      const y = top + block * row;
      if (block % every === 0 || removed.has(block)) {
        svg.append("text").attr("x", left - 8).attr("y", y + row / 2).attr("dy", "0.35em").attr("text-anchor", "end")
          .attr("fill", removed.has(block) ? "var(--accent)" : "var(--muted)").attr("font-weight", removed.has(block) ? 700 : 400).text(block);
      }
      epochs.forEach((e, i) => {
        const value = moved[branch.key][block][i], gap = cell > 6 ? 1 : 0;
        const gone = !known(value);
        const rect = svg.append("rect").attr("x", left + i * cell + gap / 2).attr("y", y + 0.5).attr("width", Math.max(0.5, cell - gap)).attr("height", row - 1).attr("rx", cell > 12 ? 2 : 0)
          .attr("fill", gone ? "var(--page)" : color(value));
        if (gone && cell > 6) {
          svg.append("line").attr("x1", left + (i + 0.3) * cell).attr("x2", left + (i + 0.7) * cell).attr("y1", y + row / 2).attr("y2", y + row / 2).attr("stroke", "var(--faint)").attr("pointer-events", "none");
        }
        hover(rect.node(), `Block ${block}, ${branch.name}, epoch ${e.epoch}\n` + (gone ? (removed.has(block) ? "removed" : "no attention")
          : `${number(e[branch.key][block], 4)} nats, ${signed(value)} since epoch ${epochs[0].epoch}`) + (diluted ? `\nlambda ${number(e.lambda)}, TE ${number(e.te)} nats` : ""));
      });
    });
    // Neighbours share one outline.
    for (const block of removed) {
      if (removed.has(block - 1)) continue;
      let end = block;
      while (removed.has(end + 1)) ++end;
      svg.append("rect").attr("x", left - 1).attr("y", top + block * row - 0.5).attr("width", room + 2).attr("height", row * (end - block + 1) + 1).attr("rx", 3)
        .attr("fill", "none").attr("stroke", "var(--accent)").attr("stroke-width", 1.5).attr("pointer-events", "none");
    }
    const step = [1, 2, 5, 10, 20, 50].find((s) => cell * s >= 26) ?? 100;
    epochs.forEach((e, i) => {
      if (i % step === 0) svg.append("text").attr("x", middle(i)).attr("y", height - bottom + 17).attr("text-anchor", "middle").attr("fill", "var(--muted)").text(e.epoch);
    });
    svg.append("text").attr("x", left + room).attr("y", height - 2).attr("text-anchor", "end").attr("fill", "var(--muted)").text("epoch");
    svg.append("text").attr("x", left + room).attr("y", height - 2).attr("text-anchor", "start").attr("x", 0).attr("fill", "var(--muted)").text("block");
    return svg.node();
  };

  const average = (key, inside) => {
    const rows = blocks.filter((block) => removed.has(block) === inside);
    return epochs.map((e, i) => ({epoch: e.epoch, lambda: e.lambda, value: d3.mean(rows, (block) => moved[key][block][i] ?? undefined)})).filter((d) => d.value !== undefined);
  };
  const x = {domain: [epochs[0].epoch, Math.max(epochs[epochs.length - 1].epoch, epochs[0].epoch + 1)], label: null};
  const axis = (width) => axisX(width, {label: "epoch", tickFormat: (d) => (Number.isInteger(d) ? String(d) : "")});
  const lines = diluted ? [
    {name: "attention of the diluted blocks", color: "attention", rows: average("attention", true)},
    {name: "MLP of the diluted blocks", color: "mlp", rows: average("mlp", true)},
    {name: "MLP of the other blocks", color: "neutral", dash: "5 3", rows: average("mlp", false)},
  ] : [
    {name: "attention", color: "attention", rows: average("attention", false)},
    {name: "MLP", color: "mlp", rows: average("mlp", false)},
  ];
  const all = lines.flatMap((line) => line.rows.map((d) => ({...d, name: line.name, color: `var(--${line.color})`})));
  const means = (width) => plot(width, "Mean change of entropy by epoch", {
    height: Math.round(Math.max(200, Math.min(260, width * 0.5))), marginTop: 12, x, y: {nice: true, label: null},
    marks: [
      grid({ticks: 5}), axisY({label: null, ticks: 5}), axis(width), Plot.ruleY([0], {stroke: "var(--faint)"}),
      ...lines.map((line) => Plot.line(line.rows, {x: "epoch", y: "value", stroke: `var(--${line.color})`, strokeWidth: 2, strokeDasharray: line.dash})),
      ...(epochs.length <= 40 ? [Plot.dot(all, {x: "epoch", y: "value", fill: "color", r: 3.4})] : []),
      tip(all, {x: "epoch", y: "value", title: (d) => `Epoch ${d.epoch}, ${d.name}\n${signed(d.value)} nats${diluted ? `\nlambda ${number(d.lambda)}` : ""}`}),
    ],
    color: {type: "identity"},
  });
  const te = epochs.filter((e) => known(e.te));
  const transfer = (width) => plot(width, "Transfer entropy of the diluted set by epoch", {
    height: Math.round(Math.max(200, Math.min(260, width * 0.5))), marginTop: 12, x, y: {nice: true, zero: true, label: null},
    marks: [
      grid({ticks: 5}), axisY({label: null, ticks: 5}), axis(width), Plot.ruleY([0], {stroke: "var(--faint)"}),
      Plot.line(te, {x: "epoch", y: "te", stroke: "var(--accent)", strokeWidth: 2}),
      ...(epochs.length <= 40 ? [Plot.dot(te, {x: "epoch", y: "te", fill: "var(--accent)", r: 3.4})] : []),
      tip(te, {x: "epoch", y: "te", title: (d) => `Epoch ${d.epoch}\nTE ${number(d.te)} nats\nlambda ${number(d.lambda)}`}),
    ],
  });
  const ends = clipped ? ["\u2264 ", "\u2265 "] : ["", ""];
  return {
    legend: [
      {ramp: d3.range(-1, 1.01, 0.1).map((t) => color(t * size)), from: `${ends[0]}\u2212${number(size, 2)}`, to: `${ends[1]}+${number(size, 2)} nats`},
      ...(diluted ? [{shape: "outline", color: "accent", label: "diluted"}] : []),
      ...lines.map((line) => ({shape: line.dash ? "dash" : "line", color: line.color, label: line.name})),
    ],
    panels: [
      ...branches.map((branch) => ({name: `${branch.name}, change in entropy`, basis: 400, draw: heat(branch)})),
      {name: diluted ? "Diluted and other blocks, mean change, nats" : "Mean change, nats", basis: 400, draw: means},
      ...(te.length && diluted ? [{name: "Transfer entropy of the diluted set, nats", basis: 400, draw: transfer}] : []),
    ],
  };
});
