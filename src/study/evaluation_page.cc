#include "study/evaluation_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "base/file.h"
#include "study/curves.h"
#include "study/html.h"

namespace scalekv::study {
namespace {

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
