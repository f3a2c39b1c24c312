#include "eval/metric_report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <limits>

#include "core/error.h"
#include "core/file.h"
#include "eval/html.h"

namespace scalekv::eval {
namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

ReportRow row(const std::string& folder) {
  ReportRow row{.folder = folder, .settings = "", .means = {}, .fid = {}, .kid = {}, .strip = {}};
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

TEST(MetricReport, SettingsComeFromBesideTheFolder) {
  const std::filesystem::path root =
      std::filesystem::temp_directory_path() / fmt::format("scalekv-report-{}", ::getpid());
  std::filesystem::create_directories(root / "b.run");
  EXPECT_EQ(sample_settings(root / "b"), "") << "no file yet";
  const auto settings = root / "b.run/settings.json";
  write_file(settings, R"({"format": "scalekv.sample", "settings": {"budget": "0.1", "policy": "h2o"}})");
  EXPECT_EQ(sample_settings(root / "b"), "h2o, 0.1");
  EXPECT_EQ(sample_settings(root / "b/"), "h2o, 0.1");
  write_file(settings, "[]");
  EXPECT_THROW(static_cast<void>(sample_settings(root / "b")), Error);
  write_file(settings, "{");
  EXPECT_THROW(static_cast<void>(sample_settings(root / "b")), Error);
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace scalekv::eval
