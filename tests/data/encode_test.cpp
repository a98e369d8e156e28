#include "vitrim/data/encode.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string_view>

#include "data/data_fixtures.h"

namespace vitrim::data {
namespace {

using namespace test;

std::string bytes_of(const std::string& url) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string text = url.substr(url.find(',') + 1);
  std::string out;
  for (size_t i = 0; i + 3 < text.size(); i += 4) {
    unsigned word = 0;
    for (size_t j = 0; j < 4; ++j)
      word = word << 6 | (text[i + j] == '=' ? 0u : static_cast<unsigned>(kDigits.find(text[i + j])));
    for (int shift = 16; shift >= 0; shift -= 8) out += static_cast<char>(word >> shift);
  }
  for (size_t end = text.size(); end > 0 && text[end - 1] == '='; --end) out.pop_back();
  return out;
}

TEST(EncodeJpeg, ComesBackAsTheImage) {
  for (const int64_t channels : {3, 1}) {
    const at::Tensor pixels =
        at::arange(40 * 24).mul(255).div(960, "floor").to(at::kByte).reshape({1, 40, 24});
    const Image image = decode(bytes_of(jpeg_data_url(pixels.expand({channels, 40, 24}))));
    ASSERT_EQ(image.height, 40);
    ASSERT_EQ(image.width, 24);
    for (int64_t i = 0; i < 40 * 24; ++i)
      ASSERT_NEAR(image.pixels[static_cast<size_t>(i * 3)], pixels.const_data_ptr<uint8_t>()[i], 8);
  }
}

// Inputs at which libjpeg would fail inside its own frames are refused before, in C++.
TEST(EncodeJpeg, SidesThatNoJpegHasAreRefused) {
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([] { jpeg_data_url(at::zeros({3, 1, 65501}, at::kByte)); }),
               "sides of 1 to 65500 pixels, not 65501 x 1"));
  EXPECT_THROW(jpeg_data_url(at::zeros({3, 0, 5}, at::kByte)), std::invalid_argument);
  EXPECT_THROW(jpeg_data_url(at::zeros({2, 5, 5}, at::kByte)), std::invalid_argument);
  EXPECT_EQ(decode(bytes_of(jpeg_data_url(at::zeros({1, 1, 65500}, at::kByte)))).width, 65500);
}

}  // namespace
}  // namespace vitrim::data
