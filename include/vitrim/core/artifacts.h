#pragma once
// The plain structs that the stages hand each other. Each is also a JSON file (core/artifact_json.h), so any
// stage can run alone, be cached and be shown in a report. Layers are numbered from 0 = the block nearest the
// image.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim {

/// What produced a result file.
struct Manifest {
  std::string command;  ///< the command line
  /// Settings of --recipe and --set that were changed: {"fit.ridge": "0.5"}. A training's recipe is a field
  /// of its result.
  std::map<std::string, std::string> settings;
  std::string version;     ///< vitrim's version
  std::string git_commit;  ///< of the build; empty where unknown
  std::string torch_version;
  std::string cpu;              ///< model name
  std::string instruction_set;  ///< what LibTorch dispatches to: "AVX512", ...
  int64_t threads = 0;
  uint64_t seed = 0;
  std::string data_fingerprint;  ///< "1000 files, sha256 0123..." over the sorted file list
  std::string started;           ///< UTC, ISO 8601
};

/// A figure and its bootstrap standard error (whole images resampled).
struct Estimate {
  double value = 0;
  double standard_error = 0;
};

/// One set of removed attention layers and what it was measured to do to the output.
struct SetResult {
  std::vector<int> layers;     ///< ascending
  Estimate score;              ///< what the search minimised (TE in nats, or the absorbed distortion)
  Estimate te;                 ///< TE(S) = |H(out | S) - H(out)|, nats
  double kl = 0;               ///< mean KL(softmax(dense / T) || softmax(masked / T)) over images, nats
  double feature_error = 0;    ///< ||F_masked - F_dense|| / ||F_dense||
  double chosen_fraction = 0;  ///< share of image resamples in which this set scores best
};

/// Amplitude spectrum of one model's patch tokens: per block, the relative log amplitude at radii from 0 to
/// pi.
struct Spectrum {
  std::vector<double> radii;  ///< in units of pi, 0..1
  std::vector<std::vector<double>>
      log_amplitude;  ///< [block][radius], ln amplitude minus ln amplitude at radius 0
};

/// Everything `vitrim analyze` measures.
struct LayerScores {
  Manifest manifest;
  std::string model;                        ///< path or name
  std::string estimator;                    ///< "diagonal" or "full"
  std::string criterion;                    ///< "te" or "absorbed"
  std::string search;                       ///< "exact", "beam" or "greedy"
  std::string mask;                         ///< "drop" or "identity"
  int64_t images = 0;                       ///< used for TE
  std::vector<Estimate> attention_entropy;  ///< per layer; layers without attention hold NaN
  std::vector<Estimate> mlp_entropy;
  Estimate output_entropy;
  std::map<int, Estimate> te_drop;  ///< TE of each single layer
  std::map<int, Estimate> te_identity;
  std::map<int, double> kl_drop;  ///< distortion of each single drop
  std::map<int, double> feature_error_drop;
  std::map<int, Estimate>
      absorbed;  ///< score of each single layer under the absorbed criterion; may be empty
  std::vector<std::vector<double>> interaction;  ///< w_ij of signed dH, nats; empty where not measured
  std::vector<SetResult> sets;                   ///< the chosen set first, then runners-up
  std::vector<SetResult>
      other_criterion;  ///< the best sets under the criterion that was not used; may be empty
  std::vector<int> chosen;
  int64_t block_evaluations = 0;              ///< of one batch each, shared prefixes counted once
  int64_t brute_force_block_evaluations = 0;  ///< what one set at a time would have cost
  int64_t floored_channels = 0;               ///< constant channels whose sigma was floored
  std::map<std::string, std::vector<double>>
      other_estimator;  ///< entropies under the estimator that was not chosen: "attention", "mlp"
  Spectrum spectrum;
};

/// What to do to a model, decided by `select` or by hand.
struct CompressionPlan {
  std::vector<int> remove_attention;  ///< ascending
  std::string reason;                 ///< "absorbed, beam", "named", "random 3", ...
};

