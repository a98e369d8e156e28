#include "vitrim/train/train.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "train/run_log.h"
#include "train/run_state.h"
#include "train/save_on_stop.h"
#include "train/step.h"
#include "vitrim/core/error.h"
#include "vitrim/core/interrupt.h"
#include "vitrim/core/log.h"
#include "vitrim/data/loader.h"
#include "vitrim/distributed/agree.h"
#include "vitrim/train/adamw.h"
#include "vitrim/train/dilution.h"
#include "vitrim/train/schedule.h"

namespace vitrim::train {

namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Resident memory of this process.
double memory_gib() {
  std::ifstream file("/proc/self/statm");
  double pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1024.0 * 1024.0 * 1024.0);
}

BatchSourceOptions source_options(const model::Model& model, const TrainOptions& options) {
  BatchSourceOptions out;
  out.preprocess = options.preprocess;
  out.task = model.spec().task();
  out.channels = data::image_channels(model.spec(), "the model");
  out.num_classes = model.spec().num_classes;
  out.depth = model.num_blocks();
  out.ranks = options.group ? options.group->size() : 1;
  out.seed = options.seed;
  out.max_corrupt = options.max_corrupt;
  return out;
}

// The message of an error, without the name of the function.
std::string sentence(const std::string& text) {
  const size_t end = text.starts_with('[') ? text.find("] ") : std::string::npos;
  return end == std::string::npos ? text : text.substr(end + 2);
}

// One run: its state and its steps.
class Run {
 public:
  Run(model::Model& model, const data::Dataset& dataset, const TrainOptions& options)
      : model_(model), options_(options), source_(dataset, options.recipe, source_options(model, options)) {
    dilution_ = {options.dilute, static_cast<double>(options.recipe.dilution_epochs),
                 options.recipe.dilution_schedule, options.absorb_first ? 1.0 : 2.0};
    if (options.resume && !options.state_path.empty() && std::filesystem::exists(options.state_path)) {
      state_ = load_run_state(options.state_path);
      for (const auto& [name, tensor] : std::vector(state_.ema.entries()))
        state_.ema.set(name, tensor.to(model_.device()));
      for (const auto& [name, tensor] : std::vector(state_.toward.entries()))
        state_.toward.set(name, tensor.to(model_.device()));
      check_same_run(state_, options.state_path, to_toml(options.recipe), options.identity);
      check_run_state(state_, options.state_path,
                      {model_.parameters(), options.recipe.epochs, source_.steps_per_epoch(),
                       options.recipe.ema_decay > 0, options.keep_best, options.dilute});
      for (const auto& [name, tensor] : state_.weights.entries())
        model_.set_parameter(name, tensor.to(model_.device()));
      resumed_ = true;
      saved_at_ = steps_done();
      log_info("resuming after epoch " + std::to_string(state_.epoch) + ", batch " +
               std::to_string(state_.batch));
    } else {
      if (is_main() && !options.state_path.empty()) refuse_to_overwrite(options.state_path);
      state_.recipe = to_toml(options.recipe);
      state_.identity = options.identity;
      state_.dilute = options.dilute;
      for (const auto& [name, tensor] : options.absorbed.entries())
        state_.toward.add(name, tensor.to(model_.device()) - model_.parameter(name).detach());
    }
    agree_on_start();
    model_.set_requires_grad(true);
    if (options.recipe.ema_decay > 0 && state_.ema.size() == 0) {
      for (const auto& [name, tensor] : model_.parameters().entries())
        state_.ema.add(name, tensor.detach().clone());
    }
    if (is_main()) log_.emplace(options.log_path, resumed_ ? state_.log_bytes : -1);
    if (log_ && log_->bytes() == 0 && !options.log_header.empty()) log_->line(options.log_header);
  }

  Trained finish() {
    const Recipe& recipe = options_.recipe;
    // If one rank stopped alone, the others would wait for it in a step, so all ranks agree() on a stop.
    std::optional<CancelDeferral> together;
    if (several()) together.emplace();
    // In a resumed run only the remaining steps count, so that rate and remaining time are right.
    Progress progress(
        "train", (recipe.epochs * source_.steps_per_epoch() - steps_done()) * source_.batch_size(), "images");
    last_saved_ = Clock::now();
    // A step may take longer than a stop waits for it, so the state of the last step is saved in parallel.
    saver_.emplace([this] { save_progress(); });
    try {
      while (state_.epoch < recipe.epochs) {
        run_epoch(progress);
        end_epoch();
      }
    } catch (const Interrupted&) {
      save_progress();
      throw;
    } catch (
        const Error&) {  // for example because another rank is gone; the weights are those of the last step
      if (several() && sound_) save_progress();
      throw;
    }
    saver_->finish();
    together.reset();
    return export_weights();
  }

