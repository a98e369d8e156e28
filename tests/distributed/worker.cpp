// One rank of distributed_test.py: `distributed_worker MODE`. Ends like vitrim does: 0, or 1 with a sentence
// on standard error.

#include <ATen/ATen.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <map>
#include <stdexcept>
#include <thread>

#include "vitrim/core/error.h"
#include "vitrim/distributed/gradient_reducer.h"
#include "vitrim/distributed/group.h"

namespace {

using vitrim::distributed::GradientReducer;
using vitrim::distributed::Group;

void expect(bool holds, const char* what) {
  if (!holds) throw std::logic_error(std::string("does not hold: ") + what);
}

void collectives(const std::shared_ptr<Group>& group) {
  const int rank = group->rank(), size = group->size();
  const double ranks = size * (size - 1) / 2.0;
  expect(size > 1, "several ranks");
  group->barrier();
  // Small whole numbers: every sum is exact in every dtype, whatever the order.
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kLong}) {
    const at::Tensor mine = at::arange(1000).to(dtype) * (rank + 1);
    group->all_reduce(mine);
    expect(mine.equal(at::arange(1000).to(dtype) * (ranks + size)), "sum");
  }
  group->all_reduce(at::empty({0}));
  const at::Tensor first = at::full({2, 3}, rank), second = at::full({3, 2}, rank, at::kDouble).t(),
                   third = at::full({1}, rank);
  group->all_reduce(std::vector<at::Tensor>{first, second, third});
  expect(first.eq(ranks).all().item<bool>() && second.eq(ranks).all().item<bool>() &&
             third.eq(ranks).all().item<bool>(),
         "sum of many");

  at::Tensor handed = at::full({5}, rank);
  group->broadcast(handed, size - 1);
  expect(handed.eq(size - 1).all().item<bool>(), "broadcast");

  const std::vector<std::string> all =
      group->all_gather(std::string(static_cast<size_t>(rank) * 1000, static_cast<char>('a' + rank)));
  expect(all.size() == static_cast<size_t>(size), "one string a rank");
  for (size_t i = 0; i < all.size(); ++i)
    expect(all[i] == std::string(i * 1000, static_cast<char>('a' + i)), "gathered bytes");
  expect(group->all_gather("") == std::vector<std::string>(all.size()), "gathered nothing");

  for (const int64_t n : {7, 1}) {  // of one row, all but one rank have none
    const at::Tensor rows = at::full({n, 3}, -1.0);
    const auto mine = group->share(n);
    for (int64_t i = mine.begin; i < mine.end; ++i) rows[i].fill_(i);
    group->gather_rows(rows);
    for (int64_t i = 0; i < n; ++i)
      expect(rows[i].eq(static_cast<double>(i)).all().item<bool>(), "gathered rows");
  }

  std::vector<int64_t> indices;
  const auto share = group->share(101);
  for (int64_t i = share.begin; i < share.end; ++i) indices.push_back(i);
  const std::vector<int64_t> everything = group->concatenate(indices);
  expect(everything.size() == 101, "shares cover everything");
  for (size_t i = 0; i < everything.size(); ++i)
    expect(everything[i] == static_cast<int64_t>(i), "shares in order");
}

// A chain of layers, some of which are used by all ranks, by rank 0 only, and by none.
struct Chain {
  std::vector<at::Tensor> weights;

  explicit Chain(int layers, int64_t width) {
    const at::Tensor draw = at::arange(width * width, at::kFloat).reshape({width, width});
    for (int i = 0; i < layers; ++i)
      weights.push_back((at::sin(draw * (i + 1.7)) / static_cast<double>(width)).requires_grad_());
  }

  at::Tensor loss(int rank, int step) const {
    at::Tensor x =
        at::cos(at::arange(4 * weights[0].size(0), at::kFloat) * (1.0 + rank) + step).reshape({4, -1});
    for (size_t i = 0; i + 1 < weights.size(); ++i) {
      if (i + 2 == weights.size() && rank != 0) continue;
      x = at::tanh(x.matmul(weights[i])) + x;
    }
    return x.square().sum();
  }

  void clear() const {
    for (const at::Tensor& weight : weights) weight.mutable_grad() = at::Tensor();
  }
};