/// Pixels of one class in one image, of those that are labelled.
struct ClassPixels {
  int64_t class_index = 0;
  int64_t labelled = 0, predicted = 0, both = 0;
  bool operator==(const ClassPixels&) const = default;
};

/// An image with its true and its predicted mask.
struct SegmentedPicture {
  std::string name;
  std::string image, truth, predicted;  ///< data URLs
  bool operator==(const SegmentedPicture&) const = default;
};

/// How well one model labels pixels. A class's intersection over union is both / (labelled + predicted -
/// both), over all images; the means are over the classes that occur.
struct SegmentationFigures {
  std::string protocol;                       ///< "whole images" or "windows of 512 at stride 341"
  double miou = 0;                            ///< mean over classes that are labelled or predicted anywhere
  std::pair<double, double> miou_ci95{0, 0};  ///< percentile bootstrap over images
  double mean_accuracy = 0;                   ///< mean over labelled classes of both / labelled
  double pixel_accuracy = 0;
  std::vector<double> class_iou;         ///< per class; NaN where it does not occur
  std::vector<std::string> class_names;  ///< may be empty
  std::vector<std::vector<ClassPixels>>
      images;  ///< per image, in the data set's order, the classes that occur in it; for paired comparisons
  std::vector<SegmentedPicture> pictures;  ///< of a few images
};

/// How far a model's nearest neighbours are those of a reference model, every image a query among the others;
/// nearness is the cosine of features.
struct RetrievalFigures {
  std::string reference;                        ///< the model whose neighbours are the right ones
  int64_t neighbours = 0;                       ///< how many of them count as right
  double recall = 0;                            ///< mean share of them among as many of the model's own
  std::pair<double, double> recall_ci95{0, 0};  ///< percentile bootstrap over queries, as the next
  double mean_average_precision = 0;            ///< of the model's ranking of all other images
  std::pair<double, double> precision_ci95{0, 0};
};

/// How far features changed: cosine of an image's features before and after.
struct FeatureFigures {
  int64_t images = 0;
  double cosine = 0;      ///< mean over images
  double cosine_p05 = 0;  ///< 5th percentile over images
  bool operator==(const FeatureFigures&) const = default;
};

/// Accuracy of one model on one labelled set of images.
struct EvalResult {
  Manifest manifest;
  std::string model;
  std::string data;
  int64_t images = 0;
  int64_t params = 0;
  int64_t macs = 0;
  double top1 = 0;  ///< fraction of 1
  double top5 = 0;
  std::pair<double, double> top1_ci95{0, 0};  ///< Wilson interval
  std::vector<uint8_t> correct;               ///< per image, in the data set's order, for paired comparisons
  /// Of a model for segmentation, which has none of the four above.
  std::optional<SegmentationFigures> segmentation;
  /// How features were judged instead of a classifier: "20 nearest neighbours", "linear probe", "retrieval"
  /// (top1 and top5: the reference's nearest neighbour is the first, among the first five); empty: the
  /// classifier.
  std::string protocol;
  std::string gallery;  ///< the labelled images that the protocol learned from; empty for retrieval
  std::optional<RetrievalFigures> retrieval;

  /// The figure that judges a model of this task, its interval and its name.
  double headline() const { return segmentation ? segmentation->miou : top1; }
  std::pair<double, double> headline_ci95() const {
    return segmentation ? segmentation->miou_ci95 : top1_ci95;
  }
  const char* headline_name() const { return segmentation ? "mIoU" : "top-1"; }
};

/// Two models on the same images.
struct PairedResult {
  double difference = 0;  ///< top1(second) - top1(first); of segmentation mIoU(second) - mIoU(first)
  std::pair<double, double> ci95{0, 0};  ///< paired bootstrap
  double mcnemar_p = 1;                  ///< exact, two-sided; NaN for segmentation, which counts pixels
};

