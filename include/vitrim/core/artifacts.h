#pragma once
// The plain structs that stages pass to each other. Each can be written to a JSON file
// (core/artifact_json.h), so that every stage can run alone, its result can be cached, and a report can show
// it. Layers are numbered from 0, the block nearest the image.

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
  /// Settings that --recipe and --set changed: {"fit.ridge": "0.5"}. The recipe of a training run is a field
  /// of its own result.
  std::map<std::string, std::string> settings;
  std::string version;     ///< vitrim's version
  std::string git_commit;  ///< commit of the build; empty if unknown
  std::string torch_version;
  std::string cpu;              ///< model name
  std::string instruction_set;  ///< instruction set that LibTorch uses: "AVX512", ...
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

/// One set of removed attention layers and its measured effect on the output.
struct SetResult {
  std::vector<int> layers;     ///< ascending
  Estimate score;              ///< what the search minimised: TE in nats, or the absorbed distortion
  Estimate te;                 ///< TE(S) = |H(out | S) - H(out)|, nats
  double kl = 0;               ///< mean over images of KL(softmax(dense / T) || softmax(masked / T)), nats
  double feature_error = 0;    ///< ||F_masked - F_dense|| / ||F_dense||
  double chosen_fraction = 0;  ///< share of image resamples in which this set scores best
};

/// Amplitude spectrum of one model's patch tokens: for each block, the relative log amplitude at radii from 0
/// to pi.
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
  int64_t images = 0;                       ///< number of images used for TE
  std::vector<Estimate> attention_entropy;  ///< nats, per layer; NaN for layers without attention
  std::vector<Estimate> mlp_entropy;
  Estimate output_entropy;
  std::map<int, Estimate> te_drop;  ///< TE of each single layer under the `drop` mask, nats
  std::map<int, Estimate> te_identity;
  std::map<int, double> kl_drop;  ///< mean KL divergence after dropping each single layer, nats
  std::map<int, double> feature_error_drop;
  std::map<int, Estimate>
      absorbed;  ///< score of each single layer under the absorbed criterion; may be empty
  std::vector<std::vector<double>> interaction;  ///< w_ij of signed dH, nats; empty if not measured
  std::vector<SetResult> sets;                   ///< the chosen set first, then runners-up
  std::vector<SetResult>
      other_criterion;  ///< the best sets under the criterion that did not decide; may be empty
  std::vector<int> chosen;
  int64_t block_evaluations = 0;  ///< evaluations of one block on one batch; shared prefixes count once
  int64_t brute_force_block_evaluations = 0;  ///< the number that scoring one set at a time would have needed
  int64_t floored_channels = 0;  ///< number of (nearly) constant channels whose sigma was raised to the floor
  std::map<std::string, std::vector<double>>
      other_estimator;  ///< entropies under the other estimator: "attention", "mlp"
  Spectrum spectrum;
};

/// The changes to make to a model, chosen by `select` or by the user.
struct CompressionPlan {
  std::vector<int> remove_attention;  ///< ascending
  std::string reason;                 ///< "absorbed, beam", "named", "random 3", ...
};

/// Counts of the labelled pixels of one image for one class.
struct ClassPixels {
  int64_t class_index = 0;
  int64_t labelled = 0, predicted = 0, both = 0;
  bool operator==(const ClassPixels&) const = default;
};

/// An image with its labelled and its predicted mask.
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
  std::vector<double> class_iou;         ///< per class; NaN if the class does not occur
  std::vector<std::string> class_names;  ///< may be empty
  std::vector<std::vector<ClassPixels>>
      images;  ///< per image, in the data set's order, the classes that occur in it; for paired comparisons
  std::vector<SegmentedPicture> pictures;  ///< a few images with their masks
};

/// How well a model's nearest neighbours agree with those of a reference model. Every image is a query among
/// all others; the similarity is the cosine of features.
struct RetrievalFigures {
  std::string reference;   ///< the model whose neighbours count as right
  int64_t neighbours = 0;  ///< how many of the reference's nearest neighbours count as right
  double recall =
      0;  ///< recall at `neighbours`: mean share of the right ones among as many neighbours of the model
  std::pair<double, double> recall_ci95{0, 0};  ///< percentile bootstrap over queries, as for precision_ci95
  double mean_average_precision = 0;  ///< mean average precision of the model's ranking of all other images
  std::pair<double, double> precision_ci95{0, 0};
};

