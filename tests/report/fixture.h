#pragma once
// Results like those of a ViT-Ti with 12 blocks, made as structs and written by to_json, so that they follow
// the format.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "vitrim/core/artifact_json.h"
#include "vitrim/core/artifacts.h"
#include "vitrim/core/bench_artifacts.h"
#include "vitrim/core/plan_artifacts.h"
#include "vitrim/core/random.h"
#include "vitrim/core/train_artifacts.h"

namespace vitrim::fixture {

inline ModelSpec tiny_spec(const std::vector<int>& removed = {}, int depth = 12) {
  ModelSpec spec;
  spec.name = "vit_tiny_patch16_224";
  spec.embed_dim = 192;
  for (int i = 0; i < depth; ++i) {
    BlockSpec block;
    block.embed_dim = 192;
    block.num_heads = 3;
    block.qk_dim = block.v_dim = 64;
    block.mlp_dim = 768;
    if (std::find(removed.begin(), removed.end(), i) != removed.end()) {
      block.attention = AttentionKind::kNone;
      block.num_heads = block.qk_dim = block.v_dim = 0;
    }
    spec.blocks.push_back(block);
  }
  return spec;
}

inline Manifest manifest(const std::string& command) {
  Manifest m;
  m.command = command;
  m.version = "0.1.0";
  m.git_commit = "0123456789abcdef";
  m.torch_version = "2.13.0";
  m.cpu = "Some Processor 9000 @ 2.60GHz";
  m.instruction_set = "AVX512";
  m.threads = 2;
  m.seed = 7;
  m.data_fingerprint = "1300 files, sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
  m.started = "2025-03-01T12:00:00Z";
  return m;
}

/// `images` hits with about the given rate; models of one `stream` agree on most images, as real ones do.
inline EvalResult eval(const std::string& model, double top1, int64_t images = 1300) {
  EvalResult r;
  r.manifest = manifest("vitrim eval " + model + " --data val");
  r.model = model;
  r.data = "imagenet-val-1300";
  r.images = images;
  r.params = 5717416;
  r.macs = 1258000000;
  Random difficulty(11), noise(static_cast<uint64_t>(top1 * 1e4));
  int64_t hits = 0;
  for (int64_t i = 0; i < images; ++i) {
    r.correct.push_back(difficulty.uniform() + 0.04 * noise.normal() < top1);
    hits += r.correct.back();
  }
  r.top1 = static_cast<double>(hits) / static_cast<double>(images);
  r.top5 = 1 - (1 - r.top1) * 0.3;
  const double half = 1.96 * std::sqrt(r.top1 * (1 - r.top1) / static_cast<double>(images));
  r.top1_ci95 = {r.top1 - half, r.top1 + half};
  return r;
}

inline Spectrum spectrum(double lift, int depth = 12) {
  Spectrum s;
  for (int i = 0; i <= 9; ++i) s.radii.push_back(i / 9.0);
  for (int b = 0; b < depth; ++b) {
    std::vector<double> line;
    for (double r : s.radii)
      line.push_back(-(1.2 + 0.16 * b * (1 - lift)) * (1 - std::exp(-3.2 * r)) - 0.25 * r);
    s.log_amplitude.push_back(line);
  }
  return s;
}

inline SetResult set(std::vector<int> layers, double score, double share) {
  return {std::move(layers),
          {score, 0.035 * score + 0.004},
          {20 + 90 * score, 2.3},
          0.6 + 4 * score,
          0.3 + score,
          share};
}

inline LayerScores scores(const std::string& criterion = "absorbed", int depth = 12) {
  LayerScores s;
  s.manifest = manifest("vitrim analyze vit_tiny.safetensors --images calib --k 3 --criterion " + criterion);
  s.model = "vit_tiny.safetensors";
  s.estimator = "diagonal";
  s.criterion = criterion;
  s.search = "beam";
  s.mask = "drop";
  s.images = 1000;
  Random random(3);
  for (int i = 0; i < depth; ++i) {
    const double x = i / (depth - 1.0);
    s.attention_entropy.push_back({-220 + 260 * x + 14 * random.normal(), 3.5});
    s.mlp_entropy.push_back({-150 + 330 * x * x + 10 * random.normal(), 2.8});
    s.other_estimator["attention"].push_back(s.attention_entropy.back().value - 60 - 20 * random.uniform());
    s.other_estimator["mlp"].push_back(s.mlp_entropy.back().value - 45 - 15 * random.uniform());
    const double te = 26 * std::exp(-3 * x) + 4 + 3 * random.uniform();
    s.te_drop[i] = {te, 0.9};
    s.te_identity[i] = {te * 0.8 + 2 * random.uniform(), 0.8};
    s.kl_drop[i] = 1.6 * std::exp(-2.5 * x) + 0.2 + 0.1 * random.uniform();
    s.feature_error_drop[i] = 0.7 * std::exp(-1.4 * x) + 0.1 * random.uniform();
    s.absorbed[i] = {0.05 + 0.4 * x * x + 0.03 * random.uniform(), 0.008};
  }
  s.output_entropy = {312.4, 2.2};
  s.interaction.assign(static_cast<size_t>(depth), std::vector<double>(static_cast<size_t>(depth), 0.0));
  for (size_t i = 0; i < s.interaction.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const double near = std::exp(-0.45 * static_cast<double>(i - j));
      s.interaction[i][j] = s.interaction[j][i] =
          near * (i < s.interaction.size() / 2 ? -14.0 : 8.0) + 1.6 * random.normal();
    }
  }
  s.chosen = {1, 3, 4};
  s.sets = {set({1, 3, 4}, 0.213, 0.46), set({0, 1, 4}, 0.219, 0.31), set({1, 2, 4}, 0.236, 0.12),
            set({0, 3, 4}, 0.241, 0.07), set({1, 4, 6}, 0.262, 0.03), set({0, 2, 4}, 0.278, 0.01),
            set({0, 1, 2}, 0.311, 0.0),  set({1, 3, 6}, 0.322, 0.0)};
  s.other_criterion = {set({6, 8, 9}, 0.40, 0.52), set({7, 8, 9}, 0.43, 0.28), set({6, 9, 10}, 0.46, 0.2)};
  s.block_evaluations = 8190;
  s.brute_force_block_evaluations = 49152;
  s.spectrum = spectrum(0, depth);
  return s;
}

