#include "vitrim/distributed/agree.h"

#include <sstream>
#include <vector>

#include "vitrim/core/error.h"

namespace vitrim::distributed {

void check_alike(Group& group, const std::string& lines) {
  const std::vector<std::string> all = group.all_gather(lines);
  for (size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    std::istringstream first(all[0]), other(all[rank]);
    std::string a, b;
    do {
      if (!std::getline(first, a)) a = "nothing more";
      if (!std::getline(other, b)) b = "nothing more";
    } while (a == b && first);
    group.barrier();  // every rank has all data before the first of them exits
    throw Error("rank 0 was started with \"" + a + "\", rank " + std::to_string(rank) + " with \"" + b +
                "\"; start all ranks with the same command");
  }
}

}  // namespace vitrim::distributed
