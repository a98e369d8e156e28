#pragma once
// Which layers, how many and how chosen: reads a user's text ("0,1,3", "3", "25%") and writes text for users.

#include <string>
#include <string_view>
#include <vector>

namespace vitrim {

/// "0,1,3" to {0, 1, 3}, sorted. Throws std::invalid_argument on anything else, on repeated indices, and on
/// an index that is not below `num_layers`.
std::vector<int> parse_layer_list(std::string_view text, int num_layers);
/// "3" to 3, "25%" to the nearest whole number of `num_layers` (40 % of 12 is 5; halves round up). Throws
/// std::invalid_argument on anything else or on more layers than there are.
int parse_layer_count(std::string_view text, int num_layers);
/// {0, 1, 3} to "0,1,3".
std::string format_layer_list(const std::vector<int>& layers);
/// How layers were chosen, as a user reads it: "absorbed, beam" (criterion and search, as results store them)
/// to "criterion absorbed, beam search". What follows "; " and any other text stay as they are.
std::string format_choice(const std::string& reason);

}  // namespace vitrim
