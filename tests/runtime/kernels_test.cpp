// Every table of kernels that this machine can run, and the emulated tiles, against double precision.

#include "runtime/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numbers>
#include <random>
#include <vector>

#include "runtime/kernel_tables.h"
#include "runtime/matrix.h"

namespace vitrim::runtime {
namespace {

using test::Table;
using test::tables;

// Written anew: the library's own conversion is under test.
float value_of(float x) { return x; }
float value_of(Bf16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float out = 0;
  std::memcpy(&out, &bits, 4);
  return out;
}

double activated(Epilogue epilogue, double x) {
  switch (epilogue) {
    case Epilogue::kGelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Epilogue::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case Epilogue::kQuickGelu:
      return x / (1 + std::exp(-1.702 * x));
    case Epilogue::kRelu:
      return std::max(x, 0.0);
    case Epilogue::kSilu:
      return x / (1 + std::exp(-x));
    default:
      return x;
  }
}

class Draw {
 public:
  float operator()() { return normal_(engine_); }
  std::vector<float> many(int64_t n) {
    std::vector<float> out(static_cast<size_t>(n));
    for (float& x : out) x = (*this)();
    return out;
  }

 private:
  std::mt19937 engine_{7};
  std::normal_distribution<float> normal_;
};

// A left operand with its rows padded and room after it, as the engine lays them out; beyond `k` NaN must
// not be read as numbers, so zeros stand there.
template <typename T>
Buffer<T> left(const Kernels& kernels, const std::vector<float>& values, int64_t rows, int64_t k,
               int64_t lda) {
  Buffer<T> out((round_up(rows, 32) + 32) * lda);
  kernels_for<T>(kernels).convert(values.data(), k, rows, k, out.data(), lda);
  return out;
}

template <typename T>
class KernelsOf : public testing::Test {};
using KernelTypes = testing::Types<float, Bf16>;
TYPED_TEST_SUITE(KernelsOf, KernelTypes);

// Shapes with ragged rows, panels and depths; every epilogue.
TYPED_TEST(KernelsOf, ProductsAndEdges) {
  using T = TypeParam;
  const struct {
    int64_t rows, k, out;
  } shapes[] = {{1, 5, 3}, {7, 64, 48}, {33, 300, 70}, {24, 257, 129}, {50, 768, 64}};
  for (const Table& table : tables()) {
    const KernelSet<T>& kernels = kernels_for<T>(*table.kernels);
    for (const auto& shape : shapes) {
      Draw draw;
      Linear layer{shape.out, shape.k, draw.many(shape.out * shape.k), draw.many(shape.out)};
      const Matrix<T> matrix(layer);
      const std::vector<float> x = draw.many(shape.rows * shape.k), old = draw.many(shape.rows * shape.out),
                               factors = draw.many(shape.rows);
      const Buffer<T> a = left<T>(*table.kernels, x, shape.rows, shape.k, matrix.k);
      Buffer<float> scratch((round_up(shape.rows, 32) + 32) * kPanel);
      for (const Epilogue epilogue :
           {Epilogue::kStore, Epilogue::kFloat, Epilogue::kAdd, Epilogue::kScaled, Epilogue::kGelu,
            Epilogue::kGeluTanh, Epilogue::kQuickGelu, Epilogue::kRelu, Epilogue::kSilu}) {
        const bool is_float = epilogue == Epilogue::kFloat || epilogue == Epilogue::kAdd;
        const int64_t ldo = matrix.columns + 5;
        std::vector<float> float_out(static_cast<size_t>(shape.rows * ldo), 77.0f);
        std::vector<T> out(static_cast<size_t>(shape.rows * ldo), T{});
        for (int64_t r = 0; r < shape.rows; ++r)
          std::copy_n(old.data() + r * shape.out, shape.out, float_out.data() + r * ldo);
        Gemm<T> g;
        g.a = a.data();
        g.lda = g.k = matrix.k;
        g.rows = shape.rows;
        g.b = matrix.data.data();
        g.columns = matrix.columns;
        g.valid = shape.out;
        g.scratch = scratch.data();
        g.epilogue = epilogue;
        g.out = is_float ? static_cast<void*>(float_out.data()) : out.data();
        g.ldo = ldo;
        g.bias = epilogue == Epilogue::kScaled ? nullptr : matrix.bias.data();
        g.row_scale = factors.data();
        kernels.gemm(g);
        for (int64_t r = 0; r < shape.rows; ++r) {
          for (int64_t c = 0; c < shape.out; ++c) {
            double sum = epilogue == Epilogue::kScaled ? 0 : layer.bias[static_cast<size_t>(c)], size = 1;
            for (int64_t i = 0; i < shape.k; ++i) {
              // Of the values as they were rounded.
              T w{};
              if constexpr (sizeof(T) == 2) {
                w = matrix.data.data()[c / kPanel * kPanel * matrix.k +
                                       (i / 2 * std::min(kPanel, matrix.columns - c / kPanel * kPanel) +
                                        c % kPanel) *
                                           2 +
                                       i % 2];
              } else {
                w = layer.weight[static_cast<size_t>(c * shape.k + i)];
              }
              const double product = static_cast<double>(value_of(a.data()[r * matrix.k + i])) * value_of(w);
              sum += product;
              size += std::abs(product);
            }
            double wanted = sum;
            wanted = activated(epilogue, wanted);
            if (epilogue == Epilogue::kAdd) wanted += old[static_cast<size_t>(r * shape.out + c)];
            if (epilogue == Epilogue::kScaled) wanted *= factors[static_cast<size_t>(r)];
            const size_t at = static_cast<size_t>(r * ldo + c);
            const double got = is_float ? float_out[at] : value_of(out[at]);
            // Sums of float32: sqrt(k) 2^-24 of the products' size, times the factor; GELU's series 2e-7; a
            // bfloat16 result 2^-9 of itself, its GELU 7.6e-5.
            double tolerance = std::sqrt(static_cast<double>(shape.k)) * std::ldexp(1.0, -23) * size *
                                   (1 + std::abs(factors[static_cast<size_t>(r)])) +
                               1e-6;
            if (!is_float && sizeof(T) == 2) tolerance += std::ldexp(1.0, -8) * std::abs(wanted) + 7.6e-5;
            ASSERT_NEAR(got, wanted, tolerance) << table.name << " epilogue " << static_cast<int>(epilogue)
                                                << " row " << r << " column " << c << " of " << shape.out;
          }
          // Memory of neighbours does not change.
          if (epilogue == Epilogue::kScaled) {
            EXPECT_EQ(value_of(out[static_cast<size_t>(r * ldo + shape.out)]), 0);
          }
          if (is_float) {
            EXPECT_EQ(float_out[static_cast<size_t>(r * ldo + shape.out)], 77.0f);
          }
        }
      }
    }
  }
}

// Gates and units interleaved, 16 columns of each; 160 columns are two panels and a half.
TYPED_TEST(KernelsOf, GatedProducts) {
  using T = TypeParam;
  const int64_t rows = 9, k = 64, units = 80;
  for (const Table& table : tables()) {
    Draw draw;
    const Linear layer{2 * units, k, draw.many(2 * units * k), draw.many(2 * units)};
    const Matrix<T> matrix(layer);
    const Buffer<T> a = left<T>(*table.kernels, draw.many(rows * k), rows, k, matrix.k);
    Buffer<float> scratch((round_up(rows, 32) + 32) * kPanel);
    Gemm<T> g;
    g.a = a.data();
    g.lda = g.k = matrix.k;
    g.rows = rows;
    g.b = matrix.data.data();
    g.columns = g.valid = matrix.columns;
    g.scratch = scratch.data();
    g.bias = matrix.bias.data();
    std::vector<float> sums(static_cast<size_t>(rows * matrix.columns));
    g.epilogue = Epilogue::kFloat;
    g.out = sums.data();
    g.ldo = matrix.columns;
    kernels_for<T>(*table.kernels).gemm(g);
    for (const Epilogue epilogue : {Epilogue::kSilu, Epilogue::kGelu}) {
      std::vector<T> out(static_cast<size_t>(rows * (units + 1)), T{});
      g.epilogue = epilogue;
      g.gated = true;
      g.out = out.data();
      g.ldo = units + 1;
      kernels_for<T>(*table.kernels).gemm(g);
      g.gated = false;
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t j = 0; j < units; ++j) {
          const float* row = sums.data() + r * matrix.columns + j / 16 * 32 + j % 16;
          const double wanted = activated(epilogue, row[0]) * row[16];
          // The activation to 3e-7 of itself, GELU's series 2e-7; a bfloat16 result 2^-9, its GELU 7.6e-5.
          ASSERT_NEAR(value_of(out[static_cast<size_t>(r * (units + 1) + j)]), wanted,
                      (sizeof(T) == 2 ? std::ldexp(1.0, -8) : 1e-6) * (std::abs(wanted) + std::abs(row[16])))
              << table.name << " row " << r << " unit " << j;
        }
        EXPECT_EQ(value_of(out[static_cast<size_t>(r * (units + 1) + units)]), 0) << "a neighbour's";
      }
    }
  }
}

