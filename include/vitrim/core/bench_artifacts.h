#pragma once
// The results of `vitrim bench`.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim {

/// One entry at one batch size.
struct BenchRow {
  std::string name;  ///< "native, compressed.safetensors"
  std::string model;
  std::string engine;     ///< "native" or "libtorch"
  std::string precision;  ///< "f32" or "bf16"
  std::string isa;        ///< instruction set of the native engine: "avx512_bf16"; empty for LibTorch
  int64_t batch = 0;
  int64_t params = 0, macs = 0;
  int64_t rounds = 0;
  double latency = 0, latency_p10 = 0,
         latency_p90 = 0;        ///< seconds per call: median, 10th and 90th percentile
  double images_per_second = 0;  ///< batch / latency
  double tflops = 0;  ///< twice the computed multiply-adds per second, in 1e12 (the native engine skips what
                      ///< the classifier does not read)
  double share_of_peak = 0;
  double speedup = 1, speedup_p10 = 1,
         speedup_p90 = 1;  ///< time of the first entry at this batch size divided by this entry's, round by
                           ///< round: median, 10th and 90th percentile
  double predicted = 1;    ///< the same ratio of MACs
  int64_t weight_bytes = 0,
          work_bytes = 0;  ///< memory of the native engine; 0 for LibTorch, where it is not counted
};

struct BenchResult {
  Manifest manifest;
  std::string device;  ///< "cpu" or "cuda"
  int64_t threads = 0;
  double tile_peak = 0;          ///< TFLOP/s of the engine's product loop on cached operands
  double byte_peak = 0;          ///< the same for products of bytes; 0: no entry has int8 layers
  double library_peak = 0;       ///< TFLOP/s of the best single matrix product of LibTorch's libraries
  double output_difference = 0;  ///< largest difference of an entry's outputs from its model's float32
                                 ///< LibTorch outputs, ||got - wanted|| / ||wanted||
  int64_t peak_memory = 0;       ///< peak memory of the process, bytes
  std::vector<BenchRow> rows;
};

/// A result of another program, as the user states it.
struct PeerRow {
  std::string name;  ///< "OpenVINO, int8"
  int64_t batch = 1;
  double images_per_second = 0;
  double accuracy = 0;  ///< a fraction, on the same images as the results that it is drawn with
  std::optional<std::pair<double, double>> accuracy_ci95;
};

struct PeerResults {
  std::vector<PeerRow> rows;
};

std::string to_json(const PeerResults& peers);
/// Throws FormatError as the other readers do, and if a batch or speed is not positive or an accuracy is not
/// a fraction.
PeerResults peer_results_from_json(std::string_view json, const std::string& source);

std::string to_json(const BenchResult& result);
BenchResult bench_result_from_json(std::string_view json, const std::string& source);

}  // namespace vitrim
