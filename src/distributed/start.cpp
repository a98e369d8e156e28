#include <arpa/inet.h>
#include <c10/util/Logging.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "distributed/group_impl.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"

namespace vitrim::distributed {
namespace {

std::optional<std::string> get_variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

// c10d prints its own warnings and stack traces to standard error; their contents arrive here as an
// exception.
void silence_c10d() {
  if (!get_variable("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
}

std::string in_use(int port) {
  return "rank 0 can't listen on port " + std::to_string(port) +
         ": another program uses it; set MASTER_PORT (torchrun: --master-port) to another";
}

// A socket that only this machine can reach. By default, the store listens on every network.
int listen_on_loopback(int port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (descriptor >= 0 && setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
      bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      listen(descriptor, SOMAXCONN) == 0) {
    return descriptor;
  }
  const int code = errno;
  if (descriptor >= 0) close(descriptor);
  if (code == EADDRINUSE) throw Error(in_use(port));
  throw Error("rank 0 can't listen on port " + std::to_string(port) + ": " + std::strerror(code));
}

c10::intrusive_ptr<c10d::Store> open_store(const Rendezvous& rendezvous, std::chrono::milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(rendezvous.port);
  options.isServer = rendezvous.rank == 0 && !rendezvous.store_is_up;
  options.numWorkers = static_cast<size_t>(rendezvous.size);
  options.timeout = timeout;
  std::string host = rendezvous.host;
  if (is_loopback(host) && !rendezvous.store_is_up) {
    host = "127.0.0.1";
    if (options.isServer) options.masterListenFd = listen_on_loopback(rendezvous.port);
  }
  c10::intrusive_ptr<c10d::Store> store = c10::make_intrusive<c10d::TCPStore>(host, options);
  if (!rendezvous.store_prefix.empty())
    store = c10::make_intrusive<c10d::PrefixStore>(rendezvous.store_prefix, store);
  return store;
}

std::unique_ptr<Group::Impl> join(const Rendezvous& rendezvous, const Options& options) {
  const std::chrono::milliseconds timeout = std::chrono::seconds(options.timeout_seconds);
  auto impl = std::make_unique<Group::Impl>();
  impl->rendezvous = rendezvous;
  impl->store = open_store(rendezvous, timeout);
  impl->group = c10::make_intrusive<c10d::ProcessGroup>(impl->store, rendezvous.rank, rendezvous.size);
  BackendOptions backend{c10::make_intrusive<c10d::PrefixStore>("gloo", impl->store), rendezvous, timeout};
  impl->group->setBackend(at::kCPU, c10d::ProcessGroup::GLOO, make_gloo_backend(backend));
  if (options.cuda) {
    backend.store = c10::make_intrusive<c10d::PrefixStore>("nccl", impl->store);
    impl->group->setBackend(at::kCUDA, c10d::ProcessGroup::NCCL, make_nccl_backend(backend));
  }
  impl->group->setDefaultBackend(options.cuda ? c10d::ProcessGroup::NCCL : c10d::ProcessGroup::GLOO);
  impl->group->setGroupName("vitrim");
  const c10::intrusive_ptr<c10d::Store> own =
      impl->store->clone();  // a separate connection for the watching thread
  own->setTimeout(timeout);
  impl->watch = std::make_unique<Watch>(c10::make_intrusive<c10d::PrefixStore>("watch", own), rendezvous.rank,
                                        rendezvous.size, timeout);
  return impl;
}

}  // namespace

std::shared_ptr<Group> start(const Options& options) {
  if (options.timeout_seconds < 1)
    throw std::invalid_argument("[distributed::start] timeout_seconds must be at least 1");
  const Rendezvous rendezvous = rendezvous_from_environment(get_variable);
  if (rendezvous.size == 1) return std::make_shared<Group>();
  silence_c10d();
  try {
    return std::make_shared<Group>(join(rendezvous, options));
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    check_cancelled();
    const std::string what = error.what();
    if (what.find("EADDRINUSE") != std::string::npos) throw Error(in_use(rendezvous.port));
    throw Error("rank " + std::to_string(rendezvous.rank) + " of " + std::to_string(rendezvous.size) +
                " could not join the others at " + rendezvous.host + ":" + std::to_string(rendezvous.port) +
                " within " + std::to_string(options.timeout_seconds) + " s (" +
                what.substr(0, what.find('\n')) +
                "); were all ranks started, with the same MASTER_ADDR and MASTER_PORT?");
  }
}

}  // namespace vitrim::distributed
