#include "study/evaluation_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "runtime/philox.h"
#include "study/curves.h"
#include "study/html.h"

namespace scalekv::study {
namespace {

template <typename Get>
Estimate estimate(const std::vector<Sample>& samples, const Get& get) {
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(get(sample));
  return bootstrap_mean(values);
}

// values += term / count, entry by entry.
void add_mean(std::vector<double>& values, const std::vector<double>& term, std::size_t count) {
  values.resize(term.size());
  for (std::size_t i = 0; i < term.size(); ++i) values[i] += term[i] / static_cast<double>(count);
}

// The measures of a row that have intervals, in the order to show them.
std::vector<std::pair<const char*, const Estimate*>> measures(const EvaluationRow& row) {
  std::vector<std::pair<const char*, const Estimate*>> list = {
      {"psnr", &row.psnr}, {"ssim", &row.ssim}, {"kl", &row.kl}, {"bit_agreement", &row.bit_agreement}};
  if (row.shapes_score) list.emplace_back("shapes_score", &*row.shapes_score);
  list.emplace_back("seconds", &row.seconds);
  return list;
}

std::string with_interval(const Estimate& estimate, int digits) {
  return fmt::format("{:.{}f} [{:.{}f}, {:.{}f}]", estimate.mean, digits, estimate.low, digits, estimate.high, digits);
}

void add_markdown_table(std::string& text, std::vector<EvaluationRow> rows) {
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.kl.mean < b.kl.mean; });
  const bool judged = rows.front().shapes_score.has_value();
  text += fmt::format("Budget {:g}%, {} images.\n\n", rows.front().budget * 100.0, rows.front().images);
  text += "| policy | KV peak, bytes (of full) | KL, 1e-3 nats a bit | PSNR, dB | SSIM | bit agreement |";
  text += judged ? " shapes score | seconds |\n" : " seconds |\n";
  text +=
      judged ? "| --- | --- | --- | --- | --- | --- | --- | --- |\n" : "| --- | --- | --- | --- | --- | --- | --- |\n";
  for (const EvaluationRow& row : rows) {
    const Estimate kl{row.kl.mean * 1e3, row.kl.low * 1e3, row.kl.high * 1e3};
    text += fmt::format("| {} | {} ({:.1f}%) | {} | {} | {} | {} |", row.policy, row.kv_bytes, row.kv_share * 100.0,
                        with_interval(kl, 3), with_interval(row.psnr, 2), with_interval(row.ssim, 3),
                        with_interval(row.bit_agreement, 4));
    if (row.shapes_score) text += fmt::format(" {} |", with_interval(*row.shapes_score, 3));
    text += fmt::format(" {} |\n", with_interval(row.seconds, 3));
  }
  text += "\n";
}

constexpr const char* kStyle =
    "body{font-family:sans-serif;max-width:1200px;margin:24px auto;padding:0 16px;color:#222}"
    "table{border-collapse:collapse;font-size:13px}td,th{border:1px solid #ccc;padding:3px 8px;text-align:right}"
    "td:first-child,th:first-child{text-align:left}.strip{display:flex;flex-wrap:wrap;gap:8px}"
    "figure{margin:0}figcaption{font-size:11px;text-align:center}";

std::string strip_html(const PageStrip& strip) {
  std::string html = fmt::format("<h3>{}</h3>\n<div class=\"strip\">\n", html_escape(strip.title));
  for (const PagePicture& picture : strip.pictures) {
    html += fmt::format("<figure><img src=\"{}\"><figcaption>{}</figcaption></figure>\n",
                        png_address(read_file(picture.file)), html_escape(picture.caption));
  }
  return html + "</div>\n";
}

const CurveAxis kBytes = {.name = "KV cache at its peak, KiB"};

using Measure = std::function<Estimate(const EvaluationRow&)>;