 private:
  bool several() const { return options_.group && options_.group->size() > 1; }
  bool is_main() const { return !options_.group || options_.group->is_main(); }
  int64_t steps_done() const { return state_.epoch * source_.steps_per_epoch() + state_.batch; }
  double epochs_done() const {
    return static_cast<double>(steps_done()) / static_cast<double>(source_.steps_per_epoch());
  }
  bool by_held_out() const { return !options_.dilute.empty() && dilution_.schedule == "held_out"; }
  double lambda() const {
    if (options_.dilute.empty()) return 0;
    if (by_held_out()) return dilution_.epochs > 0 ? state_.held_out.lambda() : 0;
    return dilution_lambda(dilution_, epochs_done());
  }
  std::vector<model::BlockGain> gains() const {
    return dilution_gains(dilution_, lambda(), model_.num_blocks());
  }

  // Decides on the held-out images whether lambda falls.
  void look_at_held_out() {
    if (!by_held_out() || dilution_.epochs <= 0) return;
    while (state_.held_out.due(epochs_done() / dilution_.epochs)) {
      const at::NoGradGuard no_grad;
      model_.forget_casts();
      double loss = 0;
      saver_->may_save([&] { loss = options_.held_out_loss(model_, lambda()); });
      if (!std::isfinite(loss)) not_finite("the loss on the images kept out is");
      if (several()) {
        const at::Tensor shared = at::full({1}, loss, at::kDouble);
        options_.group->broadcast(shared);
        loss = shared.item<double>();
      }
      state_.held_out.look(loss);
      follow_lambda();
      if (lambda() == 0) renew_optimiser();
    }
  }

  // Moves the weights towards those of the absorption as lambda falls.
  void follow_lambda() {
    const double now = lambda();
    if (state_.toward.size() == 0 || now >= state_.moved_at) return;
    const at::NoGradGuard no_grad;
    for (const auto& [name, way] : state_.toward.entries()) {
      for (const bool average : {false, true}) {
        if (average && options_.recipe.ema_decay <= 0) continue;
        const at::Tensor weights = average ? state_.ema.at(name) : model_.parameter(name).detach();
        weights.add_(way, state_.moved_at - now);
      }
    }
    state_.moved_at = now;
    model_.forget_casts();
  }

  void begin_epoch() {
    source_.begin_epoch(state_.epoch);
    renew_optimiser();
  }

  // Creates the optimiser for the trained parameters; when layers are removed, their state is dropped.
  void renew_optimiser() {
    Trainable now = trainable_parameters(model_, gains());
    if (optimiser_ && now.names == trainable_.names) return;
    if (optimiser_) remember();
    trainable_ = std::move(now);
    const Recipe& recipe = options_.recipe;
    optimiser_.emplace(trainable_.tensors,
                       AdamWOptions{recipe.beta1, recipe.beta2, recipe.eps, recipe.weight_decay},
                       trainable_.decayed);
    for (size_t i = 0; i < trainable_.names.size(); ++i) {
      const std::string& name = trainable_.names[i];
      // Layers only leave the training; none is added.
      if (steps_done() > 0 && !state_.first.contains(name))
        throw FormatError(options_.state_path, "adamw.first." + name,
                          "is missing; the training state is damaged: take a copy of it, or start again "
                          "without --resume");
      if (state_.first.contains(name))
        optimiser_->restore(i, {state_.first.at(name), state_.second.at(name), state_.steps.at(name)});
    }
    gradients_.emplace(model_, options_, source_, trainable_);
  }

  void remember() {
    state_.first = state_.second = state_.steps = {};
    for (size_t i = 0; i < trainable_.names.size(); ++i) {
      const AdamW::Moments& moments = optimiser_->moments(i);
      state_.first.add(trainable_.names[i], moments.first);
      state_.second.add(trainable_.names[i], moments.second);
      state_.steps.add(trainable_.names[i], moments.steps);
    }
  }

  // Saves the progress since the last state, if a step was taken.
  void save_progress() {
    if (steps_done() > std::max<int64_t>(saved_at_, 0)) save();
  }

