#include "text/special_tokens.h"

#include "core/error.h"
#include "text/utf8.h"

namespace scalekv::text {

void SpecialTokens::add(const std::string& token, SpecialToken meaning) {
  SCALEKV_ASSERT(token.size() >= 2 && token.rfind('<') == 0 && token.find('>') == token.size() - 1);
  tokens_.emplace(token, meaning);
}

std::map<std::string, SpecialToken, std::less<>>::const_iterator SpecialTokens::find(std::string_view text) const {
  const std::size_t close = text.find_first_of("<>", 1);
  return close == std::string_view::npos ? tokens_.end() : tokens_.find(text.substr(0, close + 1));
}

std::vector<Span> SpecialTokens::split(std::string_view prompt) const {
  std::vector<Span> spans;
  std::size_t begin = 0;     // of the ordinary text under way
  bool strip_start = false;  // it follows a token that strips
  const auto add_text = [&](std::size_t end, bool strip_end) {
    std::string_view text = prompt.substr(begin, end - begin);
    if (strip_start) text = strip_left(text);
    if (strip_end) text = strip_right(text);
    if (!text.empty()) spans.push_back({text, std::nullopt});
  };
  for (std::size_t i = prompt.find('<'); i != std::string_view::npos; i = prompt.find('<', i)) {
    const auto token = find(prompt.substr(i));
    if (token == tokens_.end()) {
      ++i;
      continue;
    }
    add_text(i, token->second.strips);
    spans.push_back({prompt.substr(i, token->first.size()), token->second.id});
    i += token->first.size();
    begin = i;
    strip_start = token->second.strips;
  }
  add_text(prompt.size(), false);
  return spans;
}

}  // namespace scalekv::text