std::vector<Curve> make_curves(const std::vector<EvaluationRow>& rows, const Measure& measure) {
  std::vector<Curve> curves;
  for (const EvaluationRow& row : rows) {
    if (row.budget >= 1.0) continue;  // what the others are measured against
    auto curve = std::find_if(curves.begin(), curves.end(), [&](const Curve& c) { return c.name == row.policy; });
    if (curve == curves.end()) curve = curves.insert(curves.end(), Curve{row.policy, {}});
    curve->points.push_back({static_cast<double>(row.kv_bytes) / 1024.0, measure(row)});
  }
  for (Curve& curve : curves) {
    std::stable_sort(curve.points.begin(), curve.points.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
  }
  return curves;
}

std::string table_html(const std::vector<EvaluationRow>& rows) {
  std::string html =
      "<table>\n<tr><th>policy</th><th>budget</th><th>images</th><th>KV peak, KiB</th><th>of full</th>"
      "<th>KL, 1e-3 nats a bit</th><th>PSNR, dB</th><th>SSIM</th><th>bit agreement</th><th>shapes score</th>"
      "<th>seconds</th></tr>\n";
  const auto cell = [](const Estimate& e, double factor, int digits) {
    return fmt::format("<td>{:.{}f} <small>[{:.{}f}, {:.{}f}]</small></td>", e.mean * factor, digits, e.low * factor,
                       digits, e.high * factor, digits);
  };
  for (const EvaluationRow& row : rows) {
    html +=
        fmt::format("<tr><td>{}</td><td>{:g}%</td><td>{}</td><td>{:.1f}</td><td>{:.1f}%</td>", row.policy,
                    row.budget * 100.0, row.images, static_cast<double>(row.kv_bytes) / 1024.0, row.kv_share * 100.0);
    html += cell(row.kl, 1e3, 2) + cell(row.psnr, 1.0, 2) + cell(row.ssim, 1.0, 3) + cell(row.bit_agreement, 1.0, 4);
    html += row.shapes_score ? cell(*row.shapes_score, 1.0, 3) : "<td></td>";
    html += cell(row.seconds, 1.0, 3) + "</tr>\n";
  }
  return html + "</table>\n";
}

}  // namespace

EvaluationRow make_row(const PolicySetting& setting, const SettingBytes& bytes, const std::vector<Sample>& samples) {
  SCALEKV_ASSERT(!samples.empty());
  EvaluationRow row{.policy = setting.policy,
                    .budget = setting.budget,
                    .kv_bytes = bytes.peak,
                    .kv_share = bytes.share,
                    .paper_megabytes = bytes.paper_megabytes,
                    .images = samples.size(),
                    .psnr = estimate(samples, [](const Sample& s) { return s.psnr; }),
                    .ssim = estimate(samples, [](const Sample& s) { return s.ssim; }),
                    .kl = estimate(samples, [](const Sample& s) { return s.divergence.kl; }),
                    .bit_agreement = estimate(samples, [](const Sample& s) { return s.divergence.agreement; }),
                    .seconds = estimate(samples, [](const Sample& s) { return s.seconds; }),
                    .shapes_score = std::nullopt,
                    .scale_kl = {},
                    .scale_bit_agreement = {}};
  if (samples.front().right) {
    row.shapes_score = estimate(samples, [](const Sample& s) { return s.right.value_or(false) ? 1.0 : 0.0; });
  }
  for (const Sample& sample : samples) {
    add_mean(row.scale_kl, sample.divergence.scale_kl, samples.size());
    add_mean(row.scale_bit_agreement, sample.divergence.scale_agreement, samples.size());
  }
  return row;
}

std::string to_json(const std::vector<EvaluationRow>& rows, std::uint64_t seed) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const EvaluationRow& row : rows) {
    nlohmann::ordered_json json = {{"policy", row.policy},
                                   {"budget", row.budget},
                                   {"seed", seed},
                                   {"images", row.images},
                                   {"kv_bytes_peak", row.kv_bytes},
                                   {"kv_share", row.kv_share},
                                   {"kv_paper_mb", row.paper_megabytes}};
    for (const auto& [name, measure] : measures(row)) {
      json[name] = measure->mean;
      json[fmt::format("{}_ci", name)] = {measure->low, measure->high};
    }
    json["scale_kl"] = row.scale_kl;
    json["scale_bit_agreement"] = row.scale_bit_agreement;
    list.push_back(std::move(json));
  }
  return list.dump(1) + "\n";
}

