#include <cstdlib>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "distributed/group_impl.h"

namespace vitrim::distributed {

c10::intrusive_ptr<c10d::Backend> make_gloo_backend(const BackendOptions& options) {
  using Gloo = c10d::ProcessGroupGloo;
  auto gloo = Gloo::Options::create(options.timeout);
  // Without a network, or with one that blocks the machine's own address, ranks of one machine still reach
  // one another over the loopback.
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  if (interface != nullptr && *interface != '\0') {
    gloo->devices.push_back(Gloo::createDeviceForInterface(interface));
  } else if (is_loopback(options.rendezvous.host)) {
    gloo->devices.push_back(Gloo::createDeviceForHostname("127.0.0.1"));
  } else {
    gloo->devices.push_back(Gloo::createDefaultDevice());
  }
  return c10::make_intrusive<Gloo>(options.store, options.rendezvous.rank, options.rendezvous.size, gloo);
}

}  // namespace vitrim::distributed
