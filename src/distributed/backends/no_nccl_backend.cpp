#include "distributed/group_impl.h"
#include "vitrim/core/error.h"

namespace vitrim::distributed {

c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const BackendOptions&) {
  throw Error(
      "this vitrim was built without NCCL, so it can't run on several GPUs; build it with a CUDA LibTorch "
      "and NCCL's headers");
}

}  // namespace vitrim::distributed