std::string to_csv(const std::vector<EvaluationRow>& rows) {
  std::string text = "policy,budget,images,kv_bytes_peak,kv_share,kv_paper_mb";
  if (rows.empty()) return text + "\n";
  for (const auto& [name, measure] : measures(rows.front())) text += fmt::format(",{0},{0}_low,{0}_high", name);
  text += "\n";
  for (const EvaluationRow& row : rows) {
    text += fmt::format("{},{},{},{},{},{}", row.policy, row.budget, row.images, row.kv_bytes, row.kv_share,
                        row.paper_megabytes);
    for (const auto& [name, measure] : measures(row)) {
      text += fmt::format(",{},{},{}", measure->mean, measure->low, measure->high);
    }
    text += "\n";
  }
  return text;
}

std::string to_markdown(const std::vector<EvaluationRow>& rows) {
  std::map<double, std::vector<EvaluationRow>, std::greater<>> by_budget;
  for (const EvaluationRow& row : rows) by_budget[row.budget].push_back(row);
  std::string text;
  for (const auto& [budget, group] : by_budget) add_markdown_table(text, group);
  return text;
}

Estimate bootstrap_mean(std::span<const double> values) {
  SCALEKV_ASSERT(!values.empty());
  constexpr std::uint32_t kResamples = 1000;
  constexpr std::uint64_t kSeed = 20251126;
  const auto count = static_cast<double>(values.size());
  std::vector<double> means;
  for (std::uint32_t resample = 0; resample < kResamples; ++resample) {
    double sum = 0.0;
    for (std::uint32_t i = 0; i < values.size(); ++i) {
      const auto picked = static_cast<std::size_t>(double{uniform(kSeed, {resample, i, 0, 0})} * count);
      sum += values[picked];
    }
    means.push_back(sum / count);
  }
  std::sort(means.begin(), means.end());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  return {mean, means[kResamples / 40], means[kResamples - 1 - kResamples / 40]};
}

std::string divergence_curves(const std::vector<EvaluationRow>& rows) {
  return curves_svg("Divergence of the bits from the full cache's (lower is better)", kBytes,
                    {.name = "KL, nats a bit", .logarithmic = true},
                    make_curves(rows, [](const EvaluationRow& row) { return row.kl; }));
}

std::string evaluation_page(const std::string& model, const std::vector<EvaluationRow>& rows,
                            const std::vector<PageStrip>& strips, const PageStrip& token_sheets) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Cache policies on {0}</title><style>{1}"
      "</style></head><body>\n<h1>Cache policies on {0}</h1>\n<p>Every policy draws the same prompts from the same "
      "seeds as the full cache. Intervals: 95%, bootstrap. KL and bit agreement: fed with the full cache's bits.</p>\n",
      html_escape(model), kStyle);
  html += divergence_curves(rows);
  html += curves_svg("PSNR against the full cache's picture", kBytes, {.name = "dB"},
                     make_curves(rows, [](const EvaluationRow& row) { return row.psnr; }));
  html += curves_svg("SSIM against the full cache's picture", kBytes, {.name = "SSIM"},
                     make_curves(rows, [](const EvaluationRow& row) { return row.ssim; }));
  if (!rows.empty() && rows.front().shapes_score) {
    html +=
        curves_svg("Pictures that show what was asked for", kBytes, {.name = "share"},
                   make_curves(rows, [](const EvaluationRow& row) { return row.shapes_score.value_or(Estimate()); }));
  }
  html += "<h2>Figures</h2>\n" + table_html(rows);
  if (!strips.empty()) html += "<h2>Pictures</h2>\n";
  for (const PageStrip& strip : strips) html += strip_html(strip);
  if (!token_sheets.pictures.empty()) {
    html += "<h2>What every layer (down) and head (across) holds when the last scale begins</h2>\n";
    html += strip_html(token_sheets);
  }
  return html + "</body></html>\n";
}

}  // namespace scalekv::study
