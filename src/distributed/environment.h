#pragma once
// Determines the job and the rank of this process from the environment.

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vitrim::distributed {

struct Rendezvous {
  int rank = 0, size = 1, local_rank = 0;
  std::string host;  ///< the host where rank 0 listens
  int port = 0;
  bool store_is_up = false;  ///< torchrun's agent already listens there, so rank 0 must not
  std::string store_prefix;  ///< prefix of the keys, for workers that torchrun restarts
};

using GetVariable = std::function<std::optional<std::string>(const char* name)>;

/// See start(). Throws vitrim::Error.
Rendezvous rendezvous_from_environment(const GetVariable& get);

/// The first host of a Slurm node list: "gpu[03-05,9],login" is "gpu03". Throws vitrim::Error.
std::string first_slurm_host(const std::string& list);

/// "localhost", "127.0.0.1" and the like.
bool is_loopback(const std::string& host);

}  // namespace vitrim::distributed