TYPED_TEST(KernelsOf, NormalizeConvertAndSoftmax) {
  using T = TypeParam;
  const double rounding = sizeof(T) == 2 ? std::ldexp(1.0, -8) : 1e-6;
  for (const Table& table : tables()) {
    const KernelSet<T>& kernels = kernels_for<T>(*table.kernels);
    for (const int64_t width : {5, 16, 100}) {
      Draw draw;
      const int64_t rows = 3, ld = round_up(width, 32);
      std::vector<float> x = draw.many(rows * width);
      for (float& v : x) v = 3 * v + 5;
      std::vector<T> out(static_cast<size_t>(rows * ld), T{});
      kernels.normalize(x.data(), width, rows, width, 1e-6f, out.data(), ld);
      std::vector<T> p(static_cast<size_t>(rows * ld), T{});
      std::vector<float> inverse(3), bias = draw.many(width);
      kernels.softmax(x.data(), width, rows, width, bias.data(), 0, p.data(), ld, inverse.data());
      for (int64_t r = 0; r < rows; ++r) {
        const float* row = x.data() + r * width;
        double mean = 0, square = 0, sum = 0;
        for (int64_t c = 0; c < width; ++c) mean += row[c] / static_cast<double>(width);
        for (int64_t c = 0; c < width; ++c)
          square += (row[c] - mean) * (row[c] - mean) / static_cast<double>(width);
        for (int64_t c = 0; c < width; ++c)
          sum += std::exp2(static_cast<double>(row[c]) + bias[static_cast<size_t>(c)]);
        for (int64_t c = 0; c < ld; ++c) {
          const double normed = c < width ? (row[c] - mean) / std::sqrt(square + 1e-6) : 0;
          EXPECT_NEAR(value_of(out[static_cast<size_t>(r * ld + c)]), normed,
                      rounding * (std::abs(normed) + 1))
              << table.name;
          const double share =
              c < width ? std::exp2(static_cast<double>(row[c]) + bias[static_cast<size_t>(c)]) / sum : 0;
          EXPECT_NEAR(value_of(p[static_cast<size_t>(r * ld + c)]) * inverse[static_cast<size_t>(r)], share,
                      rounding * (share + 1e-3) + 1e-7)
              << table.name;
        }
      }
    }
  }
}

