#include <c10/cuda/CUDAFunctions.h>

#include <cstdlib>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "distributed/group_impl.h"
#include "vitrim/core/error.h"

namespace vitrim::distributed {

c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const BackendOptions& options) {
  const int gpus = c10::cuda::device_count();
  if (options.rendezvous.local_rank >= gpus) {
    throw Error("this machine has " + std::to_string(gpus) + " GPUs, but " +
                std::to_string(options.rendezvous.local_rank + 1) +
                " ranks or more were started on it; start one rank a GPU");
  }
  c10::cuda::set_device(static_cast<c10::DeviceIndex>(options.rendezvous.local_rank));
  // NCCL's watchdog would abort the process if a rank is lost; a blocking wait throws instead.
  setenv("TORCH_NCCL_BLOCKING_WAIT", "1", 0);
  auto nccl = c10d::ProcessGroupNCCL::Options::create();
  nccl->timeout = options.timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(options.store, options.rendezvous.rank,
                                                     options.rendezvous.size, nccl);
}

}  // namespace vitrim::distributed
