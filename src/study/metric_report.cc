#include "study/metric_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/strict_json.h"
#include "study/html.h"
#include "study/metrics.h"
#include "study/resize.h"

namespace scalekv::study {
namespace {

constexpr std::int64_t kPictureSide = 256;

// The table as texts; the first row is the header.
std::vector<std::vector<std::string>> table(const std::vector<ReportRow>& rows) {
  const auto any = [&](auto has) { return std::any_of(rows.begin(), rows.end(), has); };
  const bool settings = any([](const ReportRow& row) { return !row.record.settings.empty(); });
  const bool timed = any([](const ReportRow& row) { return row.record.seconds.has_value(); });
  const bool lpips = any([](const ReportRow& row) { return row.means.lpips.has_value(); });
  const bool fid = any([](const ReportRow& row) { return row.fid.has_value(); });
  const bool kid = any([](const ReportRow& row) { return row.kid.has_value(); });
  const auto number = [](const std::optional<double>& value, int digits) {
    return value ? fmt::format("{:.{}f}", *value, digits) : std::string("-");
  };
  std::vector<std::vector<std::string>> cells = {{"folder"}};
  const auto add = [&](bool wanted, const char* title, const auto& cell) {
    if (!wanted) return;
    cells[0].emplace_back(title);
    for (std::size_t i = 0; i < rows.size(); ++i) cells[i + 1].push_back(cell(rows[i]));
  };
  for (const ReportRow& row : rows) cells.push_back({row.folder});
  add(settings, "settings",
      [](const ReportRow& row) { return row.record.settings.empty() ? "-" : row.record.settings; });
  add(timed, "KV peak, KiB", [](const ReportRow& row) {
    return row.record.kv_bytes_peak ? fmt::format("{}", *row.record.kv_bytes_peak / 1024) : std::string("-");
  });
  add(timed, "of full", [](const ReportRow& row) {
    if (!row.record.kv_bytes_peak) return std::string("-");
    return fmt::format("{:.1f}%", 100.0 * static_cast<double>(*row.record.kv_bytes_peak) /
                                      static_cast<double>(*row.record.kv_bytes_peak_full));
  });
  add(timed, "s a picture", [&](const ReportRow& row) { return number(row.record.seconds, 2); });
  add(true, "pairs", [](const ReportRow& row) { return fmt::format("{}", row.means.pairs); });
  add(true, "identical", [](const ReportRow& row) { return fmt::format("{}", row.means.identical); });
  add(true, "PSNR, dB", [&](const ReportRow& row) { return number(row.means.psnr, 2); });
  add(true, "SSIM", [&](const ReportRow& row) { return number(row.means.ssim, 4); });
  add(lpips, "LPIPS", [&](const ReportRow& row) { return number(row.means.lpips, 4); });
  add(fid, "FID", [&](const ReportRow& row) { return number(row.fid, 3); });
  add(kid, "KID", [&](const ReportRow& row) { return number(row.kid, 6); });
  return cells;
}

std::string escape(const std::string& text, std::string_view special) {
  std::string escaped;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) escaped.push_back('\\');
    escaped.push_back(c);
  }
  return escaped;
}

// Text that neither ends a table's cell nor begins markup.
std::string markdown_escape(const std::string& text) { return escape(text, "|\\`*_[]<>#"); }

// A picture in Markdown; `place` is the folder that the text will lie in.
std::string markdown_picture(const char* title, const std::filesystem::path& path, const std::filesystem::path& place) {
  const std::string address = std::filesystem::proximate(path, place.empty() ? "." : place).generic_string();
  return fmt::format("![{}](<{}>)", title, escape(address, "\\<>"));
}

std::string strip_html(const ReportPair& pair) {
  const Image b = Image::read(pair.files.b);
  Image a = Image::read(pair.files.a);
  if (a.width != b.width || a.height != b.height) a = resize_photograph(a, b.height, b.width);
  std::string html = fmt::format("<figure><figcaption>{}: {}, {:.2f} dB</figcaption>", pair.rank,
                                 html_escape(pair.files.name), pair.psnr);
  for (const auto& [image, title] :
       {std::pair(a, "full cache"), std::pair(b, "compressed"), std::pair(difference_image(a, b), "difference, 4x")}) {
    html += fmt::format("<img alt=\"{0}\" title=\"{0}\" src=\"{1}\">", title, picture_address(image, kPictureSide));
  }
  return html + "</figure>\n";
}

