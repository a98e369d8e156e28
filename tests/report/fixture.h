#pragma once
// Results as a ViT-Ti of 12 blocks gives them, made as structs and written by to_json, so that they follow
// the format.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "vitrim/core/artifact_json.h"
#include "vitrim/core/artifacts.h"
#include "vitrim/core/random.h"

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

}  // namespace vitrim::fixture