// Every rank computes the gradients that each rank would have alone, and compares their mean with the
// reducer's result.
void reducer(const std::shared_ptr<Group>& group, int64_t bucket_bytes) {
  const int rank = group->rank(), size = group->size();
  const int micro_batches = 2;
  Chain chain(6, 40);
  std::vector<at::Tensor> used(chain.weights.begin(), chain.weights.end() - 1);
  const auto expected = [&](int step) {
    std::vector<at::Tensor> mean;
    for (const at::Tensor& weight : used) mean.push_back(at::zeros_like(weight, at::kDouble));
    for (int r = 0; r < size; ++r) {
      chain.clear();
      for (int micro = 0; micro < micro_batches; ++micro) chain.loss(r, step + micro).backward();
      for (size_t i = 0; i < used.size(); ++i) {
        if (used[i].grad().defined()) mean[i] += used[i].grad().to(at::kDouble) / size;
      }
    }
    chain.clear();
    return mean;
  };
  std::vector<std::vector<at::Tensor>> means;
  for (int step = 0; step < 3; ++step) means.push_back(expected(step));

  GradientReducer reduce(chain.weights, group, bucket_bytes);
  for (int step = 0; step < 3; ++step) {
    chain.clear();
    for (int micro = 0; micro < micro_batches; ++micro)
      reduce.backward(chain.loss(rank, step + micro), micro + 1 == micro_batches);
    for (size_t i = 0; i < used.size(); ++i) {
      const at::Tensor gradient = used[i].grad();
      expect(gradient.defined(), "a gradient on every rank where any rank has one");
      // Sums of `size` float32 terms, divided: each of size + 1 operations errs by at most 2^-24 of the
      // largest partial result, and the gradients that are compared were computed by the same operations.
      const double bound = (size + 1) * 0x1p-24 * size * gradient.abs().max().item<double>() + 1e-30;
      expect((gradient.to(at::kDouble) - means[static_cast<size_t>(step)][i]).abs().max().item<double>() <=
                 bound * 4,
             "mean of gradients");
      at::Tensor other = gradient.clone();
      group->broadcast(other);
      expect(other.equal(gradient), "the same bits on every rank");
    }
    expect(!chain.weights.back().grad().defined(), "no gradient for what no rank uses");
  }
}

[[noreturn]] void vanish() {
  kill(getpid(), SIGKILL);
  std::abort();
}

void lose_a_rank(const std::shared_ptr<Group>& group) {
  const at::Tensor tensor = at::ones({100000});
  for (int i = 0;; ++i) {
    if (group->rank() == 1 && i == 20) vanish();
    group->all_reduce(tensor);
  }
}

void lose_a_rank_in_backward(const std::shared_ptr<Group>& group) {
  Chain chain(6, 40);
  GradientReducer reduce(chain.weights, group, 4000);
  for (int i = 0;; ++i) {
    const at::Tensor loss = chain.loss(group->rank(), i);
    if (group->rank() == 1 && i == 5)
      chain.weights[1].register_hook([](const at::Tensor&) -> void { vanish(); });
    reduce.backward(loss);
  }
}

void stop(const std::shared_ptr<Group>& group) {
  group->barrier();
  if (group->rank() == 1) raise(SIGSTOP);
  group->barrier();
}

// Twice the time that a rank may give no sign of life.
void busy(const std::shared_ptr<Group>& group) {
  group->barrier();
  if (group->rank() == 1) std::this_thread::sleep_for(std::chrono::seconds(6));
  group->barrier();
}

void fail_alone(const std::shared_ptr<Group>& group) {
  if (group->rank() == 1) throw vitrim::Error("rank 1 cannot read its images");
  group->barrier();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc == 2 ? argv[1] : "";
  const std::map<std::string, void (*)(const std::shared_ptr<Group>&)> modes = {
      {"collectives", collectives},
      {"reducer", [](const std::shared_ptr<Group>& group) { reducer(group, 25 << 20); }},
      {"small_buckets", [](const std::shared_ptr<Group>& group) { reducer(group, 8000); }},
      {"lose_a_rank", lose_a_rank},
      {"lose_a_rank_in_backward", lose_a_rank_in_backward},
      {"stop", stop},
      {"busy", busy},
      {"fail_alone", fail_alone}};
  try {
    vitrim::distributed::Options options;
    if (mode == "stop" || mode == "busy" || mode == "alone") options.timeout_seconds = 3;
    const auto group = vitrim::distributed::start(options);
    if (const auto found = modes.find(mode); found != modes.end()) found->second(group);
    std::printf("rank %d of %d is done\n", group->rank(), group->size());
    return 0;
  } catch (const vitrim::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "unexpected: %s\n", error.what());
    return 3;
  }
}
