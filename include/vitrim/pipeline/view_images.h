#pragma once
// Loads the calibration images of compress(), and prepares random views of them for the steps after
// absorption.

#include <cstdint>
#include <memory>

#include "vitrim/data/loader.h"
#include "vitrim/pipeline/compress.h"

namespace vitrim::pipeline {

/// The steps after absorption that use views, and how the views are made.
struct ViewSettings {
  int64_t passes = 0;          ///< passes of refine() over views
  int64_t distill_epochs = 0;  ///< largest number of passes of distill() over views
  double rate = 1e-3;          ///< learning rate of refine()
  double distill_rate = 2e-5;  ///< learning rate of distill()
  double scale = 0.35;         ///< smallest share of an image's area in a view
  double colour = 0;           ///< largest relative change of brightness, contrast and saturation
  double memory_gib = 3;       ///< memory for images and their activations in GiB
};

/// Loads as many of `images` images of `dataset` (0: of all), spread over it, as fit into memory; the others
/// are used only in views. `load` describes how they are prepared; its indices are set here. Sets what
/// `options` needs for views; its absorb options must be set before. Throws as data::load_images() does.
data::ImageBatch load_with_views(const std::shared_ptr<const data::Dataset>& dataset, int64_t images,
                                 data::LoadOptions load, const ViewSettings& views, uint64_t seed,
                                 const ModelSpec& spec, CompressOptions& options);

}  // namespace vitrim::pipeline
