// What torch.save itself writes, made at test time by python3 (or VITRIM_PYTHON).

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "checkpoint/files.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"
#include "vitrim/model/state_dict.h"

namespace vitrim::checkpoint {
namespace {

using model::StateDict;

using namespace vitrim::test;

constexpr const char* kScript = R"PY(
import argparse, collections, os, sys
import torch
from torch import nn

out = sys.argv[1]
save = lambda value, name, **more: torch.save(value, os.path.join(out, name), **more)
names = 'float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128 uint16 uint32 uint64 float8_e4m3fn float8_e5m2'

class Evil:
    def __reduce__(self):
        return os.system, ('touch ' + os.path.join(out, 'evil'),)

class Scaled(dict):
    pass

net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
with torch.no_grad():
    net[0].weight.copy_(torch.arange(12.).reshape(4, 3))
optimizer = torch.optim.AdamW(net.parameters())
net(torch.randn(5, 3)).sum().backward()
optimizer.step()
with torch.no_grad():
    net[0].weight.copy_(torch.arange(12.).reshape(4, 3))
for protocol in (2, 3, 4, 5):
    save(net.state_dict(), f'plain{protocol}.pth', pickle_protocol=protocol)
save({n: (torch.arange(6) % 2).to(getattr(torch, n)) for n in names.split()}, 'dtypes.pth')
args = argparse.Namespace(lr=0.1, evil=Evil(), nested={'a': [1, (2.5, None)], 'big': 1 << 100, 'b': b'x', 's': {1, 2}})
wrapped = {'model': net.state_dict(), 'optimizer': optimizer.state_dict(), 'args': args, 'epoch': 3,
           'rng_state': torch.get_rng_state(), 'path': __import__('pathlib').PurePosixPath('a/b'),
           'scheduler': collections.defaultdict(list, a=[1]), 'dtype': torch.float32, 'size': torch.Size([1, 2])}
try:
    import numpy
    wrapped['best_acc'] = numpy.float64(81.5)
    wrapped['history'] = numpy.arange(3)
except ImportError:
    pass
save(wrapped, 'wrapped.pth')
base = torch.arange(24.).reshape(4, 6)
save({'base': base, 't': base.t(), 'tail': base[2:, 1::2], 'row': base[1].expand(3, 6), 'scalar': base[3, 5],
      'parameter': nn.Parameter(base[0]), 'buffer': nn.Buffer(base[1]), 'empty': torch.empty(0, 3)}, 'views.pth')
save({'w': base, 'sparse': torch.eye(2).to_sparse()}, 'sparse.pth')
save({'w': torch.ones(2, dtype=torch.complex64).conj()}, 'conj.pth')
save(net, 'module.pth')
save(base, 'tensor.pth')
save(net.state_dict(), 'legacy.pth', _use_new_zipfile_serialization=False)
save({'w': base, 'evil': Evil()}, 'evil.pth')
nocrc = getattr(torch.serialization, 'set_crc32_options', None)
if nocrc:
    nocrc(False)
save({'w': base}, 'nocrc.pth')
torch.jit.save(torch.jit.script(nn.Linear(2, 2)), os.path.join(out, 'script.pth'))
import zipfile
with zipfile.ZipFile(os.path.join(out, 'views.pth')) as source, \
     zipfile.ZipFile(os.path.join(out, 'deflated.pth'), 'w', zipfile.ZIP_DEFLATED) as target:
    for name in source.namelist():
        target.writestr(name, source.read(name))
)PY";

class PthTorch : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    write_file(*folder_ / "make.py", kScript);
    const char* named = std::getenv("VITRIM_PYTHON");
    const std::string python = named ? named : "python3";
    has_torch_ = std::system((python + " -c 'import torch' >/dev/null 2>&1").c_str()) == 0;
    if (!has_torch_) return;
    const std::string log = *folder_ / "log";
    const std::string command = python + " -W ignore '" + (*folder_ / "make.py") + "' '" +
                                folder_->path().string() + "' >'" + log + "' 2>&1";
    made_ = std::system(command.c_str()) == 0;
    if (!made_) ADD_FAILURE() << "the script failed:\n" << read_file(log);
  }
  static void TearDownTestSuite() { delete folder_; }
  void SetUp() override {
    if (!has_torch_)
      GTEST_SKIP() << "SKIPPED: python3 can't import torch, so torch.save's own files are not tested (set "
                      "VITRIM_PYTHON)";
    ASSERT_TRUE(made_);
  }
  void TearDown() override { EXPECT_FALSE(std::filesystem::exists(*folder_ / "evil")) << "a pickle was run"; }
  static StateDict read(const std::string& name) { return load(*folder_ / name); }
  static std::string refuse(const std::string& name) {
    return message_of<FormatError>([&] { read(name); });
  }

  static TemporaryFolder* folder_;
  static bool has_torch_, made_;
};
TemporaryFolder* PthTorch::folder_ = nullptr;
bool PthTorch::has_torch_ = false;
bool PthTorch::made_ = false;

