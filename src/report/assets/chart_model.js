// The model drawn block by block.
vitrim.chart("model", (data) => {
  const blocks = data.blocks;
  const total = (b) => b.attention.denseMacs + b.mlp.denseMacs;
  const tallest = d3.max(blocks, total);
  const change = (now, dense) => now === dense ? vitrim.compact(now) : vitrim.compact(now) + " (dense " + vitrim.compact(dense) + ")";
  const texts = (b) => [
    b.removed
      ? `Block ${b.block}, attention: removed\nwas ${b.denseShape}\n${vitrim.compact(b.attention.denseParams)} parameters, ${vitrim.compact(b.attention.denseMacs)} MACs`
      : `Block ${b.block}, attention: ${b.shape}\nparameters ${change(b.attention.params, b.attention.denseParams)}\nMACs ${change(b.attention.macs, b.attention.denseMacs)}`,
    `Block ${b.block}, MLP: width ${b.mlpWidth}\nparameters ${change(b.mlp.params, b.mlp.denseParams)}\nMACs ${change(b.mlp.macs, b.mlp.denseMacs)}`,
  ];

  const draw = (width) => {
    const wide = width > 620;
    const left = wide ? 84 : 0, right = wide ? 84 : 0, gap = wide ? 8 : 5;
    const room = width - left - right;
    const rows = Math.ceil(blocks.length / Math.max(1, Math.floor(room / (wide ? 38 : 46))));
    const columns = Math.ceil(blocks.length / rows);
    const step = Math.min(92, room / columns), cell = step - gap;
    const height = 150, rowHeight = height + 46;
    const scale = d3.scaleLinear([0, tallest], [0, height - 4]);
    const svg = d3.create("svg").attr("width", width).attr("height", rows * rowHeight).attr("viewBox", [0, 0, width, rows * rowHeight])
      .attr("role", "img").attr("font-size", 12)
      .attr("aria-label", `${blocks.length} blocks; attention removed in ${blocks.filter((b) => b.removed).map((b) => b.block).join(", ") || "none"}`);
    svg.append("defs").append("marker").attr("id", "stream-end").attr("viewBox", "0 0 8 8").attr("refX", 7).attr("refY", 4)
      .attr("markerWidth", 7).attr("markerHeight", 7).attr("orient", "auto").append("path").attr("d", "M0 0.5 7 4 0 7.5Z").attr("fill", "var(--faint)");

    for (let r = 0; r < rows; ++r) {
      const part = blocks.slice(r * columns, (r + 1) * columns);
      const row = svg.append("g").attr("transform", `translate(${left},${r * rowHeight})`);
      const y = height + 13;
      row.append("line").attr("x1", 0).attr("x2", part.length * step - gap).attr("y1", y).attr("y2", y).attr("stroke", "var(--faint)")
        .attr("stroke-width", 1.25).attr("marker-end", "url(#stream-end)");
      if (wide && r === 0) {
        const side = (text, at, color) => row.append("text").attr("x", -14).attr("y", at).attr("text-anchor", "end").attr("dy", "0.35em")
          .attr("fill", color).attr("font-weight", 600).text(text);
        side("Attention", scale(part[0].attention.denseMacs) / 2, "var(--attention)");
        side("MLP", scale(part[0].attention.denseMacs) + 4 + scale(part[0].mlp.denseMacs) / 2, "var(--mlp)");
        row.append("text").attr("x", -14).attr("y", y).attr("dy", "0.35em").attr("text-anchor", "end").attr("fill", "var(--muted)").text("image");
      }
      if (wide && r === rows - 1) {
        row.append("text").attr("x", part.length * step - gap + 10).attr("y", y).attr("dy", "0.35em").attr("fill", "var(--muted)")
          .text(data.classes > 0 ? `${data.classes} classes` : "features");
      }
      part.forEach((b, i) => {
        const g = row.append("g").attr("class", "block").attr("transform", `translate(${i * step},0)`);
        const [attention, mlp] = texts(b);
        const split = scale(b.attention.denseMacs);
        const box = (className, top, dense, now, color, text, strike) => {
          const full = Math.max(0, scale(dense) - 0.5), kept = scale(now);
          if (full <= 0) return;
          const part = g.append("g").attr("class", className);
          if (now < dense) {  // the outline is what was there
            part.append("rect").attr("x", 0.75).attr("y", top + 0.75).attr("width", cell - 1.5).attr("height", full - 1.5).attr("rx", 5)
              .attr("fill", strike ? "transparent" : `color-mix(in srgb, ${color} 12%, transparent)`).attr("stroke", strike ? "var(--accent)" : color)
              .attr("stroke-width", 1.5).attr("stroke-dasharray", "4 3");
          }
          if (strike) {
            part.append("line").attr("x1", 4).attr("y1", top + full - 4).attr("x2", cell - 4).attr("y2", top + 4).attr("stroke", "var(--accent)")
              .attr("stroke-width", 1.5);
          } else if (now > 0) {
            // Attention is what the page is about: it stands solid, the MLPs tinted.
            part.append("rect").attr("x", 0.75).attr("y", top + 0.75 + full - Math.min(full, kept)).attr("width", cell - 1.5)
              .attr("height", Math.max(1, Math.min(full, kept) - 1.5)).attr("rx", 5).attr("stroke", color).attr("stroke-width", 1.5)
              .attr("fill", className === "attention" ? color : `color-mix(in srgb, ${color} 22%, var(--surface))`);
          }
          part.append("title").text(text.replaceAll("\n", "; "));
          vitrim.hover(part.node(), text);
        };
        box("attention", 0, b.attention.denseMacs, b.attention.macs, "var(--attention)", attention, b.removed);
        box("mlp", split + 4, b.mlp.denseMacs, b.mlp.macs, "var(--mlp)", mlp, false);
        g.append("text").attr("x", cell / 2).attr("y", height + 34).attr("text-anchor", "middle").attr("fill", b.removed ? "var(--accent)" : "var(--muted)")
          .attr("font-weight", b.removed ? 700 : 400).text(b.block);
      });
    }
    return svg.node();
  };
  return {
    legend: [{shape: "square", color: "attention", label: "attention"}, {shape: "tint", color: "mlp", label: "MLP"},
      {shape: "removed", color: "accent", label: "attention removed"}],
    panels: [{draw}],
  };
});