TYPED_TEST(KernelsOf, PackingIsWhatMatrixDoes) {
  using T = TypeParam;
  for (const Table& table : tables()) {
    const KernelSet<T>& kernels = kernels_for<T>(*table.kernels);
    for (const int64_t rows : {1, 7, 64, 100}) {
      Draw draw;
      const int64_t k = 32, columns = 80;
      Linear keys{rows, k, draw.many(rows * k), std::vector<float>(static_cast<size_t>(rows), 0.0f)};
      const Matrix<T> wanted_keys(keys);
      const Buffer<T> m = left<T>(*table.kernels, keys.weight, rows, k, k);
      Buffer<T> packed(wanted_keys.k * wanted_keys.columns);
      kernels.pack_transposed(m.data(), k, rows, k, packed.data());
      EXPECT_EQ(0, std::memcmp(packed.data(), wanted_keys.data.data(),
                               static_cast<size_t>(k * wanted_keys.columns) * sizeof(T)))
          << table.name << rows;

      const std::vector<float> values = draw.many(rows * columns);
      Linear transposed{columns, rows, {}, std::vector<float>(static_cast<size_t>(columns), 0.0f)};
      for (int64_t c = 0; c < columns; ++c) {
        for (int64_t r = 0; r < rows; ++r)
          transposed.weight.push_back(values[static_cast<size_t>(r * columns + c)]);
      }
      const Matrix<T> wanted(transposed);
      const Buffer<T> v = left<T>(*table.kernels, values, rows, columns, columns);
      Buffer<T> out(wanted.k * columns);
      kernels.pack(v.data(), columns, rows, columns, out.data());
      EXPECT_EQ(
          0, std::memcmp(out.data(), wanted.data.data(), static_cast<size_t>(wanted.k * columns) * sizeof(T)))
          << table.name << rows;
    }
  }
}