/// How much features changed: the cosine of an image's features before and after.
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
  double top1 = 0;  ///< a fraction, from 0 to 1
  double top5 = 0;
  std::pair<double, double> top1_ci95{0, 0};  ///< Wilson interval
  std::vector<uint8_t> correct;  ///< 1 for each image whose top-1 prediction is right, else 0, in the data
                                 ///< set's order; for paired comparisons
  /// Figures of a model for segmentation, which has none of the four members above.
  std::optional<SegmentationFigures> segmentation;
  /// How features were evaluated without a classifier: "20 nearest neighbours", "linear probe" or "retrieval"
  /// (then top1 and top5 are how often the reference's nearest neighbour is the first, or among the first
  /// five). Empty: the classifier was used.
  std::string protocol;
  std::string gallery;  ///< the labelled images that the protocol uses as reference; empty for retrieval
  std::optional<RetrievalFigures> retrieval;

  /// The main figure of a model of this task, its interval and its name.
  double headline() const { return segmentation ? segmentation->miou : top1; }
  std::pair<double, double> headline_ci95() const {
    return segmentation ? segmentation->miou_ci95 : top1_ci95;
  }
  const char* headline_name() const { return segmentation ? "mIoU" : "top-1"; }
};

/// Two models on the same images.
struct PairedResult {
  double difference = 0;  ///< top1(second) - top1(first); for segmentation, mIoU(second) - mIoU(first)
  std::pair<double, double> ci95{0, 0};  ///< paired bootstrap
  double mcnemar_p = 1;  ///< exact, two-sided; NaN for segmentation, where figures count pixels
};

/// One control: another set of layers, treated like the main result, and its accuracy.
struct ControlResult {
  std::string name;  ///< "random 1", "first-k", "te", ...
  std::vector<int> layers;
  EvalResult eval;
  PairedResult paired;     ///< against the dense model
  double held_out_kl = 0;  ///< mean KL divergence on calibration images held out from the fit, nats
};

/// Parameters and MACs of one block.
struct BlockCost {
  int64_t params = 0, macs = 0;                      ///< of the whole block
  int64_t attention_params = 0, attention_macs = 0;  ///< of norm1, attention and its layer scale
  bool operator==(const BlockCost&) const = default;
};

/// An image, and the token that each of its patches was merged into.
struct MergedPicture {
  std::string name;
  std::string image;           ///< data URL
  std::vector<int64_t> place;  ///< [patches], row by row: index of the final token that represents the patch,
                               ///< counting prefix tokens
  bool operator==(const MergedPicture&) const = default;
};

/// How many times faster the compressed model is than the dense one on this machine, measured interleaved.
struct MeasuredSpeed {
  std::string engine;
  int64_t batch = 0, threads = 0;
  double speedup = 1, speedup_p10 = 1, speedup_p90 = 1;
};

/// How `vitrim quantize` treated one linear layer of a block.
struct QuantizedLayer {
  std::string name;          ///< prefix of its parameters, such as "blocks.0.attn.qkv"
  bool int8 = true;          ///< false: the layer stays float because of --keep or --budget-kl
  int weight_bits = 8;       ///< bits of an int8 layer's weights: 8, or 4 in groups of 32
  double weight_error = 0;   ///< relative error ||W - scale q||_F / ||W||_F, where W is the equalised,
                             ///< refitted weight; 0 if the layer is float
  double alpha = 0;          ///< exponent of the equalisation of its input channels; 0: not equalised
  bool refitted = false;     ///< the weight was refitted in closed form on quantised inputs
  std::optional<double> kl;  ///< mean KL divergence from the float model on held-out images, in nats, if only
                             ///< this layer is int8
  int64_t bytes = 0;         ///< bytes of its weight and scales as written to the file
  bool operator==(const QuantizedLayer&) const = default;
};

/// The result of quantisation. Without calibration, the figures on held-out images are 0.
struct QuantizationFigures {
  std::vector<QuantizedLayer> layers;
  int64_t bytes_before = 0,
          bytes_after = 0;  ///< bytes of all parameters as float32, and as written to the file
  int64_t fit_images = 0, held_out_images = 0;
  double kl = 0, agreement = 0;  ///< on held-out images: mean KL divergence from the float model in nats, and
                                 ///< share of equal predictions
  double plain_kl = 0, plain_agreement = 0;  ///< the same for the model quantised without calibration
  std::optional<double> budget_kl;           ///< the budget for the mean KL divergence, nats
  bool operator==(const QuantizationFigures&) const = default;
};

/// The complete result of `vitrim compress`, `prune --few-shot`, `merge` or `quantize`.
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
  double held_out_kl =
      0;  ///< mean KL divergence from the dense model in nats, on calibration images held out from the fit
  double held_out_agreement = 0;  ///< share of those images on which both models predict the same class
  std::vector<std::pair<std::string, double>> seconds;  ///< per phase, in order
  std::optional<LayerScores> scores;
  Spectrum compressed_spectrum;
  std::vector<ControlResult> controls;
  std::vector<MergedPicture> pictures;
  std::optional<MeasuredSpeed> speed;
  std::optional<QuantizationFigures> quantization;
  std::optional<FeatureFigures> features;  ///< compressed against dense model, on the images of held_out_kl
};

}  // namespace vitrim
