#include "quantize/calibrate_block.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <vector>

#include "absorb/ridge_batches.h"
#include "absorb/streams.h"
#include "quantize/equalise.h"
#include "vitrim/architecture/input_gain.h"
#include "vitrim/architecture/stages.h"
#include "vitrim/model/batches.h"

namespace vitrim::quantize {

namespace {

constexpr int64_t kLooked = 32;  // number of images used for the largest values

class BlockCalibration {
 public:
  BlockCalibration(Work& work, const model::Model& teacher, int index, const BlockStreams& streams,
                   const CalibrateOptions& options, Notes& notes)
      : work_(work),
        student_(work.student()),
        teacher_(teacher),
        index_(index),
        streams_(streams),
        options_(options),
        notes_(notes),
        spec_(student_.spec()),
        prefix_(architecture::block_prefix(spec_, index)),
        fit_tokens_(absorb::sample_tokens(spec_, index, options.patches,
                                          options.seed + static_cast<uint64_t>(index))),
        all_tokens_(absorb::sample_tokens(spec_, index, spec_.block_grid(index).size(), 0)) {}

  BlockStreams run() {
    const QuantizedUnit* qkv = unit(&QuantizedLayers::qkv);
    const QuantizedUnit* proj = unit(&QuantizedLayers::proj);
    const QuantizedUnit* fc1 = unit(&QuantizedLayers::fc1);
    const QuantizedUnit* fc2 = unit(&QuantizedLayers::fc2);
    const bool any = qkv || proj || fc1 || fc2;
    run_teacher();
    if (any) {
      error_ = error();
      look();
      choose_exponents();
    }
    notes_.equalised.push_back(work_.snapshot(index_));
    if (any) {
      if (qkv) try_step([&] { return correct_bias(*qkv, "norm1", teacher_norm1_); }, nullptr);
      attend();
      if (proj) try_step([&] { return refit(*proj, "ls1.gamma"); }, proj);
      if (fc1) try_step([&] { return correct_bias(*fc1, "norm2", teacher_norm2_); }, nullptr);
      if (fc2) try_step([&] { return refit(*fc2, "ls2.gamma"); }, fc2);
    }
    BlockStreams out = streams_;
    out.teacher = target_;
    out.student = absorb::advance(student_, index_, streams_.student, options_.batch_size,
                                  distributed::or_alone(nullptr));
    return out;
  }

 private:
  const QuantizedUnit* unit(bool QuantizedLayers::* member) const { return work_.unit(index_, member); }
  UnitNotes& note(const QuantizedUnit& unit) { return notes_.units[unit.layers.front()]; }
  at::Tensor normed(const model::Model& model, const at::Tensor& x, const char* norm) const {
    return model.layer_norm(x, prefix_ + norm);
  }
  bool attends() const { return spec_.blocks[static_cast<size_t>(index_)].attention != AttentionKind::kNone; }

  // Calls work(begin, end) for batches of images [from, to) on all cores.
  void batches(int64_t from, int64_t to, const std::function<void(int64_t, int64_t)>& work) const {
    const int64_t n = to - from, each = (n + model::num_workers() - 1) / model::num_workers();
    model::for_each_batch(n, std::max<int64_t>(1, std::min(options_.batch_size, each)),
                          [&](int, int64_t begin, int64_t end) {
                            const at::NoGradGuard no_grad;
                            work(from + begin, from + end);
                          });
  }