TEST_F(PthTorch, StateDictInEveryProtocol) {
  for (const char* name : {"plain2.pth", "plain3.pth", "plain4.pth", "plain5.pth"}) {
    const StateDict state = read(name);
    ASSERT_EQ(state.size(), 7u) << name;
    EXPECT_EQ(state.entries()[0].first, "0.weight");
    EXPECT_TRUE(at::equal(state.at("0.weight"), at::arange(12, at::kFloat).reshape({4, 3})));
    EXPECT_EQ(state.at("1.num_batches_tracked").item<int64_t>(), 1);
  }
}

TEST_F(PthTorch, EveryDtype) {
  const StateDict state = read("dtypes.pth");
  EXPECT_EQ(state.size(), 17u);
  for (const auto& [name, tensor] : state.entries()) {
    EXPECT_EQ(tensor.numel(), 6);
    EXPECT_TRUE(at::equal((tensor.is_complex() ? at::real(tensor) : tensor).to(at::kFloat),
                          at::arange(6).remainder(2).to(at::kFloat)))
        << name;
  }
  EXPECT_EQ(state.at("bfloat16").scalar_type(), at::kBFloat16);
  EXPECT_EQ(state.at("float8_e5m2").scalar_type(), at::kFloat8_e5m2);
  EXPECT_EQ(state.at("uint64").scalar_type(), at::kUInt64);
  checkpoint::check_finite(state);
}

TEST_F(PthTorch, TrainingScriptFile) {
  const StateDict state = read("wrapped.pth");
  EXPECT_TRUE(state.contains("optimizer.state.0.exp_avg"));
  EXPECT_TRUE(at::equal(state.at("model.0.weight"), at::arange(12, at::kFloat).reshape({4, 3})));
}

TEST_F(PthTorch, ViewsAndDeflatedArchives) {
  for (const char* name : {"views.pth", "deflated.pth"}) {
    const StateDict state = read(name);
    const at::Tensor base = at::arange(24, at::kFloat).reshape({4, 6});
    EXPECT_TRUE(at::equal(state.at("base"), base));
    EXPECT_TRUE(at::equal(state.at("t"), base.t()));
    EXPECT_TRUE(at::equal(state.at("tail"), base.slice(0, 2).slice(1, 1, 6, 2)));
    EXPECT_TRUE(at::equal(state.at("row"), base.select(0, 1).expand({3, 6})));
    EXPECT_EQ(state.at("scalar").item<float>(), 23);
    EXPECT_TRUE(at::equal(state.at("parameter"), base.select(0, 0)));
    EXPECT_TRUE(at::equal(state.at("buffer"), base.select(0, 1)));
    EXPECT_EQ(state.at("empty").sizes(), at::IntArrayRef({0, 3}));
    EXPECT_EQ(state.at("base").const_data_ptr(), state.at("t").const_data_ptr()) << "the storage is shared";
  }
}

TEST_F(PthTorch, InertOrRefused) {
  EXPECT_EQ(read("evil.pth").size(), 1u);
  EXPECT_EQ(read("nocrc.pth").size(), 1u);
  EXPECT_SAYS(refuse("sparse.pth"),
              "sparse: the tensor depends on what torch._utils._rebuild_sparse_tensor makes");
  EXPECT_SAYS(refuse("conj.pth"), "resolve_conj");
  EXPECT_SAYS(refuse("module.pth"), "state_dict()");
  EXPECT_SAYS(refuse("tensor.pth"), "single tensor");
  EXPECT_SAYS(refuse("legacy.pth"), "before 1.6");
  EXPECT_SAYS(refuse("script.pth"), "TorchScript");
}

TEST_F(PthTorch, TruncatedArchives) {
  const std::string whole = read_file(*folder_ / "plain2.pth");
  for (size_t size = 0; size < whole.size(); size += 37) {
    write_file(*folder_ / "cut.pth", whole.substr(0, size));
    EXPECT_THROW(load_pth(*folder_ / "cut.pth"), FormatError) << size;
  }
}

TEST_F(PthTorch, BecomesSafetensors) {
  const StateDict weights = read("wrapped.pth");
  save_safetensors(weights, *folder_ / "out.safetensors");
  const StateDict found = load(*folder_ / "out.safetensors");
  for (const auto& [name, tensor] : weights.entries()) EXPECT_TRUE(at::equal(found.at(name), tensor)) << name;
}

}  // namespace
}  // namespace vitrim::checkpoint
