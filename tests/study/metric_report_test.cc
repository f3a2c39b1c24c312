#include "study/metric_report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "study/html.h"

namespace scalekv::study {
namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

ReportRow row(const std::string& folder) {
  ReportRow row{.folder = folder, .record = {}, .means = {}, .fid = {}, .kid = {}, .remarks = {}, .strip = {}};
  row.means = {4, 1, 22.5, 0.75, std::nullopt};
  return row;
}

TEST(MetricReport, StripIsBestMedianWorst) {
  std::vector<PairMetrics> metrics;
  std::vector<PicturePair> pairs;
  for (const double psnr : {20.0, std::numeric_limits<double>::infinity(), 30.0, 10.0, 25.0}) {
    pairs.push_back({std::to_string(pairs.size()), "", ""});
    metrics.push_back({pairs.back().name, psnr, 0.5, {}});
  }
  const std::vector<ReportPair> strip = pick_strip(metrics, pairs);
  ASSERT_EQ(strip.size(), 3U);
  EXPECT_EQ(strip[0].files.name, "1");
  EXPECT_EQ(strip[1].files.name, "4");
  EXPECT_EQ(strip[2].files.name, "3");
  metrics.resize(1), pairs.resize(1);
  EXPECT_EQ(pick_strip(metrics, pairs).size(), 1U);
}

TEST(MetricReport, ColumnsAreThoseThatWereMeasured) {
  ReportRow with = row("b|c");
  with.means.lpips = 0.125;
  with.fid = 2.5;
  const std::string text = markdown_report("full", {row("a"), with}, "");
  EXPECT_TRUE(has(text, "| folder | pairs | identical | PSNR, dB | SSIM | LPIPS | FID |\n")) << text;
  EXPECT_TRUE(has(text, "| a | 4 | 1 | 22.50 | 0.7500 | - | - |\n")) << text;
  EXPECT_TRUE(has(text, "| b\\|c | 4 | 1 | 22.50 | 0.7500 | 0.1250 | 2.500 |\n")) << text;
  with.record = {.settings = "scalekv, 10%", .seconds = 1.25, .kv_bytes_peak = 2048, .kv_bytes_peak_full = 8192};
  const std::string sampled = markdown_report("full", {row("a"), with}, "");
  EXPECT_TRUE(has(sampled, "| folder | settings | KV peak, KiB | of full | s a picture | pairs |")) << sampled;
  EXPECT_TRUE(has(sampled, "| a | - | - | - | - | 4 |")) << sampled;
  EXPECT_TRUE(has(sampled, "| b\\|c | scalekv, 10% | 2 | 25.0% | 1.25 | 4 |")) << sampled;
}

TEST(MetricReport, MarkdownShowsPicturesFromWhereItLies) {
  ReportRow with = row("b");
  with.strip.push_back({"best", {"0_0", "out/a/0_0.png", "out/b/<0>.png"}, 13.8});
  const std::string text = markdown_report("full", {with}, "out");
  EXPECT_TRUE(has(text, "best: 0\\_0, 13.80 dB\n\n![full cache](<a/0_0.png>) ![compressed](<b/\\<0\\>.png>)\n"))
      << text;
  EXPECT_TRUE(has(markdown_report("full", {with}, ""), "![full cache](<out/a/0_0.png>)"));
}

TEST(MetricReport, PageHoldsItsPictures) {
  const std::filesystem::path shapes = std::filesystem::path(SCALEKV_SOURCE_DIR) / "tests/data/shapes";
  ReportRow hostile = row("<script>");
  hostile.strip.push_back({"best", {"00", shapes / "00.png", shapes / "01.png"}, 13.8});
  const std::string html = html_report("full", {hostile});
  EXPECT_FALSE(has(html, "<script>"));
  EXPECT_TRUE(has(html, "&lt;script&gt;"));
  EXPECT_TRUE(has(html, "src=\"data:image/png;base64,iVBORw0KGgo"));
  EXPECT_FALSE(has(html, "http"));
  hostile.strip.back().files.b = shapes / "none.png";
  EXPECT_THROW(html_report("full", {hostile}), Error);
}

TEST(SampleRecord, ComesFromBesideTheFolder) {
  const std::filesystem::path root =
      std::filesystem::temp_directory_path() / fmt::format("scalekv-report-{}", ::getpid());
  std::filesystem::create_directories(root / "b.run");
  const auto record = [&] { return read_sample_record(root / "b"); };
  EXPECT_EQ(record().settings, "") << "no file yet";
  const auto settings = root / "b.run/settings.json";
  write_file(settings, R"({"format": "scalekv.sample", "settings": {"budget": "0.1", "policy": "h2o"}})");
  EXPECT_EQ(record().settings, "h2o, 0.1");
  EXPECT_FALSE(record().seconds);
  EXPECT_EQ(read_sample_record(root / "b/").settings, "h2o, 0.1");

  const auto manifest = root / "b.run/manifest-0-of-1-rank-0.jsonl";
  write_file(manifest,
             "{\"file\": \"0.png\"}\n"
             "{\"seconds\": 1, \"kv_bytes_peak\": 10, \"kv_bytes_peak_full\": 80}\n"
             "{\"seconds\": 2, \"kv_bytes_peak\": 20, \"kv_bytes_peak_full\": 90}\n{\"seconds\": 9");
  EXPECT_EQ(record().seconds, 1.5);
  EXPECT_EQ(record().kv_bytes_peak, 20);
  EXPECT_EQ(record().kv_bytes_peak_full, 90);
  write_file(manifest, "{\"seconds\": \"long\"}\n");
  EXPECT_THROW(static_cast<void>(record()), Error);
  std::filesystem::remove(manifest);

  write_file(settings, "[]");
  EXPECT_THROW(static_cast<void>(record()), Error);
  write_file(settings, "{");
  EXPECT_THROW(static_cast<void>(record()), Error);
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace scalekv::study