  // The float model's stream after the block, its stream after the attention at the tokens of the fit, and
  // the means of its layers' inputs over the images of the fit.
  void run_teacher() {
    const int64_t n = streams_.teacher.size(0), fit = streams_.fit;
    const BlockSpec& block = spec_.blocks[static_cast<size_t>(index_)];
    target_ = at::empty({n, spec_.block_tokens(index_), block.embed_dim});
    after_attention_ = at::empty({fit, fit_tokens_.size(0), block.embed_dim});
    at::Tensor first = at::zeros({block.embed_dim}, at::kDouble), second = at::zeros_like(first);
    std::mutex mutex;
    batches(0, n, [&](int64_t begin, int64_t end) {
      model::BlockTrace trace;
      target_.slice(0, begin, end)
          .copy_(teacher_.run_block(index_, streams_.teacher.slice(0, begin, end), model::kKeep, &trace));
      const int64_t last = std::min(end, fit);
      if (begin >= last) return;
      const auto fitting = [&](const at::Tensor& t) { return t.slice(0, 0, last - begin); };
      const at::Tensor y = fitting(trace.after_attention).index_select(1, fit_tokens_);
      after_attention_.slice(0, begin, last).copy_(y);
      const at::Tensor one = attends() ? normed(teacher_, fitting(trace.input), "norm1")
                                             .sum({0, 1}, false, at::kDouble)
                                       : at::zeros_like(first),
                       two = normed(teacher_, y, "norm2").sum({0, 1}, false, at::kDouble);
      const std::lock_guard<std::mutex> lock(mutex);
      first += one;
      second += two;
    });
    teacher_norm1_ = (first / static_cast<double>(fit * target_.size(1))).to(at::kFloat);
    teacher_norm2_ = (second / static_cast<double>(fit * fit_tokens_.size(0))).to(at::kFloat);
  }

  // The squared distance of the block's output from the float model's, on the images that choose.
  double error() const {
    const int64_t from = streams_.fit, to = from + streams_.choose;
    const at::Tensor weight =
        absorb::token_weights(spec_, all_tokens_.size(0), options_.cls_weight).unsqueeze(1);
    const bool whole = all_tokens_.size(0) == target_.size(1);
    std::vector<double> parts(static_cast<size_t>(to - from));
    batches(from, to, [&](int64_t begin, int64_t end) {
      const at::Tensor x = streams_.student.slice(0, begin, end);
      const at::Tensor got = whole ? student_.run_block(index_, x, model::kKeep, nullptr)
                                   : student_.run_block_at(index_, x, all_tokens_, nullptr);
      at::Tensor wanted = target_.slice(0, begin, end);
      if (!whole) wanted = wanted.index_select(1, all_tokens_);
      parts[static_cast<size_t>(begin - from)] =
          ((got - wanted).square_() * weight).sum(at::kDouble).item<double>();
    });
    double sum = 0;  // in the images' order
    for (const double part : parts) sum += part;
    return sum;
  }

  // The largest magnitudes of each unit's input.
  void look() {
    std::mutex mutex;
    const auto grow = [&](bool QuantizedLayers::* member, const at::Tensor& x) {
      const QuantizedUnit* found = unit(member);
      if (!found || !x.defined()) return;
      const at::Tensor most = x.to(at::kFloat).abs().flatten(0, -2).amax(0);
      const std::lock_guard<std::mutex> lock(mutex);
      at::Tensor& largest = largest_[found->layers.front()];
      largest = largest.defined() ? at::maximum(largest, most) : most;
    };
    batches(0, std::min(kLooked, streams_.fit), [&](int64_t begin, int64_t end) {
      model::BlockTrace trace;
      student_.run_block(index_, streams_.student.slice(0, begin, end), model::kKeep, &trace);
      const auto read = [&](const at::Tensor& t) { return t.defined() ? t.index_select(1, all_tokens_) : t; };
      if (attends()) grow(&QuantizedLayers::qkv, normed(student_, trace.input, "norm1"));
      grow(&QuantizedLayers::proj, read(trace.mixed));
      grow(&QuantizedLayers::fc1, normed(student_, read(trace.after_attention), "norm2"));
      grow(&QuantizedLayers::fc2, read(trace.hidden));
    });
  }

  void choose_exponents() {
    for (const QuantizedUnit& unit : work_.units()) {
      if (unit.block != index_ || !can_equalise(spec_, unit)) continue;
      const Snapshot before = work_.snapshot(index_);
      Snapshot best = before;
      for (const double exponent : kExponents) {
        if (exponent == 0) continue;  // the current state
        work_.restore(before);
        equalise(work_, unit, equalising_factors(work_, unit, largest_.at(unit.layers.front()), exponent));
        const double now = error();
        if (!(now < error_)) continue;
        error_ = now;
        best = work_.snapshot(index_);
        note(unit).alpha = exponent;
      }
      work_.restore(best);
    }
  }

