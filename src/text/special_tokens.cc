#include "text/special_tokens.h"

namespace scalekv::text {

std::vector<Span> SpecialTokens::split(std::string_view prompt) const {
  std::vector<Span> spans;
  std::size_t begin = 0;  // of the ordinary text under way
  const auto end_text = [&](std::size_t end) {
    if (end > begin) spans.push_back({prompt.substr(begin, end - begin), std::nullopt});
  };
  for (std::size_t i = 0; i < prompt.size();) {
    const Piece* token = nullptr;
    tokens_.visit_prefixes(prompt.substr(i), [&](const Piece& longer) { token = &longer; });
    if (token == nullptr) {
      ++i;
      continue;
    }
    end_text(i);
    spans.push_back({prompt.substr(i, token->text.size()), token->id});
    i += token->text.size();
    begin = i;
  }
  end_text(prompt.size());
  return spans;
}

}  // namespace scalekv::text