  void save() {
    last_saved_ = Clock::now();
    if (options_.state_path.empty() || !is_main()) return;
    if (optimiser_) remember();
    state_.weights = {};
    for (const auto& [name, tensor] : model_.parameters().entries())
      state_.weights.add(name, own_ ? own_->at(name) : tensor.detach());
    state_.spec = to_json(model_.spec());
    state_.log_bytes = log_ ? log_->bytes() : 0;
    state_.finished = state_.epoch == options_.recipe.epochs;
    try {
      save_run_state(state_, options_.state_path);
      saved_at_ = steps_done();
    } catch (const Error& error) {
      // The file is written under another name first, so the previous state stays complete. Days of training
      // are worth more than this state, and the next one may find space again.
      log_warning("the training state could not be written: " + sentence(error.what()) + "; " +
                  (saved_at_ < 0 ? "there is none yet"
                                 : "the one after step " + std::to_string(saved_at_) + " is complete in " +
                                       options_.state_path) +
                  ", and training continues");
    }
  }

  void run_epoch(Progress& progress) {
    const at::AutoGradMode with_gradients(true);  // independent of the caller's mode
    begin_epoch();
    auto since_log = Clock::now();
    int64_t logged_at = state_.batch;
    while (state_.batch < source_.steps_per_epoch()) {
      const auto started = Clock::now();
      look_at_held_out();
      follow_lambda();
      const double lambda_now = lambda();
      BatchGradients batch;
      bool stop = false;
      saver_->may_save([&] {
        batch = gradients_->run(state_.batch, gains());
        stop = agree(batch);
      });
      if (stop) throw Interrupted();  // the step is not taken; a resumed run takes it
      const double norm = clip_gradients(batch.gradients, options_.recipe.clip_norm);
      if (!std::isfinite(norm)) not_finite("the gradient is");
      const double learning_rate_now =
          learning_rate(options_.recipe, steps_done(), source_.steps_per_epoch());
      optimiser_->step(batch.gradients, learning_rate_now);
      average();
      state_.loss_sum += batch.loss;
      state_.train_seconds += seconds_since(started);
      ++state_.batch;
      if (log_ && options_.log_every > 0 && state_.batch % options_.log_every == 0) {
        const double rate =
            static_cast<double>((state_.batch - logged_at) * source_.batch_size()) / seconds_since(since_log);
        log_->line(log_line(StepRecord{state_.epoch + 1, steps_done(), batch.loss, learning_rate_now,
                                       lambda_now, rate, memory_gib()}));
        since_log = Clock::now();
        logged_at = state_.batch;
      }
      if (state_.batch < source_.steps_per_epoch() &&
          seconds_since(last_saved_) > options_.state_minutes * 60)
        save();
      progress.advance(source_.batch_size());
    }
  }

  // All ranks must begin from the same state, so they take the weights of rank 0 (and, if they resume, all
  // other state from one file).
  void agree_on_start() {
    if (!several()) return;
    const std::string place =
        resumed_ ? "epoch " + std::to_string(state_.epoch) + ", batch " + std::to_string(state_.batch)
                 : "the start";
    const std::string mine = place + " of " + std::to_string(source_.steps_per_epoch()) +
                             " batches an epoch (" + options_.identity + ")";
    const std::vector<std::string> all = options_.group->all_gather(mine);
    for (size_t rank = 1; rank < all.size(); ++rank) {
      if (all[rank] == all[0]) continue;
      throw Error("rank 0 starts at " + all[0] + ", rank " + std::to_string(rank) + " at " + all[rank] +
                  "; data, weights and training state (--state) must be the same for all ranks");
    }
    agree_on_options();
    for (const auto& [name, tensor] : model_.parameters().entries()) {
      const at::Tensor own = tensor.detach().clone();
      options_.group->broadcast(own);
      model_.set_parameter(name, own);
    }
  }

  // The recipe and everything else that influences the steps. Ranks that differed in it would train a wrong
  // model, or wait for each other for ever.
  void agree_on_options() const {
    std::string mine = to_toml(options_.recipe);
    const auto add = [&](const char* name, const auto& value) {
      mine += std::string(name) + " = " + std::to_string(value) + "\n";
    };
    add("seed", options_.seed);
    add("keep-best", options_.keep_best);
    add("state-minutes", options_.state_minutes);
    add("max-corrupt", options_.max_corrupt);
    add("measured", static_cast<bool>(options_.measure));
    add("teacher", options_.teacher != nullptr);
    add("absorb-first", options_.absorb_first);
    for (const int layer : options_.dilute) add("diluted layer", layer);
    mine += options_.shared;
    distributed::check_alike(*options_.group, mine);
  }