/// One row of a table of alternatives: a set of layers, treated like the main result, and what came of it.
struct ControlResult {
  std::string name;  ///< "random 1", "first-k", "te", ...
  std::vector<int> layers;
  EvalResult eval;
  PairedResult paired;     ///< against the dense model
  double held_out_kl = 0;  ///< on calibration images kept out of the fit
};

/// What one block costs.
struct BlockCost {
  int64_t params = 0, macs = 0;                      ///< of the whole block
  int64_t attention_params = 0, attention_macs = 0;  ///< of norm1, attention and its layer scale
  bool operator==(const BlockCost&) const = default;
};

/// An image and where merging took its patches.
struct MergedPicture {
  std::string name;
  std::string image;           ///< data URL
  std::vector<int64_t> place;  ///< [patches], row by row: the token that stands for the patch at the end,
                               ///< prefix tokens counted
  bool operator==(const MergedPicture&) const = default;
};

/// How many times as fast the compressed model was on this machine, measured interleaved.
struct MeasuredSpeed {
  std::string engine;
  int64_t batch = 0, threads = 0;
  double speedup = 1, speedup_p10 = 1, speedup_p90 = 1;
};

/// A linear layer of a block, as `vitrim quantize` left it.
struct QuantizedLayer {
  std::string name;          ///< of its parameters, such as "blocks.0.attn.qkv"
  bool int8 = true;          ///< false: it stays float, as --keep or --budget-kl said
  int weight_bits = 8;       ///< of an int8 layer: 8, or 4 in groups of 32
  double weight_error = 0;   ///< ||W - scale q||_F / ||W||_F of the equalised, refitted W; 0 where float
  double alpha = 0;          ///< exponent of its input's equalisation; 0: none
  bool refitted = false;     ///< W is the closed form's on quantised inputs
  std::optional<double> kl;  ///< mean KL to the float model, nats, with this layer alone int8; on held-out
                             ///< images
  int64_t bytes = 0;         ///< of its weight and scales as they are written
  bool operator==(const QuantizedLayer&) const = default;
};

/// What quantising did. The figures on held-out images are 0 without calibration.
struct QuantizationFigures {
  std::vector<QuantizedLayer> layers;
  int64_t bytes_before = 0, bytes_after = 0;  ///< of all parameters, as float32 and as they are written
  int64_t fit_images = 0, held_out_images = 0;
  double kl = 0, agreement = 0;  ///< held out: mean KL to the float model, nats, and share of the same
                                 ///< predictions
  double plain_kl = 0, plain_agreement = 0;  ///< held out: what the uncalibrated form would have
  std::optional<double> budget_kl;           ///< the mean KL that was asked for
  bool operator==(const QuantizationFigures&) const = default;
};

/// Everything `vitrim compress`, `prune --few-shot`, `merge` or `quantize` did.
struct CompressResult {
  Manifest manifest;
  std::string model;
  std::string output;
  std::vector<int> removed;
  std::string reason;
  ModelSpec dense_spec;
  ModelSpec compressed_spec;
  std::vector<BlockCost> dense_blocks, compressed_blocks;
  int64_t dense_params = 0, dense_macs = 0, compressed_params = 0, compressed_macs = 0;
  std::optional<EvalResult> dense, compressed;
  std::optional<PairedResult> paired;
  double held_out_kl = 0;         ///< compressed against dense, calibration images kept out of the fit
  double held_out_agreement = 0;  ///< share of those images with the dense model's prediction
  std::vector<std::pair<std::string, double>> seconds;  ///< per phase, in order
  std::optional<LayerScores> scores;
  Spectrum compressed_spectrum;
  std::vector<ControlResult> controls;
  std::vector<MergedPicture> pictures;
  std::optional<MeasuredSpeed> speed;
  std::optional<QuantizationFigures> quantization;
  std::optional<FeatureFigures> features;  ///< compressed against dense, on the images of held_out_kl
};

}  // namespace vitrim
