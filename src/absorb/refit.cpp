#include "absorb/refit.h"

#include <ATen/ATen.h>

#include <functional>
#include <utility>

#include "absorb/ridge_batches.h"
#include "absorb/streams.h"
#include "vitrim/architecture/stages.h"
#include "vitrim/distributed/group.h"

namespace vitrim::absorb {

namespace {

// gamma * (W h + b) as one matrix.
void fold_layer_scale(model::Model& model, const std::string& matrix, const std::string& scale) {
  if (!model.has_parameter(scale)) return;
  const at::Tensor gamma = model.parameter(scale);
  model.set_parameter(matrix + ".weight", model.parameter(matrix + ".weight") * gamma.unsqueeze(1));
  model.set_parameter(matrix + ".bias", model.parameter(matrix + ".bias") * gamma);
  model.set_parameter(scale, at::ones_like(gamma));
}

// Refits one matrix of block `index` by ridge regression on a sample of tokens. `rows` returns, for a batch
// and its tokens, the input of the matrix [B, T, inputs] and its target [B, T, outputs].
using Rows =
    std::function<std::pair<at::Tensor, at::Tensor>(int64_t begin, int64_t end, const at::Tensor& tokens)>;
void refit(model::Model& student, int index, const std::string& matrix, int64_t images,
           const AbsorbOptions& options, const Rows& rows) {
  const at::Tensor w0 = student.parameter(matrix + ".weight"), b0 = student.parameter(matrix + ".bias");
  const RidgeFit fit = ridge_over_batches(
      w0.size(1), w0.size(0), images, options.batch_size, distributed::or_alone(options.group),
      [&](RidgeFit& part, int64_t begin, int64_t end) {
        const at::Tensor tokens =
            sample_tokens(student.spec(), index, options.ridge_patches,
                          options.seed + static_cast<uint64_t>(begin - begin % options.batch_size));
        const auto [read, wanted] = rows(begin, end, tokens);
        const at::Tensor weight =
            token_weights(student.spec(), tokens.size(0), options.cls_weight).expand({end - begin, -1});
        part.add(read.reshape({-1, w0.size(1)}), wanted.reshape({-1, w0.size(0)}), weight.reshape({-1}));
      });
  const RidgeFit::Solution solution = fit.solve(w0, b0, options.ridge);
  student.set_parameter(matrix + ".weight", solution.weight);
  student.set_parameter(matrix + ".bias", solution.bias);
}

}  // namespace

void ridge_projection(model::Model& student, const model::Model& teacher, int index, const at::Tensor& input,
                      const at::Tensor& teacher_input, const AbsorbOptions& options) {
  const at::NoGradGuard no_grad;
  const std::string matrix = architecture::projection_name(student.spec(), index);
  fold_layer_scale(student, matrix, architecture::block_prefix(student.spec(), index) + "ls1.gamma");
  const double gain = student.spec().blocks[static_cast<size_t>(index)].stream_gain;
  refit(student, index, matrix, input.size(0), options,
        [&](int64_t begin, int64_t end, const at::Tensor& tokens) {
          model::BlockTrace wanted, now;
          teacher.run_block_at(index, teacher_input.slice(0, begin, end), tokens, &wanted);
          student.run_block_at(index, input.slice(0, begin, end), tokens, &now);
          return std::pair(now.mixed, wanted.after_attention - now.input * gain);
        });
}

void ridge_block(model::Model& student, int index, const at::Tensor& input, const at::Tensor& target,
                 const AbsorbOptions& options) {
  const at::NoGradGuard no_grad;
  const std::string prefix = architecture::block_prefix(student.spec(), index), matrix = prefix + "mlp.fc2";
  fold_layer_scale(student, matrix, prefix + "ls2.gamma");
  refit(student, index, matrix, input.size(0), options,
        [&](int64_t begin, int64_t end, const at::Tensor& tokens) {
          model::BlockTrace trace;
          student.run_block_at(index, input.slice(0, begin, end), tokens, &trace);
          return std::pair(trace.hidden,
                           target.slice(0, begin, end).index_select(1, tokens) - trace.after_attention);
        });
}

}  // namespace vitrim::absorb