  // Whether any rank was asked to stop, agreed by all ranks so that all stop after the same step; and whether
  // the loss is finite.
  bool agree(BatchGradients& batch) {
    bool stop = cancel_requested();
    if (several()) {
      at::Tensor shared = at::tensor({batch.loss, stop ? 1.0 : 0.0}, at::kDouble);
      options_.group->all_reduce(shared);
      batch.loss = shared[0].item<double>();
      stop = shared[1].item<double>() > 0;
    }
    if (!std::isfinite(batch.loss)) not_finite("the loss is");
    return stop;
  }

  [[noreturn]] void not_finite(const std::string& what) {
    sound_ = false;
    throw Error(what + " not finite at epoch " + std::to_string(state_.epoch + 1) + ", batch " +
                std::to_string(state_.batch) + "; use a lower learning rate, clip_norm or --precision f32");
  }

  void average() {
    if (options_.recipe.ema_decay <= 0) return;
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> averages, now;
    for (const auto& [name, tensor] : model_.parameters().entries()) {
      averages.push_back(state_.ema.at(name));
      now.push_back(tensor.detach());
    }
    // The average starts from weights that soon become irrelevant, so it forgets them faster at first (the
    // usual warm-up in timm and TensorFlow).
    const auto n = static_cast<double>(steps_done() + 1);
    at::_foreach_lerp_(averages, now, 1 - std::min(options_.recipe.ema_decay, (1 + n) / (10 + n)));
  }

  void end_epoch() {
    const int64_t batches = source_.steps_per_epoch();
    follow_lambda();
    EpochRecord record;
    record.epoch = state_.epoch + 1;
    record.step = steps_done();
    record.loss = state_.loss_sum / static_cast<double>(batches);
    record.learning_rate = learning_rate(options_.recipe, record.step - 1, batches);
    record.lambda = lambda();
    record.images_per_second = static_cast<double>(batches * source_.batch_size()) / state_.train_seconds;
    record.memory_gib = memory_gib();
    if (options_.measure) {
      measure(record);
    }
    ++state_.epoch;
    state_.batch = 0;
    state_.loss_sum = state_.train_seconds = 0;
    state_.records.push_back(record);
    choose(record);
    if (log_) log_->line(log_line(record));
    const double figure = record.headline(false);
    const std::string judged = std::isnan(figure) ? ""
                                                  : std::string(record.miou ? ", mIoU " : ", top-1 ") +
                                                        std::to_string(100 * figure).substr(0, 5) + " %";
    char text[200];
    std::snprintf(text, sizeof text, "epoch %lld of %lld: loss %.4f, lambda %.2f, %.0f images a second%s",
                  static_cast<long long>(record.epoch), static_cast<long long>(options_.recipe.epochs),
                  record.loss, record.lambda, record.images_per_second, judged.c_str());
    log_info(text);
    save();
  }

  void measure(EpochRecord& record) {
    const at::NoGradGuard no_grad;
    model_.forget_casts();  // the optimiser changed the weights in place
    saver_->may_save([&] { options_.measure(model_, record.lambda, false, record); });
    if (options_.recipe.ema_decay <= 0) return;
    // However the measurement ends (for example by a stop), the trained weights are restored.
    struct Restore {
      Run& run;
      model::StateDict own;
      ~Restore() {
        run.own_ = nullptr;
        run.load_weights(own);
      }
    } restore{*this, swap_weights(state_.ema)};
    own_ = &restore.own;
    saver_->may_save([&] { options_.measure(model_, record.lambda, true, record); });
  }

  // Copies weights into the model and returns what was there.
  model::StateDict swap_weights(const model::StateDict& weights) {
    const at::NoGradGuard no_grad;
    model::StateDict before;
    for (const auto& [name, tensor] : model_.parameters().entries())
      before.add(name, tensor.detach().clone());
    load_weights(weights);
    return before;
  }

  void load_weights(const model::StateDict& weights) {
    const at::NoGradGuard no_grad;
    // In place, because the optimiser holds these tensors.
    for (const auto& [name, tensor] : weights.entries()) model_.parameter(name).detach().copy_(tensor);
    model_.forget_casts();
  }

  // The last epoch, or the best one; always one in which no layer is partly diluted.
  void choose(const EpochRecord& record) {
    if (record.lambda != 0) return;
    if (options_.keep_best && state_.best_epoch > 0) {
      const bool averaged = options_.recipe.ema_decay > 0;
      if (!(record.headline(averaged) >=
            state_.records[static_cast<size_t>(state_.best_epoch - 1)].headline(averaged)))
        return;
    }
    state_.best_epoch = record.epoch;
    if (!options_.keep_best) return;  // otherwise it is the last one, which the model holds already
    state_.best = {};
    for (const auto& [name, tensor] : model_.parameters().entries()) {
      state_.best.add(name, (options_.recipe.ema_decay > 0 ? state_.ema.at(name) : tensor).detach().clone());
    }
  }

