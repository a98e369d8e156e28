#include <cmath>

#include "report/sections.h"

namespace vitrim::report {

double total_seconds(const CompressResult& result) {
  double total = 0;
  for (const auto& phase : result.seconds) total += phase.second;
  return total;
}

std::string about_apma(const std::string& reason) {
  return reason.find("apma") == std::string::npos
             ? ""
             : "APMA is reconstructed here: only the abstract of its paper (arXiv 2405.20867) was available.";
}

std::string chosen_by(const std::string& reason) {
  const std::string about = about_apma(reason);
  return reason.empty() ? "" : "Chosen by: " + reason + "." + (about.empty() ? "" : " " + about);
}

size_t pruned_blocks(const CompressResult& result) {
  size_t pruned = 0;
  for (size_t i = 0; i < result.dense_spec.blocks.size() && i < result.compressed_spec.blocks.size(); ++i) {
    const BlockSpec &before = result.dense_spec.blocks[i], &after = result.compressed_spec.blocks[i];
    const bool attention =
        after.attention != AttentionKind::kNone &&
        ((after.qk_dim < before.qk_dim && after.attention == before.attention) || after.v_dim < before.v_dim);
    pruned += attention || after.mlp_dim < before.mlp_dim;
  }
  return pruned;
}

namespace {

std::string count(size_t n, const char* one, const char* many) {
  return std::to_string(n) + " " + (n == 1 ? one : many);
}

int attention_layers(const ModelSpec& spec) {
  int layers = 0;
  for (const BlockSpec& block : spec.blocks) layers += block.attention != AttentionKind::kNone;
  return layers;
}

std::string sentence(const CompressResult& result) {
  const size_t pruned = pruned_blocks(result);
  const std::vector<int> fixed = result.compressed_spec.layers_made_static(result.dense_spec);
  std::string text;
  if (!result.removed.empty()) {
    text = std::to_string(result.removed.size()) + " of " +
           count(attention_layers(result.dense_spec), "attention layer", "attention layers") +
           " removed: " + layer_names(result.removed) + ".";
  } else if (pruned == 0 && !result.compressed_spec.merges() && fixed.empty()) {
    return "No attention layer removed.";
  }
  if (!fixed.empty())
    text += std::string(text.empty() ? "" : " ") + "Attention made static: " + layer_names(fixed) + ".";
  if (pruned > 0)
    text +=
        std::string(text.empty() ? "" : " ") + "Channels pruned in " + count(pruned, "block", "blocks") + ".";
  if (result.compressed_spec.merges()) {
    const ModelSpec& spec = result.compressed_spec;
    const int last = static_cast<int>(spec.blocks.size()) - 1;
    text += std::string(text.empty() ? "" : " ") + "Tokens merged: " + std::to_string(spec.num_tokens()) +
            " become " + std::to_string(spec.mlp_tokens(last)) + ".";
  }
  return text;
}

std::vector<Card> compress_cards(const CompressResult& result) {
  std::vector<Card> cards;
  cards.push_back(
      {"Parameters", compact(static_cast<double>(result.compressed_params)),
       "from " + compact(static_cast<double>(result.dense_params)) + ", " +
           change(static_cast<double>(result.dense_params), static_cast<double>(result.compressed_params))});
  cards.push_back(
      {"MACs per image", compact(static_cast<double>(result.compressed_macs)),
       "from " + compact(static_cast<double>(result.dense_macs)) + ", " +
           change(static_cast<double>(result.dense_macs), static_cast<double>(result.compressed_macs))});
  if (result.compressed) {
    std::string note = "95 % interval " + interval(result.compressed->headline_ci95());
    if (result.dense)
      note += "; dense " + percent(result.dense->headline()) + " " + interval(result.dense->headline_ci95());
    cards.push_back({metric_name(*result.compressed), percent(result.compressed->headline()), note});
  }
  if (result.paired) {
    const std::string what = result.compressed ? result.compressed->headline_name() : "top-1";
    const bool tested = !std::isnan(result.paired->mcnemar_p);
    cards.push_back({"Change in " + what, signed_fixed(100 * result.paired->difference, 1) + " points",
                     "95 % interval " + interval(result.paired->ci95) +
                         (tested ? "; McNemar " + p_value(result.paired->mcnemar_p) : "")});
  }
  // A measured value is never zero, because some image always changes a little.
  if (result.held_out_kl != 0 || result.held_out_agreement != 0) {
    const std::string kl = "mean KL to the dense output " + significant(result.held_out_kl) + " nats";
    if (result.held_out_agreement > 0) {
      cards.push_back(
          {"Same prediction as dense", percent(result.held_out_agreement),
           (result.features ? "of " + std::to_string(result.features->images) + " held-out images; "
                            : std::string("of held-out images; ")) +
               kl});
    } else {
      cards.push_back({"Change of the output", significant(result.held_out_kl) + " nats",
                       "mean KL to the unmerged output on calibration images"});
    }
  }
  if (result.speed) {
    cards.push_back({"Measured speed", fixed(result.speed->speedup, 2) + "\u00d7",
                     "10th to 90th percentile " + fixed(result.speed->speedup_p10, 2) + " to " +
                         fixed(result.speed->speedup_p90, 2) + "; batch " +
                         std::to_string(result.speed->batch) + ", " + result.speed->engine + " engine"});
  }
  if (!result.seconds.empty())
    cards.push_back({"Time", duration(total_seconds(result)), "for the whole run, all phases"});
  return cards;
}

std::string scores_sentence(const LayerScores& scores) {
  if (scores.chosen.empty()) return "Information carried by the attention layers, measured.";
  return "Of " + std::to_string(scores.attention_entropy.size()) + " blocks, the attention of " +
         layer_names(scores.chosen) + " matters least to the output.";
}

std::vector<Card> scores_cards(const LayerScores& scores) {
  std::vector<Card> cards;
  if (!scores.sets.empty()) {
    const SetResult& best = scores.sets.front();
    cards.push_back({"Transfer entropy of the set", with_error(best.te) + " nats",
                     "with its standard error over resampled images"});
    cards.push_back(
        {"Chosen again", percent(best.chosen_fraction, 0), "of resamples of the images pick the same set"});
  }
  if (scores.images > 0)
    cards.push_back({"Images", std::to_string(scores.images), "unlabelled, for the measurement"});
  if (scores.block_evaluations > 0) {
    std::string note = "of one batch each";
    if (scores.brute_force_block_evaluations > 0) {
      note += "; one set at a time would take " +
              compact(static_cast<double>(scores.brute_force_block_evaluations));
    }
    cards.push_back({"Block evaluations", compact(static_cast<double>(scores.block_evaluations)), note});
  }
  return cards;
}

}  // namespace

std::string criterion_name(const std::string& criterion) {
  if (criterion == "te") return "transfer entropy";
  if (criterion == "absorbed") return "score after absorption";
  return criterion.empty() ? "score" : criterion;
}

std::string other_criterion_name(const LayerScores& scores) {
  return criterion_name(scores.criterion == "te"         ? "absorbed"
                        : scores.criterion == "absorbed" ? "te"
                                                         : "other criterion");
}

std::string head_html(const Inputs& inputs) {
  std::string out;
  if (!inputs.trainings.empty() && inputs.compresses.empty()) return training_head(inputs);
  if (inputs.compresses.size() == 1) {
    const CompressResult& result = inputs.compresses.front().value;
    out += "<p class=\"lede\">" + escape(sentence(result)) + "</p><p class=\"context\">";
    out += escape((result.model.empty() ? "" : "Model " + result.model + ". ") + chosen_by(result.reason));
    out += "</p>" + cards_html(compress_cards(result));
    if (!inputs.trainings.empty())
      out += "<p class=\"context\">Also shown: " +
             count(inputs.trainings.size(), "training run", "training runs") + ".</p>";
  } else if (inputs.compresses.size() > 1) {
    out += "<p class=\"lede\">" + std::to_string(inputs.compresses.size()) + " compressions" +
           (inputs.trainings.empty()
                ? ""
                : " and " + count(inputs.trainings.size(), "training run", "training runs")) +
           " compared.</p>";
  } else if (!inputs.scores.empty()) {
    for (const auto& item : inputs.scores) {
      out += "<p class=\"lede\">" +
             escape((item.label.empty() ? "" : item.label + ": ") + scores_sentence(item.value)) + "</p>";
    }
    const LayerScores& first = inputs.scores.front().value;
    if (inputs.scores.size() == 1) {
      out += "<p class=\"context\">" +
             escape((first.model.empty() ? "" : "Model " + first.model + ". ") + "Sets ranked by " +
                    criterion_name(first.criterion) + ", " +
                    (first.search.empty() ? "" : first.search + " search, ") + "mask \u201c" + first.mask +
                    "\u201d, estimator \u201c" + first.estimator + "\u201d.") +
             "</p>" + cards_html(scores_cards(first));
    }
  } else if (!inputs.plans.empty()) {
    for (const auto& item : inputs.plans) {
      const PlanResult& plan = item.value;
      out += "<p class=\"lede\">" +
             escape((item.label.empty() ? "" : item.label + ": ") + std::to_string(plan.within) + " of " +
                    std::to_string(plan.candidates) + " candidates are within the budget.") +
             "</p>";
    }
  } else if (!inputs.benches.empty()) {
    for (const auto& item : inputs.benches) {
      const BenchRow* best = nullptr;
      for (const BenchRow& row : item.value.rows)
        best = best == nullptr || row.speedup > best->speedup ? &row : best;
      if (best == nullptr) continue;
      out += "<p class=\"lede\">" +
             escape((item.label.empty() ? "" : item.label + ": ") + best->name + " is " +
                    fixed(best->speedup, 2) + " times as fast as " + item.value.rows.front().name +
                    " at batch " + std::to_string(best->batch) + ".") +
             "</p>";
    }
  } else if (inputs.evals.size() == 1) {
    const EvalResult& eval = inputs.evals.front().value;
    out +=
        "<p class=\"lede\">" +
        escape(metric_name(eval) + " " + percent(eval.headline()) + " on " + std::to_string(eval.images) +
               " images.") +
        "</p><p class=\"context\">" + escape("Model " + eval.model + ", images " + eval.data + ".") + "</p>" +
        cards_html(
            {{metric_name(eval), percent(eval.headline()), "95 % interval " + interval(eval.headline_ci95())},
             eval.segmentation ? Card{"Pixel accuracy", percent(eval.segmentation->pixel_accuracy), ""}
                               : Card{"Top-5 accuracy", percent(eval.top5), ""},
             {"Parameters", compact(static_cast<double>(eval.params)), ""},
             {"MACs per image", compact(static_cast<double>(eval.macs)), ""}});
  } else {
    out += "<p class=\"lede\">" + std::to_string(inputs.evals.size()) + " models compared.</p>";
  }
  return out;
}

}  // namespace vitrim::report
