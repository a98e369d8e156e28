#pragma once
// The sections of the page, in its order. Each adds nothing where the documents hold nothing for it.

#include <string>

#include "report/html.h"
#include "report/inputs.h"

namespace vitrim::report {

/// What was done in one sentence a document, and the key figures as cards (HTML, stands under the page's
/// title).
std::string head_html(const Inputs& inputs);
/// The same for pages on training runs.
std::string training_head(const Inputs& inputs);
/// Several compressions side by side.
void comparison_section(Page& page, const Inputs& inputs);
/// Curves of all runs in one figure, a table of them where there are several.
void training_section(Page& page, const Inputs& inputs);
/// How entropy moves between attention and MLP while lambda falls, run by run.
void flow_section(Page& page, const Inputs& inputs);
void model_section(Page& page, const Inputs& inputs);
/// Tokens by block, and images with what was merged.
void merge_section(Page& page, const Inputs& inputs);
/// Which linear layers are int8 and what that costs each.
void quantization_section(Page& page, const Inputs& inputs);
/// The Pareto front of a plan, and how well latencies add up.
void plan_section(Page& page, const Inputs& inputs);
/// How well pixels are labelled, class by class, and images with their masks.
void segmentation_section(Page& page, const Inputs& inputs);
void bench_section(Page& page, const Inputs& inputs);
/// Accuracy against speed: what bench timed, joined with what was evaluated, and other programs' models.
void latency_section(Page& page, const Inputs& inputs);
void entropy_section(Page& page, const Inputs& inputs);
void transfer_section(Page& page, const Inputs& inputs);
void interaction_section(Page& page, const Inputs& inputs);
void sets_section(Page& page, const Inputs& inputs);
void accuracy_section(Page& page, const Inputs& inputs);
void spectrum_section(Page& page, const Inputs& inputs);
void time_section(Page& page, const Inputs& inputs);
void manifest_section(Page& page, const Inputs& inputs);

/// All phases of a compression together.
double total_seconds(const CompressResult& result);
/// Blocks that are narrower than they were, and not for having lost their attention.
size_t pruned_blocks(const CompressResult& result);
/// "Chosen by: REASON.", and where APMA chose, what it is; empty without a reason.
std::string chosen_by(const std::string& reason);
/// What APMA is here, where `reason` names it; else empty.
std::string about_apma(const std::string& reason);
/// "te" and "absorbed" for people.
std::string criterion_name(const std::string& criterion);
/// The criterion that `scores` did not use.
std::string other_criterion_name(const LayerScores& scores);

}  // namespace vitrim::report
