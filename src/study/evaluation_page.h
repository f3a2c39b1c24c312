// The results of an evaluation as one HTML page that needs no other file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "study/evaluation_table.h"

namespace scalekv::study {

struct PagePicture {
  std::string caption;
  std::filesystem::path file;  // PNG
};

// Pictures beside each other: one prompt under several settings, the full cache's first.
struct PageStrip {
  std::string title;
  std::vector<PagePicture> pictures;
};

// Curves of every measure over the bytes, the tables, strips of pictures and sheets of kept tokens. Throws Error where
// a picture cannot be read.
std::string evaluation_page(const std::string& model, const std::vector<EvaluationRow>& rows,
                            const std::vector<PageStrip>& strips, const PageStrip& token_sheets);

// KL over KV bytes, a line a policy: the page's first curve, for documents.
std::string divergence_curves(const std::vector<EvaluationRow>& rows);

}  // namespace scalekv::study