// Filters for every loop: sides with a specialised loop and others, maps narrower than a tile, lines in the
// middle of a map.
TYPED_TEST(KernelsOf, DepthwiseFilters) {
  using T = TypeParam;
  const struct {
    int64_t height, width, side, channels, begin, end;
  } shapes[] = {{9, 13, 3, 32, 0, 9},
                {8, 12, 5, 16, 0, 8},
                {6, 7, 7, 48, 2, 5},
                {3, 2, 5, 16, 0, 3},
                {1, 1, 3, 16, 0, 1}};
  for (const Table& table : tables()) {
    const KernelSet<T>& kernels = kernels_for<T>(*table.kernels);
    for (const auto& shape : shapes) {
      for (const Epilogue epilogue : {Epilogue::kAdd, Epilogue::kGelu, Epilogue::kSilu}) {
        Draw draw;
        const int64_t tokens = shape.height * shape.width, ldi = shape.channels + 16,
                      ldo = shape.channels + 32, lines = shape.end - shape.begin, half = shape.side / 2;
        const std::vector<float> x = draw.many(tokens * ldi),
                                 filter = draw.many(shape.side * shape.side * shape.channels),
                                 bias = draw.many(shape.channels);
        std::vector<T> in(x.size()), out(static_cast<size_t>(lines * shape.width * ldo), T{});
        kernels.convert(x.data(), ldi, tokens, ldi, in.data(), ldi);
        const float before = 0.5f;  // a bfloat16 too
        for (T& v : out) set_float(&v, before);
        Depthwise<T> d;
        d.in = in.data();
        d.ldi = ldi;
        d.height = shape.height;
        d.width = shape.width;
        d.begin = shape.begin;
        d.end = shape.end;
        d.filter = filter.data();
        d.bias = bias.data();
        d.side = shape.side;
        d.channels = shape.channels;
        d.epilogue = epilogue;
        d.out = out.data();
        d.ldo = ldo;
        kernels.depthwise(d);
        for (int64_t i = 0; i < lines * shape.width; ++i) {
          for (int64_t c = 0; c < shape.channels; ++c) {
            double sum = bias[static_cast<size_t>(c)], size = 1;
            for (int64_t dy = 0; dy < shape.side; ++dy) {
              for (int64_t dx = 0; dx < shape.side; ++dx) {
                const int64_t line = shape.begin + i / shape.width + dy - half,
                              column = i % shape.width + dx - half;
                if (line < 0 || line >= shape.height || column < 0 || column >= shape.width) continue;
                const double product =
                    static_cast<double>(
                        value_of(in[static_cast<size_t>((line * shape.width + column) * ldi + c)])) *
                    filter[static_cast<size_t>((dy * shape.side + dx) * shape.channels + c)];
                sum += product;
                size += std::abs(product);
              }
            }
            const double wanted = epilogue == Epilogue::kAdd ? sum + before : activated(epilogue, sum);
            // As for products above.
            double tolerance = static_cast<double>(shape.side) * std::ldexp(1.0, -23) * size + 1e-6;
            if (sizeof(T) == 2) tolerance += std::ldexp(1.0, -8) * std::abs(wanted) + 7.6e-5;
            ASSERT_NEAR(value_of(out[static_cast<size_t>(i * ldo + c)]), wanted, tolerance)
                << table.name << " side " << shape.side << " token " << i << " channel " << c;
          }
          EXPECT_EQ(value_of(out[static_cast<size_t>(i * ldo + shape.channels)]), before) << "a neighbour's";
        }
      }
    }
  }
}