  // Keeps the change of `step` if it brought the block nearer; `unit`: the change was a refit of this unit.
  void try_step(const std::function<bool()>& step, const QuantizedUnit* unit) {
    const Snapshot before = work_.snapshot(index_);
    if (!step()) return;
    const double now = error();
    if (now < error_) {
      error_ = now;
      if (unit) note(*unit).refitted = true;
    } else {
      work_.restore(before);
    }
  }

  // The bias with which the mean of the layers' outputs is that of the float model, where `mean` is the mean
  // of their input.
  bool correct_bias(const QuantizedUnit& unit, const char* norm, const at::Tensor& mean) {
    const bool second = unit.member == &QuantizedLayers::fc1;
    if (!student_.has_parameter(unit.layers.front() + ".bias")) return false;
    if (unit.member == &QuantizedLayers::qkv && !can_equalise(spec_, unit)) return false;
    at::Tensor sum = at::zeros({mean.size(0)}, at::kDouble);
    std::mutex mutex;
    int64_t rows = 0;
    batches(0, streams_.fit, [&](int64_t begin, int64_t end) {
      const at::Tensor x = streams_.student.slice(0, begin, end);
      at::Tensor read;
      if (second) {
        read = after_attention_of_student(begin, end);
      } else if (spec_.position(index_).index == 0 && spec_.position(index_).stage > 0) {
        model::BlockTrace trace;  // only the trace contains the step at the beginning of the stage
        student_.run_block(index_, x, model::kKeep, &trace);
        read = trace.input;
      } else {
        read = x;
      }
      const model::QuantizedRows q = model::quantize_rows(normed(student_, read, norm));
      const at::Tensor part = (q.values * q.factors).sum({0, 1}, false, at::kDouble);
      const std::lock_guard<std::mutex> lock(mutex);
      sum += part;
      rows += read.size(0) * read.size(1);
    });
    const at::Tensor got = (sum / static_cast<double>(rows)).to(at::kFloat);
    // The gain of the equalised norm divided by the float model's is the divisor of the channels.
    const at::Tensor ratio =
        student_.parameter(prefix_ + norm + ".weight") / teacher_.parameter(prefix_ + norm + ".weight");
    const at::Tensor wanted = mean * at::where(at::isfinite(ratio), ratio, at::ones_like(ratio));
    for (const std::string& layer : unit.layers) {
      const QuantizedWeight held{student_.parameter(layer + ".weight"),
                                 student_.parameter(layer + ".weight_scale")};
      const at::Tensor shift = work_.weight(layer).mv(wanted) - dequantized(held).mv(got);
      work_.set_parameter(layer + ".bias", student_.parameter(layer + ".bias") + shift);
    }
    return true;
  }

  // The input and output of the student's attention at the tokens of the fit; proj changes neither.
  void attend() {
    std::mutex mutex;
    batches(0, streams_.fit, [&](int64_t begin, int64_t end) {
      model::BlockTrace trace;
      student_.run_block_at(index_, streams_.student.slice(0, begin, end), fit_tokens_, &trace);
      {
        const std::lock_guard<std::mutex> lock(mutex);
        const auto like = [&](const at::Tensor& t) {
          return at::empty({streams_.fit, t.size(1), t.size(2)}, t.options());
        };
        if (!input_.defined()) input_ = like(trace.input);
        if (!mixed_.defined() && trace.mixed.defined()) mixed_ = like(trace.mixed);
      }
      input_.slice(0, begin, end).copy_(trace.input);
      if (mixed_.defined()) mixed_.slice(0, begin, end).copy_(trace.mixed);
    });
  }
  at::Tensor after_attention_of_student(int64_t begin, int64_t end) const {
    at::Tensor x = input_.slice(0, begin, end) * spec_.blocks[static_cast<size_t>(index_)].stream_gain;
    if (!mixed_.defined()) return x;
    at::Tensor branch =
        student_.linear(mixed_.slice(0, begin, end), architecture::projection_name(spec_, index_));
    if (spec_.layer_scale) branch = branch * student_.parameter(prefix_ + "ls1.gamma");
    return x + branch;
  }

