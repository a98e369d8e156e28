#include "distributed/group_impl.h"
#include "vitrim/core/error.h"

namespace vitrim::distributed {

c10::intrusive_ptr<c10d::Backend> make_gloo_backend(const BackendOptions&) {
  throw Error(
      "this vitrim was built without Gloo's headers, so it can't run in several processes; install "
      "libgloo-dev and build it again");
}

}  // namespace vitrim::distributed