TYPED_TEST(KernelsOf, FocusedAttentionsSteps) {
  using T = TypeParam;
  const double rounding = sizeof(T) == 2 ? std::ldexp(1.0, -8) : 1e-6;
  for (const Table& table : tables()) {
    const KernelSet<T>& kernels = kernels_for<T>(*table.kernels);
    Draw draw;
    const int64_t rows = 37, width = 48, ld = 64;
    const std::vector<float> x = draw.many(rows * ld), offset = draw.many(rows * width),
                             vector = draw.many(width);
    std::vector<float> factor = draw.many(width);
    for (float& f : factor) f = std::abs(f);
    factor[5] = 0;
    std::vector<T> in(x.size());
    kernels.convert(x.data(), ld, rows, ld, in.data(), ld);
    for (const int64_t power : {1, 3, 4, 9}) {
      for (const bool with_offset : {false, true}) {
        std::vector<T> out = in;
        kernels.focus(out.data(), ld, rows, width, with_offset ? offset.data() : nullptr, factor.data(),
                      power);
        for (int64_t r = 0; r < rows; ++r) {
          std::vector<double> f;
          double squares = 0, powers = 0;
          for (int64_t c = 0; c < width; ++c) {
            const double v =
                value_of(in[static_cast<size_t>(r * ld + c)]) +
                (with_offset ? static_cast<double>(offset[static_cast<size_t>(r * width + c)]) : 0.0);
            f.push_back((std::max(v, 0.0) + 1e-6) * factor[static_cast<size_t>(c)]);
            squares += f.back() * f.back();
            powers += std::pow(f.back(), 2.0 * static_cast<double>(power));
          }
          for (int64_t c = 0; c < width; ++c) {
            const double wanted =
                std::pow(f[static_cast<size_t>(c)], static_cast<double>(power)) * std::sqrt(squares / powers);
            // Relative, and of float32's rounding before the power where an offset nearly cancels.
            EXPECT_NEAR(value_of(out[static_cast<size_t>(r * ld + c)]), wanted,
                        rounding * wanted + 1e-6 * std::sqrt(squares))
                << table.name;
          }
          EXPECT_EQ(value_of(out[static_cast<size_t>(r * ld + width)]),
                    value_of(in[static_cast<size_t>(r * ld + width)]))
              << "a neighbour's";
        }
      }
    }
    std::vector<float> sums(static_cast<size_t>(width), 2.0f), inverse(static_cast<size_t>(rows));
    kernels.add_columns(in.data(), ld, rows, width, sums.data());
    kernels.inverse_dots(in.data(), ld, rows, width, vector.data(), 100.0f, inverse.data());
    std::vector<T> turned(static_cast<size_t>(width * ld)), blended(static_cast<size_t>(width));
    set_float(&turned[static_cast<size_t>(ld - 1)], 1.0f);
    kernels.transpose(in.data(), ld, rows, width, turned.data(), ld);
    kernels.blend(in.data(), in.data() + ld, 0.25f, width, blended.data());
    for (int64_t c = 0; c < width; ++c) {
      double sum = 2, size = 2;
      for (int64_t r = 0; r < ld; ++r) {
        const float v = r < rows ? value_of(in[static_cast<size_t>(r * ld + c)]) : 0.0f;
        sum += v;
        size += std::abs(v);
        EXPECT_EQ(value_of(turned[static_cast<size_t>(c * ld + r)]), v) << table.name;
      }
      EXPECT_NEAR(sums[static_cast<size_t>(c)], sum, 1e-6 * size) << table.name;
      const double wanted =
          0.75 * value_of(in[static_cast<size_t>(c)]) + 0.25 * value_of(in[static_cast<size_t>(ld + c)]);
      EXPECT_NEAR(value_of(blended[static_cast<size_t>(c)]), wanted, rounding * std::abs(wanted) + 1e-6)
          << table.name;
    }
    for (int64_t r = 0; r < rows; ++r) {
      double dot = 100;
      for (int64_t c = 0; c < width; ++c)
        dot += static_cast<double>(value_of(in[static_cast<size_t>(r * ld + c)])) *
               vector[static_cast<size_t>(c)];
      EXPECT_NEAR(inverse[static_cast<size_t>(r)], 1 / dot, 1e-6 * std::abs(1 / dot) * 3) << table.name;
    }
  }
}