  // Refits proj or fc2 by ridge regression on the inputs of the int8 layer.
  bool refit(const QuantizedUnit& unit, const char* scale) {
    const std::string& layer = unit.layers.front();
    const std::string gain_name = layer + architecture::kInputGain;
    const bool second = unit.member == &QuantizedLayers::fc2;
    const at::Tensor w0 = work_.weight(layer), b0 = student_.parameter(layer + ".bias");
    at::Tensor gamma;
    if (student_.has_parameter(prefix_ + scale)) gamma = student_.parameter(prefix_ + scale);
    if (gamma.defined() && (gamma.abs() < 1e-6).any().item<bool>()) return false;
    const double stream = spec_.blocks[static_cast<size_t>(index_)].stream_gain;
    const at::Tensor gain = student_.has_parameter(gain_name) ? student_.parameter(gain_name) : at::Tensor();
    const at::Tensor weight = absorb::token_weights(spec_, fit_tokens_.size(0), options_.cls_weight);
    const absorb::RidgeFit fit = absorb::ridge_over_batches(
        w0.size(1), w0.size(0), streams_.fit, options_.batch_size, distributed::or_alone(nullptr),
        [&](absorb::RidgeFit& part, int64_t begin, int64_t end) {
          const at::NoGradGuard no_grad;
          at::Tensor read, wanted;
          if (second) {
            model::BlockTrace trace;
            if (architecture::has_mlp_convolution(spec_)) {  // it needs all tokens
              student_.run_block_at(index_, streams_.student.slice(0, begin, end), fit_tokens_, &trace);
            } else {
              student_.run_mlp(index_, after_attention_of_student(begin, end), &trace);
            }
            read = trace.hidden;
            wanted = target_.slice(0, begin, end).index_select(1, fit_tokens_) -
                     after_attention_of_student(begin, end);
          } else {
            read = mixed_.slice(0, begin, end);
            wanted = after_attention_.slice(0, begin, end) - input_.slice(0, begin, end) * stream;
          }
          read = read.to(at::kFloat);
          if (gain.defined()) read = read * gain;
          const model::QuantizedRows q = model::quantize_rows(read);
          if (gamma.defined()) wanted = wanted / gamma;
          part.add((q.values * q.factors).reshape({-1, w0.size(1)}), wanted.reshape({-1, w0.size(0)}),
                   weight.expand({end - begin, -1}).reshape({-1}));
        });
    const absorb::RidgeFit::Solution solution = fit.solve(w0, b0, options_.ridge);
    work_.set_weight(layer, solution.weight);
    work_.set_parameter(layer + ".bias", solution.bias);
    return true;
  }

  Work& work_;
  const model::Model &student_, &teacher_;
  int index_;
  const BlockStreams& streams_;
  const CalibrateOptions& options_;
  Notes& notes_;
  const ModelSpec& spec_;
  std::string prefix_;
  at::Tensor fit_tokens_, all_tokens_;  // tokens of the fit; all tokens that are read
  at::Tensor target_, after_attention_, teacher_norm1_, teacher_norm2_;  // the float model's
  at::Tensor input_, mixed_;  // the student's, at the tokens of the fit
  std::map<std::string, at::Tensor> largest_;
  double error_ = 0;
};

}  // namespace

BlockStreams calibrate_block(Work& work, const model::Model& teacher, int index, const BlockStreams& streams,
                             const CalibrateOptions& options, Notes& notes) {
  return BlockCalibration(work, teacher, index, streams, options, notes).run();
}

}  // namespace vitrim::quantize