inline PairedResult paired(double difference, double p) {
  return {difference, {difference - 0.012, difference + 0.012}, p};
}

inline CompressResult compress(std::vector<int> removed = {1, 3, 4}, double top1 = 0.776) {
  CompressResult r;
  r.manifest = manifest(
      "vitrim compress vit_tiny.safetensors --remove 3 --images calib --eval val --controls -o "
      "small.safetensors");
  r.model = "vit_tiny.safetensors";
  r.output = "small.safetensors";
  r.removed = removed;
  r.reason = "absorbed, beam";
  r.dense_spec = tiny_spec();
  r.compressed_spec = tiny_spec(removed);
  for (const BlockSpec& block : r.compressed_spec.blocks) {
    const bool gone = block.attention == AttentionKind::kNone;
    r.dense_blocks.push_back({444864, 102000000, 148800, 43960000});
    r.compressed_blocks.push_back(gone ? BlockCost{296064, 58040000, 0, 0} : r.dense_blocks.back());
  }
  r.dense_params = 5717416;
  r.dense_macs = 1258000000;
  r.compressed_params = 5717416 - 148800 * static_cast<int64_t>(removed.size());
  r.compressed_macs = 1258000000 - 43960000 * static_cast<int64_t>(removed.size());
  r.dense = eval("vit_tiny.safetensors", 0.823);
  r.compressed = eval("small.safetensors", top1);
  r.compressed->params = r.compressed_params;
  r.compressed->macs = r.compressed_macs;
  r.paired = paired(r.compressed->top1 - r.dense->top1, 2.6e-9);
  r.held_out_kl = 0.213;
  r.held_out_agreement = 0.861;
  r.seconds = {{"load", 0.8},     {"entropy", 31.2}, {"transfer entropy", 92.0},
               {"search", 148.5}, {"absorb", 41.3},  {"refine", 288.0},
               {"eval", 66.4}};
  r.scores = scores();
  r.compressed_spectrum = spectrum(0.35);
  const auto control = [&](const std::string& name, std::vector<int> layers, double accuracy) {
    ControlResult c;
    c.name = name;
    c.layers = std::move(layers);
    c.eval = eval(name, accuracy);
    c.paired = paired(c.eval.top1 - r.dense->top1, 1e-12);
    c.held_out_kl = 0.2 + 1.5 * (0.8 - accuracy);
    r.controls.push_back(c);
  };
  control("random 1", {2, 7, 10}, 0.641);
  control("random 2", {0, 5, 9}, 0.668);
  control("random 3", {3, 6, 8}, 0.652);
  control("first-k", {0, 1, 2}, 0.722);
  control("last-k", {9, 10, 11}, 0.512);
  control("least-norm", {0, 2, 5}, 0.705);
  control("te", {6, 8, 9}, 0.632);
  return r;
}

