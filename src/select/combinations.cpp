#include "select/combinations.h"

#include <algorithm>
#include <limits>

namespace vitrim::select {

int64_t combinations(int total, int count, int64_t cap) {
  if (count < 0 || count > total) return 0;
  count = std::min(count, total - count);
  int64_t ways = 1;
  for (int i = 1; i <= count; ++i) {
    // The value is always an integer and never smaller than in the previous step, so the loop can stop at the
    // cap.
    const int64_t factor = total - count + i;
    if (ways > std::numeric_limits<int64_t>::max() / factor) return cap;
    ways = ways * factor / i;
    if (ways >= cap) return cap;
  }
  return std::min(ways, cap);
}

}  // namespace vitrim::select
