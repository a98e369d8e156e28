#include "vitrim/report/report.h"

#include <gtest/gtest.h>

#include <limits>
#include <regex>
#include <string>

#include "report/fixture.h"
#include "vitrim/core/error.h"
#include "vitrim/core/train_artifacts.h"

namespace {

using vitrim::report::Document;
using vitrim::report::render;
namespace fixture = vitrim::fixture;

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The page without the scripts at its end, which hold some of the same words.
std::string body(const std::string& page) { return page.substr(0, page.find("/*! d3")); }

std::string charts(const std::string& page) {
  std::string names;
  const std::regex pattern("data-chart=\"([a-z]+)\"");
  for (std::sregex_iterator it(page.begin(), page.end(), pattern), end; it != end; ++it)
    names += (*it)[1].str() + " ";
  return names;
}

/// The numbers in the text of all elements of a class, or after a tag, with a space between, whatever words
/// they stand among.
std::string numbers(const std::string& page, const std::string& name) {
  const std::string opening = name.starts_with("<") ? name : "class=\"" + name + "\">";
  const std::regex element(opening + "([^<]*)"), number("[0-9]+(\\.[0-9]+)?");
  std::string out;
  for (std::sregex_iterator it(page.begin(), page.end(), element), end; it != end; ++it) {
    const std::string text = (*it)[1].str();
    for (std::sregex_iterator found(text.begin(), text.end(), number); found != end; ++found)
      out += (out.empty() ? "" : " ") + found->str();
  }
  return out;
}

const std::string& full_page() {
  static const std::string page =
      render({{"runs/compress.json", vitrim::to_json(fixture::compress())}}, "ViT-Ti");
  return page;
}

TEST(Report, CompressHasEverySection) {
  EXPECT_EQ(charts(full_page()),
            "model entropy transfer interaction sets sets accuracy controls spectrum time ");
  EXPECT_EQ(numbers(full_page(), "lede"), "3 12 1 3 4");
  EXPECT_TRUE(contains(full_page(), "runs/compress.json"));
  EXPECT_TRUE(contains(full_page(), "vitrim compress vit_tiny.safetensors --remove 3"));
}

TEST(Report, PrunedChannelsAreSaid) {
  auto result = fixture::compress();
  result.compressed_spec.blocks[0].v_dim -= 8;
  result.compressed_spec.blocks[2].mlp_dim -= 8;
  const auto lede = [&] { return numbers(render({{"a.json", vitrim::to_json(result)}}, "t"), "lede"); };
  EXPECT_EQ(lede(), "3 12 1 3 4 2");
  result.removed.clear();
  result.compressed_spec.blocks = result.dense_spec.blocks;
  EXPECT_EQ(lede(), "");
  result.compressed_spec.blocks[5].qk_dim -= 8;
  EXPECT_EQ(lede(), "1");
}

TEST(Report, SectionsAppearOnlyWithTheirData) {
  auto result = fixture::compress();
  result.scores.reset();
  result.controls.clear();
  result.compressed_spectrum = {};
  result.seconds.clear();
  EXPECT_EQ(charts(render({{"a.json", vitrim::to_json(result)}}, "t")), "model accuracy ");
  result.dense.reset();
  result.compressed.reset();
  result.paired.reset();
  EXPECT_EQ(charts(render({{"a.json", vitrim::to_json(result)}}, "t")), "model ");
  EXPECT_EQ(charts(render({{"a.json", vitrim::to_json(fixture::eval("m", 0.8))}}, "t")), "accuracy ");
  EXPECT_EQ(charts(render({{"a.json", vitrim::to_json(fixture::scores())}}, "t")),
            "entropy transfer interaction sets sets spectrum ");
  vitrim::LayerScores bare;
  bare.model = "m";
  EXPECT_EQ(charts(render({{"a.json", vitrim::to_json(bare)}}, "t")), "");
}

TEST(Report, ControlsWithoutLabelsShowTheirDivergence) {
  auto result = fixture::compress();
  result.dense.reset();
  result.compressed.reset();
  result.paired.reset();
  for (auto& control : result.controls) {
    control.eval = {};
    control.paired = {};
  }
  const std::string page = body(render({{"a.json", vitrim::to_json(result)}}, "t"));
  EXPECT_TRUE(contains(page, "data-chart=\"controls\""));
  EXPECT_EQ(count(page, "\"difference\""), 0u);
  EXPECT_EQ(count(page, "\"role\":\"control\""), result.controls.size());
}

TEST(Report, RemovedLayersHoldNoEntropy) {
  auto scores = fixture::scores();
  scores.attention_entropy[2] = {std::numeric_limits<double>::quiet_NaN(),
                                 std::numeric_limits<double>::quiet_NaN()};
  const std::string page = render({{"a.json", vitrim::to_json(scores)}}, "t");
  EXPECT_FALSE(contains(page, ">nan<"));
  EXPECT_FALSE(contains(page, ":nan"));
}

TEST(Report, NamesAreEscaped) {
  auto result = fixture::eval("<img src=x onerror=alert(1)>.safetensors", 0.8);
  result.data = "</script><script>alert(2)</script>";
  result.manifest.command = "vitrim eval 'a & b' \"<!--\"";
  const std::string page = render({{"x\"><b>.json", vitrim::to_json(result)},
                                   {"y.json", vitrim::to_json(fixture::eval("</script>", 0.7))}},
                                  "</title><script>alert(3)</script>");
  for (const char* bad : {"<img", "<b>", "<script>alert", "</script></", "<!--"})
    EXPECT_FALSE(contains(page, bad)) << bad;
  EXPECT_EQ(count(page, "<script"), count(page, "</script>"));
  EXPECT_TRUE(contains(page, "x&quot;&gt;&lt;b&gt;.json"));
  EXPECT_TRUE(contains(page, "&lt;/title&gt;"));
  EXPECT_TRUE(contains(page, "&#39;a &amp; b&#39;"));
}

TEST(Report, BytesThatAreNoUtf8AreShownNotThrown) {
  EXPECT_NO_THROW(render({{"bad\xff name.json", vitrim::to_json(fixture::compress())},
                          {"b\xfe.json", vitrim::to_json(fixture::compress())}},
                         "t\xff"));
}

TEST(Report, TheComparisonNamesEveryMethod) {
  vitrim::CompressResult one = fixture::compress({}), two = fixture::compress({1, 3, 4}, 0.714);
  one.compressed_spec = one.dense_spec;
  one.compressed_spec.blocks[0].attention = vitrim::AttentionKind::kStatic;
  one.compressed_spec.blocks[1].merge = 2;
  two.quantization.emplace();
  const std::string page =
      render({{"one.json", vitrim::to_json(one)}, {"two.json", vitrim::to_json(two)}}, "t");
  EXPECT_EQ(count(page, "\"method\":\"attention made static, tokens merged\""), 1u);
  EXPECT_EQ(count(page, "\"method\":\"attention removed, int8\""), 1u);
}

TEST(Report, SeveralOfOneKindAreCompared) {
  const std::string page = render({{"a/one.json", vitrim::to_json(fixture::compress({1, 3, 4}, 0.776))},
                                   {"a/two.json", vitrim::to_json(fixture::compress({0, 1, 2}, 0.714))},
                                   {"a/eval.json", vitrim::to_json(fixture::eval("third", 0.75))}},
                                  "t");
  EXPECT_EQ(numbers(page, "lede"), "2");
  EXPECT_TRUE(contains(page, "id=\"comparison\""));
  EXPECT_TRUE(contains(page, "compressed (one.json)"));
  EXPECT_EQ(count(page, "data-chart=\"front\""), 1u);
  EXPECT_EQ(count(page, "\"method\":\"attention removed\""), 2u);
  EXPECT_EQ(count(page, "\"method\":\"dense\""), 1u);
  EXPECT_TRUE(contains(page, "compressed (two.json)"));
  EXPECT_EQ(count(page, "\"role\":\"dense\""), 1u) << "the dense model that both share stands once";
  EXPECT_EQ(count(page, "data-chart=\"entropy\""), 1u) << "equal scores are shown once";
}

TEST(Report, EvalsOnTheSameImagesArePaired) {
  const auto first = fixture::eval("first", 0.82), second = fixture::eval("second", 0.78);
  auto other = second;
  other.data = "elsewhere";
  EXPECT_TRUE(contains(render({{"a.json", vitrim::to_json(first)}, {"b.json", vitrim::to_json(second)}}, "t"),
                       "McNemar"));
  EXPECT_EQ(
      count(body(render({{"a.json", vitrim::to_json(first)}, {"b.json", vitrim::to_json(second)}}, "t")),
            "\"difference\""),
      1u);
  EXPECT_EQ(count(body(render({{"a.json", vitrim::to_json(first)}, {"b.json", vitrim::to_json(other)}}, "t")),
                  "\"difference\""),
            0u);
}

TEST(Report, WrongDocumentsAreNamed) {
  EXPECT_THROW(render({}, "t"), std::invalid_argument);
  for (const char* json : {"{\"kind\": \"poem\", \"version\": 1}", "{}", "[1]", "not json", ""}) {
    try {
      render({{"good.json", vitrim::to_json(fixture::eval("m", 0.8))}, {"odd.json", json}}, "t");
      ADD_FAILURE() << json;
    } catch (const vitrim::FormatError& error) {
      EXPECT_TRUE(contains(error.what(), "odd.json")) << error.what();
    }
  }
  try {
    vitrim::CompressionPlan plan;
    plan.remove_attention = {1};
    render({{"plan.json", vitrim::to_json(plan)}}, "t");
    ADD_FAILURE() << "a plan has nothing to show";
  } catch (const vitrim::FormatError& error) {
    EXPECT_TRUE(contains(error.what(), "plan.json")) << error.what();
  }
}

TEST(Report, LoadsNothing) {
  const std::string& page = full_page();
  // Addresses occur in licences and namespaces; none may stand where a browser would follow it.
  const std::regex load(
      "(src|href|action|data|poster)\\s*=\\s*[\"'](?!#|data:)[^\"']*[\"']|url\\(\\s*[\"']?http|@import|<link["
      "^>]+stylesheet");
  const std::string content = body(page);
  std::smatch found;
  EXPECT_FALSE(std::regex_search(content, found, load)) << found.str();
  EXPECT_FALSE(contains(content, "http://"));
  EXPECT_FALSE(contains(content, "https://"));
  EXPECT_TRUE(contains(page, "default-src 'none'"));
  for (const char* bad : {"src=\"http", "href=\"http", "url(http", "importScripts", "new WebSocket"})
    EXPECT_FALSE(contains(page, bad)) << bad;
}

TEST(Report, IsSmall) {
  EXPECT_LT(full_page().size(), 2u << 20);
  auto large = fixture::compress();  // a whole validation set
  large.dense = fixture::eval("m", 0.8, 50000);
  large.compressed = fixture::eval("s", 0.78, 50000);
  EXPECT_LT(render({{"a.json", vitrim::to_json(large)}}, "t").size(), 2u << 20)
      << "per-image hits stay out of the page";
}

std::string one_line(std::string text) {
  std::erase(text, '\n');
  return text;
}

TEST(Report, DilutionShowsCurvesFlowAndAccuracy) {
  const auto run = fixture::training();
  const std::string page = body(render({{"runs/d.json", vitrim::to_json(run)}}, "t"));
  EXPECT_EQ(charts(page), "curves flow accuracy ");
  EXPECT_EQ(numbers(page, "lede"), "1 3 4 6 10");
  EXPECT_TRUE(contains(page, "\"name\":\"dense\""));
  EXPECT_TRUE(contains(page, "\"name\":\"diluted\""));
  EXPECT_EQ(count(page, "\"difference\""), 1u);
  EXPECT_TRUE(contains(numbers(page, "note"), "95 1.9 0.5 0.21")) << numbers(page, "note");
  EXPECT_TRUE(contains(page, "\"chosen\":10"));
  EXPECT_TRUE(contains(page, "vitrim dilute vit_tiny.safetensors"));
  EXPECT_FALSE(contains(page, ":nan"));
}

TEST(Report, RecipeIsATableOfKeys) {
  const std::string page = body(render({{"d.json", vitrim::to_json(fixture::training())}}, "t"));
  EXPECT_EQ(count(page, "<details class=\"recipe\" open>"), 1u);
  EXPECT_TRUE(contains(page, "<th scope=\"row\">schedule</th><td>batch_size</td><td>128</td>"));
  EXPECT_TRUE(contains(page, "<td>teacher</td><td>&lt;teacher&gt;</td>"));
  EXPECT_TRUE(contains(page, "<td>seeded</td><td>true</td>"));
}

TEST(Report, TrainingAloneHasNoLambda) {
  const std::string page = body(render({{"t.json", vitrim::to_json(fixture::training({}))}}, "t"));
  EXPECT_EQ(charts(page), "curves accuracy ");
  EXPECT_EQ(numbers(page, "lede"), "10");
  EXPECT_EQ(count(page, "\"difference\""), 0u);
}

TEST(Report, LogsShowWhatThereIs) {
  const auto run = fixture::training();
  std::string killed = fixture::training_log(run, 4, 3);
  killed.resize(killed.size() - 20);  // in the middle of its last line
  const std::string page = body(render({{"k.jsonl", killed}}, "t"));
  EXPECT_EQ(charts(page), "curves flow ");
  EXPECT_TRUE(contains(numbers(page, "lede"), "0.167 4 10")) << numbers(page, "lede");
  EXPECT_TRUE(contains(page, ">4 of 10</dd>"));
  EXPECT_EQ(count(page, "\"epoch\":5"), 0u);
  EXPECT_TRUE(contains(page, "5, to step 660"));  // the third line of the epoch was cut off

  const std::string young = body(render({{"y.jsonl", fixture::training_log(run, 0, 4)}}, "t"));
  EXPECT_EQ(charts(young), "curves ");
  EXPECT_TRUE(contains(young, "\"unit\":\"step\""));
  const std::string only_head = body(render({{"h.jsonl", fixture::training_log(run, 0)}}, "t"));
  EXPECT_EQ(charts(only_head), "");
  const std::string whole = body(render({{"w.jsonl", fixture::training_log(run, 10)}}, "t"));
  EXPECT_TRUE(numbers(whole, "lede").ends_with("10 10")) << numbers(whole, "lede");
}

TEST(Report, ARunAndItsLogAreOne) {
  const auto run = fixture::training();
  const std::string json = vitrim::to_json(run), log = fixture::training_log(run, 10);
  for (const bool log_first : {true, false}) {
    std::vector<Document> documents{{"d.json", json}, {"d.jsonl", log}};
    if (log_first) std::swap(documents[0], documents[1]);
    const std::string page = body(render(documents, "t"));
    EXPECT_EQ(charts(page), "curves flow accuracy ");
    EXPECT_EQ(count(page, "\"chosen\":10"), 1u);
    EXPECT_EQ(count(page, "\"step\":"), 50u);  // a line every 30 of 1500 steps
    EXPECT_TRUE(contains(page, "d.json <small>"));
    EXPECT_FALSE(contains(page, "d.jsonl"));
  }
  auto other = run;
  other.epochs[2].loss += 1e-12;
  EXPECT_EQ(numbers(render({{"d.json", json}, {"d.jsonl", fixture::training_log(other, 10)}}, "t"), "lede"),
            "2");
}

TEST(Report, RunsAreComparedWithTheFirst) {
  const auto dense = fixture::training({});
  const std::string page =
      one_line(body(render({{"dense.json", vitrim::to_json(dense)},
                            {"a.json", vitrim::to_json(fixture::training())},
                            {"b.jsonl", fixture::training_log(fixture::training({2}), 3)}},
                           "t")));
  EXPECT_EQ(numbers(page, "lede"), "3");
  EXPECT_EQ(numbers(page, "context"), "3 10");
  EXPECT_TRUE(contains(page, "Change to dense.json"));
  EXPECT_EQ(count(page, "data-chart=\"curves\""), 1u);
  EXPECT_EQ(count(page, "data-chart=\"flow\""), 2u);
  EXPECT_EQ(count(page, "\"role\":\"dense\""), 1u);
  // The difference of the two evaluations, counted here: over the same images, in points with one decimal.
  const auto diluted = fixture::training();
  const double points = 100 * (diluted.evaluation->top1 - dense.evaluation->top1);
  ASSERT_LT(points, -0.05);
  char text[16];
  std::snprintf(text, sizeof text, "\u2212%.1f", -points);
  const std::regex cells("<tr><th scope=\"row\">a.json</th>(.*?)</tr>");
  std::smatch row;
  ASSERT_TRUE(std::regex_search(page, row, cells));
  EXPECT_TRUE(contains(row[1].str(), std::string(">") + text + "<")) << row[1].str();
}

TEST(Report, LongRunsStaySmall) {
  auto run = fixture::training({0, 1}, 2000, false);
  std::string log = vitrim::log_header(run) + "\n";
  for (int i = 1; i <= 100000; ++i) {
    log += R"({"event":"step","epoch":1,"step":)" + std::to_string(i) +
           R"(,"loss":1,"learning_rate":0.001,"lambda":0.5,"images_per_second":100,"memory_gib":1})" + "\n";
  }
  EXPECT_LT(render({{"a.jsonl", log}}, "t").size(), 1u << 20);
  EXPECT_LT(count(body(render({{"a.jsonl", log}}, "t")), "\"step\":"), 502u);
  // 100 columns of a heat map, first and last among them.
  const std::string page = body(render({{"a.json", vitrim::to_json(run)}}, "t"));
  const std::string flow = page.substr(page.find("data-chart=\"flow\""));
  EXPECT_EQ(count(flow, "\"lambda\":"), 100u);
  EXPECT_TRUE(contains(flow, "\"epoch\":1,"));
  EXPECT_TRUE(contains(flow, "\"epoch\":2000,"));
}

TEST(Report, DamagedLogsAreNamedWithTheirLine) {
  const std::string log = fixture::training_log(fixture::training(), 2);
  std::string damaged = log;
  damaged.insert(damaged.find('\n') + 3, "x");
  try {
    render({{"runs/odd.jsonl", damaged}}, "t");
    ADD_FAILURE() << "a damaged line was read";
  } catch (const vitrim::FormatError& error) {
    EXPECT_TRUE(contains(error.what(), "runs/odd.jsonl: line 2: ")) << error.what();
  }
}

TEST(Report, TablesStandWithoutScript) {
  const std::string page = body(full_page());
  EXPECT_EQ(count(page, "<details open>"), count(page, "data-chart="));
  EXPECT_GE(count(page, "<table>"), 10u);
  EXPECT_EQ(count(page, "<figcaption>"), count(page, "data-chart="));
}

TEST(Report, MergedTokensAreTold) {
  const auto result = fixture::merged();
  EXPECT_EQ(vitrim::to_json(vitrim::compress_result_from_json(vitrim::to_json(result), "copy")),
            vitrim::to_json(result));
  const std::string page = one_line(body(render({{"merged.json", vitrim::to_json(result)}}, "t")));
  EXPECT_EQ(numbers(page, "lede"), "197 11");
  EXPECT_EQ(count(page, "data-chart=\"merged\""), 1u);
  EXPECT_TRUE(contains(page, "1.42\u00d7"));
  EXPECT_TRUE(contains(numbers(page, "note"), "10 90 1.38 1.47 32")) << numbers(page, "note");
  EXPECT_FALSE(contains(page, "</script>.JPEG"));
  // Block 11 sees 21 tokens and hands on 11.
  EXPECT_TRUE(
      std::regex_search(page, std::regex(">11</th><td[^>]*>21</td><td[^>]*>10</td><td[^>]*>11</td>")));
}

TEST(Report, Int8IsTold) {
  const auto result = fixture::quantized();
  EXPECT_EQ(vitrim::to_json(vitrim::compress_result_from_json(vitrim::to_json(result), "copy")),
            vitrim::to_json(result));
  const std::string page = one_line(body(render({{"int8.json", vitrim::to_json(result)}}, "t")));
  EXPECT_EQ(count(page, "data-chart=\"quantization\""), 1u);
  const std::string text = numbers(page, "<p>");
  EXPECT_TRUE(contains(text, "47 48 8 22.9 6.7 ")) << text;
  EXPECT_TRUE(contains(text, " 0.00210 95.0")) << text;
  EXPECT_TRUE(contains(page, "\"cost\":0.00048"));
  EXPECT_TRUE(std::regex_search(page, std::regex("blocks.11.mlp.fc2</th><td[^>]*>float</td>")));
}

TEST(Report, BenchmarksAreTold) {
  const auto result = fixture::bench();
  EXPECT_EQ(vitrim::to_json(vitrim::bench_result_from_json(vitrim::to_json(result), "copy")),
            vitrim::to_json(result));
  const std::string page = one_line(body(render({{"bench.json", vitrim::to_json(result)}}, "t")));
  EXPECT_EQ(numbers(page, "lede"), "1.37 1");
  EXPECT_EQ(count(page, "data-chart=\"bench\""), 1u);
  EXPECT_TRUE(contains(page, "0.83 TFLOP/s"));
  EXPECT_TRUE(contains(page, ">1.30\u20131.45<"));
}

TEST(Report, AccuracyAgainstSpeed) {
  auto compress = fixture::compress();
  compress.output = "swept/smaller.safetensors";
  const vitrim::PeerResults peers{{{"another runtime", 32, 160.0, 0.81, {}}, {"elsewhere", 7, 1.0, 0.5, {}}}};
  EXPECT_EQ(vitrim::to_json(vitrim::peer_results_from_json(vitrim::to_json(peers), "copy")),
            vitrim::to_json(peers));
  const std::string page = one_line(body(render({{"c.json", vitrim::to_json(compress)},
                                                 {"bench.json", vitrim::to_json(fixture::bench())},
                                                 {"peers.json", vitrim::to_json(peers)}},
                                                "t")));
  EXPECT_EQ(count(page, "data-chart=\"latency\""), 1u);
  // Two models at two batch sizes and the peer at one of them; the other peer's batch size was not timed.
  EXPECT_EQ(count(page, "\"rate\":"), 4u + 1u + 4u);  // and the four of the bench figure
  EXPECT_TRUE(contains(page, "\"kind\":\"other programs\",\"low\":0.81"));
  EXPECT_FALSE(contains(page, "elsewhere"));
  // Evaluations of other files are no rows of bench.
  compress.output = "other.safetensors";
  compress.dense.reset();
  EXPECT_EQ(count(body(render({{"c.json", vitrim::to_json(compress)},
                               {"bench.json", vitrim::to_json(fixture::bench())}},
                              "t")),
                  "data-chart=\"latency\""),
            0u);
  for (const char* wrong : {R"({"batch":0,"images_per_second":1,"accuracy":0.5)",
                            R"({"batch":1,"images_per_second":0,"accuracy":0.5)",
                            R"({"batch":1,"images_per_second":1,"accuracy":81.2)"}) {
    EXPECT_THROW(
        vitrim::peer_results_from_json(
            R"({"kind":"peers","version":1,"rows":[)" + std::string(wrong) + R"(,"name":"x"}]})", "p"),
        vitrim::FormatError)
        << wrong;
  }
}

TEST(Report, PlansAreTold) {
  const auto result = fixture::planned();
  EXPECT_EQ(vitrim::to_json(vitrim::plan_result_from_json(vitrim::to_json(result), "copy")),
            vitrim::to_json(result));
  EXPECT_EQ(vitrim::to_json(vitrim::latency_table_from_json(vitrim::to_json(*result.table), "copy")),
            vitrim::to_json(*result.table));
  const std::string page = one_line(body(render({{"plan.json", vitrim::to_json(result)}}, "t")));
  EXPECT_EQ(numbers(page, "lede"), "90 251");
  EXPECT_EQ(count(page, "data-chart=\"plan\""), 1u);
  EXPECT_EQ(count(page, "data-chart=\"plan-latency\""), 1u);
  EXPECT_TRUE(
      contains(page, "without attention 0, 1; heads of 48; 8 pairs a block (over the budget as measured)"));
  EXPECT_TRUE(contains(page, "Note: 2 removed, width 48: built, it takes 3.600 ms."));
  EXPECT_TRUE(contains(page, "rank agreement (Kendall) 1.00. 1 more candidates"));
  EXPECT_TRUE(contains(page, "rank agreement (Kendall) 0.94."));
  EXPECT_TRUE(contains(page, ">\u22122.7 %<"));  // 3.6 ms for 3.7
  EXPECT_TRUE(contains(page, "vitrim plan model.safetensors"));
}

}  // namespace
