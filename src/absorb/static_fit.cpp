#include "absorb/static_fit.h"

#include <ATen/ATen.h>
#include <ATen/ops/linalg_cholesky_ex.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absorb/streams.h"
#include "vitrim/core/error.h"
#include "vitrim/distributed/group.h"
#include "vitrim/model/batches.h"
#include "vitrim/model/static_attention.h"

namespace vitrim::absorb {

namespace {

// A fraction of the mean diagonal: it keeps the equations of nearly constant channels solvable and changes
// nothing else.
constexpr double kRidge = 1e-4;
constexpr int64_t kImages = 8;

// Normal equations of one regression per channel: gram [W, K, K], cross [W, K, targets], float64.
struct Equations {
  at::Tensor gram, cross;

  Equations(int64_t channels, int64_t inputs, int64_t targets)
      : gram(at::zeros({channels, inputs, inputs}, at::kDouble)),
        cross(at::zeros({channels, inputs, targets}, at::kDouble)) {}

  // inputs [W, K, n], targets [W, n, t]
  void add(const at::Tensor& inputs, const at::Tensor& targets) {
    gram += at::bmm(inputs, inputs.transpose(1, 2));
    cross += at::bmm(inputs, targets);
  }

  void merge(const Equations& other) {
    gram += other.gram;
    cross += other.cross;
  }

  void merge_ranks(distributed::Group& group) {
    group.all_reduce(gram);
    group.all_reduce(cross);
  }

  // [W, K, targets] float32
  at::Tensor solve(int index) const {
    const at::Tensor diagonal = gram.diagonal(0, 1, 2).mean(1).clamp_min(1e-30) * kRidge;  // [W]
    const at::Tensor eye = at::eye(gram.size(1), at::kDouble);
    const auto [factor, info] = at::linalg_cholesky_ex(gram + diagonal.reshape({-1, 1, 1}) * eye);
    if (info.ne(0).any().item<bool>()) {
      throw Error("[absorb::fit_static] block " + std::to_string(index) +
                  ": the normal equations can't be solved; use more calibration images");
    }
    return at::cholesky_solve(cross, factor).to(at::kFloat);
  }
};

// The values under the filter around the patches `at` (int64 [n]) of the map of values [B, N, W], with zero
// padding: [W, side^2, B * n].
at::Tensor neighbours(const at::Tensor& map, int64_t side, Grid grid, const at::Tensor& at) {
  const int64_t images = map.size(0), channels = map.size(2);
  const at::Tensor planes =
      map.transpose(1, 2).reshape({images * channels, 1, grid.height, grid.width}).contiguous();
  return at::im2col(planes, {side, side}, {1, 1}, {side / 2, side / 2}, {1, 1})
      .reshape({images, channels, side * side, grid.size()})
      .index_select(3, at)
      .permute({1, 2, 0, 3})
      .reshape({channels, side * side, images * at.numel()});
}

struct Fit {
  Equations patches, prefix;
};

// `tokens` are the tokens of the fit, prefix tokens first.
void add_images(Fit& fit, const model::Model& student, const model::Model& teacher, int index,
                const at::Tensor& input, const at::Tensor& teacher_input, const at::Tensor& tokens) {
  const BlockSpec& block = student.spec().blocks[static_cast<size_t>(index)];
  const Grid grid = student.spec().block_grid(index);
  const int64_t prefix = student.spec().prefix_tokens(), n = tokens.numel() - prefix;
  at::Tensor x = input;
  if (student.spec().position(index).index == 0) {  // after the step at the beginning of the stage
    model::BlockTrace now;
    student.run_block(index, input, model::kSkip, &now);
    x = now.input;
  }
  model::BlockTrace wanted;
  teacher.run_block_at(index, teacher_input, tokens, &wanted);
  const at::Tensor v = model::static_values(student, index, x);  // [B, N, W]
  const at::Tensor target = wanted.mixed.to(at::kFloat);         // [B, T, W]
  const at::Tensor map = v.slice(1, prefix);
  const int64_t images = v.size(0), channels = v.size(2);
  const at::Tensor sources =
      at::cat({map.mean(1, /*keepdim=*/true), v.slice(1, 0, prefix)}, 1).permute({2, 1, 0});  // [W, 1 + P, B]
  if (prefix > 0) fit.prefix.add(sources, target.slice(1, 0, prefix).permute({2, 0, 1}));
  if (n == 0) return;
  const at::Tensor of_patches =
      at::cat({neighbours(map, block.filter, grid, tokens.slice(0, prefix) - prefix),
               sources.unsqueeze(3).expand({-1, -1, -1, n}).reshape({channels, 1 + prefix, images * n})},
              1);
  fit.patches.add(of_patches, target.slice(1, prefix).permute({2, 0, 1}).reshape({channels, images * n, 1}));
}

}  // namespace

bool can_fit_static(const model::Model& student, const model::Model& teacher, int index) {
  const BlockSpec& now = student.spec().blocks[static_cast<size_t>(index)];
  const BlockSpec& before = teacher.spec().blocks[static_cast<size_t>(index)];
  return now.attention == AttentionKind::kStatic && before.attention != AttentionKind::kStatic &&
         now.num_heads * now.v_dim == before.num_heads * before.v_dim;
}

void fit_static(model::Model& student, const model::Model& teacher, int index, const at::Tensor& input,
                const at::Tensor& teacher_input, const AbsorbOptions& options) {
  const at::NoGradGuard no_grad;
  const BlockSpec& block = student.spec().blocks[static_cast<size_t>(index)];
  const int64_t channels = block.num_heads * block.v_dim, places = block.filter * block.filter,
                prefix = student.spec().prefix_tokens();
  distributed::Group& group = distributed::or_alone(options.group);
  const distributed::Share share = group.share(input.size(0));
  std::vector<Fit> fits;
  for (int w = 0; w < model::num_workers(); ++w)
    fits.push_back({{channels, places + 1 + prefix, 1}, {channels, 1 + prefix, prefix}});
  model::for_each_batch(share.size(), options.batch_size, [&](int worker, int64_t first, int64_t last) {
    for (int64_t begin = share.begin + first; begin < share.begin + last;) {
      // Random patches are drawn per group of eight images, so that they do not depend on workers and ranks.
      const int64_t end = std::min(share.begin + last, (begin / kImages + 1) * kImages);
      const at::Tensor tokens = sample_tokens(student.spec(), index, options.ridge_patches,
                                              options.seed + static_cast<uint64_t>(begin / kImages));
      add_images(fits[static_cast<size_t>(worker)], student, teacher, index, input.slice(0, begin, end),
                 teacher_input.slice(0, begin, end), tokens);
      begin = end;
    }
  });
  for (size_t w = 1; w < fits.size(); ++w) {
    fits.front().patches.merge(fits[w].patches);
    fits.front().prefix.merge(fits[w].prefix);
  }
  fits.front().patches.merge_ranks(group);
  fits.front().prefix.merge_ranks(group);
  const at::Tensor patches = fits.front().patches.solve(index).squeeze(2);  // [W, places + 1 + P]
  at::Tensor shares = patches.slice(1, places).unsqueeze(1);                // [W, 1, from]
  if (prefix > 0) shares = at::cat({shares, fits.front().prefix.solve(index).transpose(1, 2)}, 1);
  model::set_static_weights(
      student, index, patches.slice(1, 0, places).reshape({channels, block.filter, block.filter}), shares);
}

}  // namespace vitrim::absorb