  Trained export_weights() {
    if (options_.keep_best) {
      load_weights(state_.best);
    } else if (options_.recipe.ema_decay > 0) {
      load_weights(state_.ema);
    }
    model_.set_requires_grad(false);
    return {state_.records, state_.best_epoch};
  }

  model::Model& model_;
  const TrainOptions& options_;
  BatchSource source_;
  Dilution dilution_;
  RunState state_;
  bool resumed_ = false;
  int64_t saved_at_ = -1;                  ///< steps of the last state that was written
  bool sound_ = true;                      ///< false: the weights have diverged
  const model::StateDict* own_ = nullptr;  ///< the trained weights, while the model holds their averages
  std::optional<RunLog> log_;
  Trainable trainable_;
  std::optional<AdamW> optimiser_;
  std::optional<GradientStep> gradients_;
  Clock::time_point last_saved_;
  std::optional<SaveOnStop> saver_;  // last member, because it reads the others
};

}  // namespace

Trained train(model::Model& model, const data::Dataset& dataset, const TrainOptions& options) {
  validate(options.recipe);
  const int64_t share = options.recipe.batch_size / (options.group ? options.group->size() : 1);
  if (share % options.recipe.accumulate != 0) {
    throw std::invalid_argument("[train::train] a rank's " + std::to_string(share) +
                                " images a step cannot be shared among " +
                                std::to_string(options.recipe.accumulate) + " accumulation steps");
  }
  if (options.recipe.dilution_schedule == "held_out" && !options.dilute.empty() && !options.held_out_loss) {
    throw std::invalid_argument(
        "[train::train] lambda falls by the loss on images kept out, and there are none");
  }
  if (options.teacher && options.recipe.block_weight > 0)
    check_streams(model.spec(), options.teacher->spec());
  for (int layer : options.dilute) {
    if (layer < 0 || layer >= model.num_blocks() ||
        model.spec().blocks[static_cast<size_t>(layer)].attention == AttentionKind::kNone) {
      throw std::invalid_argument("[train::train] block " + std::to_string(layer) +
                                  " has no attention to dilute");
    }
  }
  return Run(model, dataset, options).finish();
}

void check_streams(const ModelSpec& student, const ModelSpec& teacher) {
  const auto fail = [](const std::string& what) {
    throw std::invalid_argument("distillation.block_weight compares the outputs of all blocks, and " + what +
                                "; set it to 0");
  };
  if (student.blocks.size() != teacher.blocks.size())
    fail("the teacher has " + std::to_string(teacher.blocks.size()) + " blocks, the model " +
         std::to_string(student.blocks.size()));
  if (student.merges() || teacher.merges()) fail("merged tokens have no counterpart");
  for (int i = 0; i < static_cast<int>(student.blocks.size()); ++i) {
    const auto shape = [&](const ModelSpec& spec) {
      return std::to_string(spec.block_tokens(i)) + " tokens of " +
             std::to_string(spec.blocks[static_cast<size_t>(i)].embed_dim) + " channels";
    };
    if (shape(student) != shape(teacher))
      fail("those of block " + std::to_string(i) + " are " + shape(teacher) + " of the teacher, " +
           shape(student) + " of the model");
  }
}

void refuse_to_overwrite(const std::string& state_path) {
  if (!std::filesystem::exists(state_path)) return;
  const RunState old = load_run_position(state_path);
  if (old.finished) return;
  throw Error(state_path + ": this is the state of an unfinished run (after epoch " +
              std::to_string(old.epoch) + ", batch " + std::to_string(old.batch) +
              "); pass --resume to continue it, or remove the file to start again");
}

std::unique_ptr<model::Model> stored_model(const std::string& state_path) {
  if (!std::filesystem::exists(state_path)) return nullptr;
  const RunState state = load_run_state(state_path);
  if (state.spec.empty()) return nullptr;
  return model::make_model(model_spec_from_json(state.spec, state_path), state.weights);
}

std::optional<std::vector<int>> diluted_layers(const std::string& state_path) {
  if (!std::filesystem::exists(state_path)) return std::nullopt;
  return load_run_position(state_path).dilute;
}

}  // namespace vitrim::train