// Every row its own bias, as windows have it.
TYPED_TEST(KernelsOf, SoftmaxWithABiasARow) {
  using T = TypeParam;
  for (const Table& table : tables()) {
    Draw draw;
    const int64_t rows = 5, keys = 49, ld = 64;
    const std::vector<float> scores = draw.many(rows * ld), bias = draw.many(rows * ld);
    std::vector<T> p(static_cast<size_t>(rows * ld));
    std::vector<float> inverse(static_cast<size_t>(rows));
    kernels_for<T>(*table.kernels)
        .softmax(scores.data(), ld, rows, keys, bias.data(), ld, p.data(), ld, inverse.data());
    for (int64_t r = 0; r < rows; ++r) {
      auto term = [&](int64_t c) {
        return std::exp2(static_cast<double>(scores[static_cast<size_t>(r * ld + c)]) +
                         bias[static_cast<size_t>(r * ld + c)]);
      };
      double sum = 0;
      for (int64_t c = 0; c < keys; ++c) sum += term(c);
      for (int64_t c = 0; c < ld; ++c) {
        const double share = c < keys ? term(c) / sum : 0;
        EXPECT_NEAR(value_of(p[static_cast<size_t>(r * ld + c)]) * inverse[static_cast<size_t>(r)], share,
                    (sizeof(T) == 2 ? std::ldexp(1.0, -8) : 1e-6) * share + 1e-7)
            << table.name;
      }
    }
  }
}

TEST(Kernels, NanStaysNan) {
  for (const Table& table : tables()) {
    const float x[16] = {NAN, 1};
    Bf16 out[16];
    table.kernels->bf16.convert(x, 16, 1, 16, out, 16);
    EXPECT_TRUE(std::isnan(value_of(out[0]))) << table.name;
    EXPECT_EQ(value_of(out[1]), 1) << table.name;
    float inverse = 0, p[16];
    table.kernels->f32.softmax(x, 16, 1, 16, nullptr, 0, p, 16, &inverse);
    EXPECT_TRUE(std::isnan(p[0] * inverse)) << table.name;
    float row[16] = {NAN, 1}, factor[16] = {};
    table.kernels->f32.focus(row, 16, 1, 16, nullptr, factor, 3);
    EXPECT_TRUE(std::isnan(row[1])) << table.name;
  }
}

}  // namespace
}  // namespace vitrim::runtime