/// A run with 12 blocks as from `vitrim dilute` (or from `vitrim train` if nothing is removed): diluted
/// attention falls in entropy, and the MLPs of its blocks rise.
inline TrainResult training(std::vector<int> removed = {1, 3, 4}, int64_t epochs = 10, bool ema = true) {
  TrainResult r;
  const bool dilutes = !removed.empty();
  r.task = dilutes ? "dilute" : "train";
  r.manifest = manifest("vitrim " + r.task + " vit_tiny.safetensors --data train -o out.safetensors");
  r.init = "vit_tiny.safetensors";
  r.output = "out.safetensors";
  r.recipe =
      R"({"schedule":{"epochs":)" + std::to_string(epochs) +
      R"(,"batch_size":128,"learning_rate":0.001},"distillation":{"teacher":"<teacher>"},"seeded":true})";
  r.removed = removed;
  r.reason = dilutes ? "te, beam" : "";
  const int64_t fading = epochs * 6 / 10;
  const bool tracked = dilutes;
  Random random(5);
  for (int64_t e = 1; e <= epochs; ++e) {
    EpochRecord record;
    const double t = static_cast<double>(e) / static_cast<double>(epochs);
    record.epoch = e;
    record.step = 150 * e;
    record.loss = 0.4 + 3 * std::exp(-4 * t) + 0.05 * random.uniform();
    record.learning_rate = 0.0005 * (1 + std::cos(3.141592653589793 * t));
    record.lambda = dilutes ? std::max(0.0, 1 - static_cast<double>(e) / static_cast<double>(fading)) : 0;
    record.images_per_second = 240 + 20 * random.uniform();
    record.memory_gib = 1.2;
    record.top1 = 0.82 - 0.4 * std::exp(-3 * t);
    if (ema) record.ema_top1 = record.top1 + 0.01;
    if (tracked) {
      record.te = record.lambda == 0 ? 0 : 20 * record.lambda;
      for (int block = 0; block < 12; ++block) {
        const bool fades = std::find(removed.begin(), removed.end(), block) != removed.end();
        record.attention_entropy.push_back(
            fades && record.lambda == 0 ? std::nan("")
                                        : 10.0 * block + (fades ? 190 * std::log(record.lambda) : 4 * t));
        record.mlp_entropy.push_back(-20.0 + 12 * block + (fades ? 60 * (1 - record.lambda) : 8 * t));
      }
    }
    r.epochs.push_back(record);
  }
  r.chosen_epoch = epochs;
  r.seconds = 600.0 * static_cast<double>(epochs);
  r.evaluation = eval("", dilutes ? 0.815 : 0.822);
  r.evaluation->manifest = {};
  if (dilutes) {
    r.dense = eval("", 0.823);
    r.dense->manifest = {};
    r.evaluation->params = 5271016;
    r.evaluation->macs = 1126120000;
    r.paired = paired(r.evaluation->top1 - r.dense->top1, 0.21);
  }
  return r;
}