std::string read_settings(const std::filesystem::path& path) {
  const nlohmann::json json = parse_strict_json(read_file(path), path.string());
  if (!json.is_object() || !json.contains("settings") || !json["settings"].is_object()) {
    fail("{} is not what scalekv sample writes; move it away to go on without it", path.string());
  }
  std::string text;
  for (const char* key : {"policy", "budget"}) {
    const nlohmann::json& settings = json["settings"];
    if (!settings.contains(key)) continue;
    const nlohmann::json& value = settings[key];
    text += (text.empty() ? "" : ", ") + (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

// Sums over the pictures of a run whose manifests tell time and bytes; a last line that was cut short is left out.
class Totals {
 public:
  void read(const std::filesystem::path& manifest) {
    const std::string content = read_file(manifest);
    for (const std::string_view line : whole_lines(content)) {
      add(parse_strict_json(line, manifest.string()), manifest);
    }
  }

  void write(SampleRecord& record) const {
    if (pictures_ == 0) return;
    record.seconds = seconds_ / static_cast<double>(pictures_);
    record.kv_bytes_peak = kv_;
    record.kv_bytes_peak_full = kv_full_;
  }

 private:
  void add(const nlohmann::json& picture, const std::filesystem::path& manifest) {
    if (!picture.contains("seconds")) return;  // of an earlier version
    try {
      seconds_ += picture.at("seconds").get<double>();
      kv_ = std::max(kv_, picture.at("kv_bytes_peak").get<std::int64_t>());
      kv_full_ = std::max(kv_full_, picture.at("kv_bytes_peak_full").get<std::int64_t>());
      ++pictures_;
    } catch (const nlohmann::json::exception&) {
      fail("{} is not what scalekv sample writes; move it away to go on without it", manifest.string());
    }
  }

  double seconds_ = 0.0;
  std::int64_t pictures_ = 0, kv_ = 0, kv_full_ = 0;
};

}  // namespace

std::vector<ReportPair> pick_strip(const std::vector<PairMetrics>& metrics, const std::vector<PicturePair>& pairs) {
  SCALEKV_ASSERT(metrics.size() == pairs.size());
  std::vector<std::size_t> order(pairs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t i, std::size_t j) { return metrics[i].psnr > metrics[j].psnr; });
  std::vector<ReportPair> strip;
  const auto pick = [&](const char* rank, std::size_t place) {
    strip.push_back({rank, pairs[order[place]], metrics[order[place]].psnr});
  };
  if (!order.empty()) pick("best", 0);
  if (order.size() > 2) pick("median", order.size() / 2);
  if (order.size() > 1) pick("worst", order.size() - 1);
  return strip;
}

std::string markdown_report(const std::string& full, const std::vector<ReportRow>& rows,
                            const std::filesystem::path& place) {
  std::string text = fmt::format("# Pictures compared with {}\n\n", markdown_escape(full));
  const std::vector<std::vector<std::string>> cells = table(rows);
  for (std::size_t row = 0; row < cells.size(); ++row) {
    for (const std::string& cell : cells[row]) text += fmt::format("| {} ", markdown_escape(cell));
    text += "|\n";
    if (row > 0) continue;
    for (std::size_t i = 0; i < cells[row].size(); ++i) text += "| --- ";
    text += "|\n";
  }
  for (const ReportRow& row : rows) {
    text += fmt::format("\n## {}\n\n", markdown_escape(row.folder));
    for (const std::string& remark : row.remarks) text += markdown_escape(remark) + "\n\n";
    for (const ReportPair& pair : row.strip) {
      text += fmt::format("{}: {}, {:.2f} dB\n\n{} {}\n\n", pair.rank, markdown_escape(pair.files.name), pair.psnr,
                          markdown_picture("full cache", pair.files.a, place),
                          markdown_picture("compressed", pair.files.b, place));
    }
  }
  return text;
}

std::string html_report(const std::string& full, const std::vector<ReportRow>& rows) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Pictures compared with {0}</title>\n"
      "<style>body{{font-family:sans-serif;margin:2em;max-width:60em}}table{{border-collapse:collapse}}"
      "th,td{{border:1px solid #bbb;padding:.3em "
      ".7em;text-align:right}}th:first-child,td:first-child{{text-align:left}}"
      "figure{{margin:1em 0}}img{{max-width:30%;margin-right:.5em}}</style></head><body>\n"
      "<h1>Pictures compared with {0}</h1>\n<table>\n",
      html_escape(full));
  const std::vector<std::vector<std::string>> cells = table(rows);
  for (std::size_t row = 0; row < cells.size(); ++row) {
    html += "<tr>";
    for (const std::string& cell : cells[row])
      html += fmt::format("<{0}>{1}</{0}>", row == 0 ? "th" : "td", html_escape(cell));
    html += "</tr>\n";
  }
  html += "</table>\n";
  for (const ReportRow& row : rows) {
    html += fmt::format("<h2>{}</h2>\n", html_escape(row.folder));
    for (const std::string& remark : row.remarks) html += fmt::format("<p>{}</p>\n", html_escape(remark));
    for (const ReportPair& pair : row.strip) html += strip_html(pair);
  }
  return html + "</body></html>\n";
}

SampleRecord read_sample_record(const std::filesystem::path& folder) {
  std::filesystem::path run = folder.has_filename() ? folder : folder.parent_path();
  run += ".run";
  SampleRecord record;
  if (!std::filesystem::exists(run / "settings.json")) return record;
  record.settings = read_settings(run / "settings.json");
  Totals totals;
  for (const auto& file : std::filesystem::directory_iterator(run)) {
    const std::string name = file.path().filename().string();
    if (name.starts_with("manifest-") && name.ends_with(".jsonl")) totals.read(file.path());
  }
  totals.write(record);
  return record;
}

}  // namespace scalekv::study
