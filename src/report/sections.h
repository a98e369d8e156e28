#pragma once
// The sections of the page, in order. A section adds nothing if the documents have no data for it.

#include <string>

#include "report/html.h"
#include "report/inputs.h"

namespace vitrim::report {

/// A summary with one sentence per document, and the key figures as cards (HTML, below the page's title).
std::string head_html(const Inputs& inputs);
/// The same for pages on training runs.
std::string training_head(const Inputs& inputs);
/// Several compressions side by side.
void comparison_section(Page& page, const Inputs& inputs);
/// Curves of all runs in one figure, and a table of them if there are several.
void training_section(Page& page, const Inputs& inputs);
/// The entropy of attention and MLPs while lambda falls, for each run.
void flow_section(Page& page, const Inputs& inputs);
void model_section(Page& page, const Inputs& inputs);
/// Tokens per block, and images that show the merged tokens.
void merge_section(Page& page, const Inputs& inputs);
/// Which linear layers are int8, and the cost of each.
void quantization_section(Page& page, const Inputs& inputs);
/// The Pareto front of a plan, and the accuracy of predicted latencies.
void plan_section(Page& page, const Inputs& inputs);
/// The accuracy of segmentation for each class, and images with their masks.
void segmentation_section(Page& page, const Inputs& inputs);
void bench_section(Page& page, const Inputs& inputs);
/// Accuracy against speed: the rows of bench, joined with evals, and other programs' models.
void latency_section(Page& page, const Inputs& inputs);
void entropy_section(Page& page, const Inputs& inputs);
void transfer_section(Page& page, const Inputs& inputs);
void interaction_section(Page& page, const Inputs& inputs);
void sets_section(Page& page, const Inputs& inputs);
void accuracy_section(Page& page, const Inputs& inputs);
void spectrum_section(Page& page, const Inputs& inputs);
void time_section(Page& page, const Inputs& inputs);
void manifest_section(Page& page, const Inputs& inputs);

/// The seconds of all phases of a compression together.
double total_seconds(const CompressResult& result);
/// The number of blocks that are narrower than before for other reasons than removed attention.
size_t pruned_blocks(const CompressResult& result);
/// "Chosen by: REASON.", with an explanation of APMA if it chose; empty without a reason.
std::string chosen_by(const std::string& reason);
/// An explanation of APMA if `reason` names it; else empty.
std::string about_apma(const std::string& reason);
/// "te" and "absorbed" as readable text.
std::string criterion_name(const std::string& criterion);
/// The criterion that `scores` did not use.
std::string other_criterion_name(const LayerScores& scores);

}  // namespace vitrim::report