/// The log of such a run: `epochs` whole epochs of it and `steps` lines of the next, with a line every 30
/// steps.
inline std::string training_log(const TrainResult& run, size_t epochs, int64_t steps = 0) {
  std::string out = log_header(run) + "\n";
  const auto step = [&](const EpochRecord& record, int64_t number) {
    out += R"({"event":"step","epoch":)" + std::to_string(record.epoch) + R"(,"step":)" +
           std::to_string(number) + R"(,"loss":)" +
           std::to_string(record.loss + 0.1 * std::sin(static_cast<double>(number))) +
           R"(,"learning_rate":)" + std::to_string(record.learning_rate) + R"(,"lambda":)" +
           std::to_string(record.lambda) + R"(,"images_per_second":250.5,"memory_gib":1.25})" + "\n";
  };
  for (size_t e = 0; e <= epochs && e < run.epochs.size(); ++e) {
    const EpochRecord& record = run.epochs[e];
    for (int64_t i = 1; i <= (e < epochs ? 5 : steps); ++i) step(record, 150 * (record.epoch - 1) + 30 * i);
    if (e == epochs) break;
    const std::string line = to_json_line(record);
    out += line.substr(0, line.size() - 1) + ",\"event\":\"epoch\"}\n";
  }
  return out;
}

/// A merged ViT-Ti: sixteen pairs a block, two images, their left halves one token each.
inline CompressResult merged() {
  CompressResult r = compress({});
  r.scores.reset();
  r.controls.clear();
  r.reason = "tokens merged by block: 16,16,16,16,16,16,16,16,16,16,16,10";
  r.dense_spec = tiny_spec();
  r.compressed_spec = tiny_spec();
  for (BlockSpec& block : r.compressed_spec.blocks) block.merge = 16;
  r.compressed_spec.blocks.back().merge = 10;
  r.speed = MeasuredSpeed{"native", 32, 2, 1.42, 1.38, 1.47};
  for (const char* name : {"n01440764/one.JPEG", "n01440764/</script>.JPEG"}) {
    MergedPicture picture;
    picture.name = name;
    // One white pixel, stretched.
    picture.image =
        "data:image/"
        "png;base64,"
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP6DwABBQECz6AuzQAAAABJRU5ErkJggg==";
    for (int i = 0; i < 196; ++i) picture.place.push_back(i % 14 < 7 ? 1 : 2 + i % 9);
    r.pictures.push_back(picture);
  }
  return r;
}

/// A ViT-Ti in int8, calibrated, its most costly layer left float.
inline CompressResult quantized() {
  CompressResult r = compress({});
  r.scores.reset();
  r.controls.clear();
  r.dense_spec = r.compressed_spec = tiny_spec();
  r.reason = "47 of 48 linear layers in int8";
  QuantizationFigures figures;
  for (int block = 0; block < 12; ++block) {
    for (const char* layer : {"attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"}) {
      QuantizedLayer entry;
      entry.name = "blocks." + std::to_string(block) + "." + layer;
      entry.weight_error = 0.006;
      entry.alpha = block % 4 * 0.25;
      entry.kl = 1e-5 * (1 + block) * (1 + static_cast<double>(figures.layers.size() % 4));
      entry.bytes = 150000;
      figures.layers.push_back(entry);
    }
  }
  figures.layers.back().int8 = false;
  figures.bytes_before = 22869664;
  figures.bytes_after = 6700000;
  figures.fit_images = 160;
  figures.held_out_images = 40;
  figures.kl = 0.0012;
  figures.agreement = 0.975;
  figures.plain_kl = 0.0021;
  figures.plain_agreement = 0.95;
  figures.budget_kl = 0.002;
  for (BlockSpec& block : r.compressed_spec.blocks) block.int8 = {true, true, true, true};
  r.compressed_spec.blocks.back().int8.fc2 = false;
  r.held_out_kl = 0.0012;
  r.held_out_agreement = 0.975;
  r.quantization = figures;
  return r;
}

/// Two models on two engines at two batch sizes.
inline BenchResult bench() {
  BenchResult r;
  r.manifest = manifest("vitrim bench smaller.safetensors --against dense");
  r.device = "cpu";
  r.threads = 2;
  r.tile_peak = 0.83;
  r.library_peak = 0.77;
  r.output_difference = 0.004;
  for (const int64_t batch : {1, 32}) {
    for (const double speedup : {1.0, 1.37}) {
      BenchRow row;
      row.name = speedup == 1 ? "dense form, native" : "smaller.safetensors, native";
      row.engine = "native";
      row.precision = "bf16";
      row.batch = batch;
      row.rounds = 15;
      row.latency = 0.006 * static_cast<double>(batch) / speedup;
      row.latency_p10 = 0.95 * row.latency;
      row.latency_p90 = 1.2 * row.latency;
      row.images_per_second = static_cast<double>(batch) / row.latency;
      row.tflops = 0.4;
      row.share_of_peak = 0.48;
      row.speedup = speedup;
      row.speedup_p10 = speedup == 1 ? 1 : 1.3;
      row.speedup_p90 = speedup == 1 ? 1 : 1.45;
      row.predicted = speedup == 1 ? 1 : 1.12;
      r.rows.push_back(row);
    }
  }
  return r;
}

/// A plan with three measured candidates, one of which missed, and one that was only predicted.
inline PlanResult planned() {
  PlanResult r;
  r.manifest = manifest("vitrim plan model.safetensors --budget latency<=70%@batch1");
  r.model = "model.safetensors";
  r.limits = {{"latency<=70%@batch1", "latency", 1, 0.005, 0.0035, 0.0022}};
  r.fit_images = 120;
  r.held_out_images = 40;
  r.dense_params = 5717416;
  r.dense_macs = 1258000000;
  r.dense_latency = 0.005;
  r.latency_quality = {9, 0.021, 0.05, 0.94};
  r.kl_quality = {4, 0.11, 0.3, 1.0};
  r.candidates = 251;
  r.within = 90;
  for (int i = 0; i < 4; ++i) {
    PlanRow row;
    if (i != 1) row.removed = {0, 1};
    if (i > 0) row.width = 48;
    row.merging.pairs = 4 * i;
    row.params = 5000000 - 1000 * i;
    row.macs = 900000000 - 1000 * i;
    row.latency = 0.0034 - 0.0001 * i;
    row.kl = 0.1 * (i + 1);
    if (i < 3) {
      row.measured_latency = i == 2 ? 0.0036 : *row.latency + 0.00005;
      row.measured_kl = row.kl + 0.01;
      row.holds = i != 2;
      row.eval = eval("candidate", 0.78 - 0.01 * i);
    }
    row.front = i != 1;
    r.rows.push_back(row);
  }
  r.moves = {{"removal", r.rows[0]}};
  r.combinations = {{r.rows[1], 0.2, 0.21}};
  r.dominated = {r.rows[3]};
  r.chosen = r.rows[0];
  r.notes = {"2 removed, width 48: built, it takes 3.600 ms"};
  LatencyTable table;
  table.cpu = "Some Processor 9000 @ 2.60GHz";
  table.isa = "avx512";
  table.precision = "f32";
  table.threads = 2;
  table.version = "0.1.0";
  table.spec = tiny_spec();
  table.batches = {{1,
                    false,
                    0.005,
                    {{"mlp", 0, 768, 197, 0.0002}},
                    {{"dense", 0.0051, 0.005}, {"6 removed", 0.0036, 0.0037}}}};
  r.table = table;
  r.seconds = {{"choose sets", 20}, {"candidates", 40}};
  return r;
}

}  // namespace vitrim::fixture
