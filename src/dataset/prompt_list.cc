#include "dataset/prompt_list.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"
#include "base/strict_json.h"
#include "base/utf8.h"
#include "dataset/prompt_names.h"
#include "dataset/readers.h"

namespace scalekv::dataset {
namespace {

constexpr std::array<std::string_view, 6> kLayoutNames = {"list", "coco", "geneval", "dpg", "hpsv2", "imagereward"};
constexpr std::uintmax_t kMaxFileBytes = std::uintmax_t{256} << 20;
constexpr std::size_t kMaxPrompts = 1'000'000;
constexpr std::size_t kMaxPromptBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxNameBytes = 128;

// The end of a file's name in lower case.
std::string kind_of(const std::filesystem::path& path) { return ascii_lower(path.extension().string()); }

// The first line that is not blank, and whether another one that begins as an object does follows it.
struct Opening {
  std::string_view line;
  bool objects = false;
};

Opening find_opening(std::string_view content) {
  const std::string_view rest = trim(content);
  const std::string_view line = trim(rest.substr(0, rest.find('\n')));
  const std::string_view next = trim(rest.substr(std::min(line.size(), rest.size())));
  return {line, line.starts_with('{') && line.ends_with('}') && next.starts_with('{')};
}

// The bytes of a file. Throws Error where they are too many.
std::string read_limited(const std::filesystem::path& path) {
  std::error_code failed;
  const std::uintmax_t size = std::filesystem::file_size(path, failed);
  if (!failed && size > kMaxFileBytes) {
    fail("{} has {} MB; lists of at most {} MB are read", path.string(), size >> 20, kMaxFileBytes >> 20);
  }
  return read_file(path);
}

// What a prompt must have for a layout: the member that holds it, and how to say so.
struct Need {
  std::string Prompt::*member;
  const char* what;
};

std::optional<Need> need_of(Layout layout) {
  switch (layout) {
    case Layout::geneval:
      return Need{&Prompt::metadata, "GenEval's metadata (evaluation_metadata.jsonl)"};
    case Layout::dpg:
      return Need{&Prompt::id, "names (a folder of .txt files)"};
    case Layout::imagereward:
      return Need{&Prompt::id, "an \"id\" (benchmark-prompts.json)"};
    case Layout::hpsv2:
      return Need{&Prompt::style, "a style (anime.json, concept-art.json, ...)"};
    default:
      return {};
  }
}

}  // namespace

std::string_view layout_name(Layout layout) { return kLayoutNames.at(static_cast<std::size_t>(layout)); }

std::vector<std::string> layouts() { return {kLayoutNames.begin(), kLayoutNames.end()}; }

Layout parse_layout(std::string_view name) {
  const auto found = std::find(kLayoutNames.begin(), kLayoutNames.end(), name);
  if (found == kLayoutNames.end()) {
    fail_usage("there is no layout {}; choose {}", in_quotes(name), fmt::join(kLayoutNames, ", "));
  }
  return static_cast<Layout>(found - kLayoutNames.begin());
}

bool is_file_name(std::string_view name) {
  const auto allowed = [](unsigned char c) {
    return c >= 0x80 || std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= kMaxNameBytes && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), allowed);
}

void PromptCollector::add(Prompt prompt, const std::string& where) {
  prompt.text = trim(prompt.text);
  if (prompt.text.empty()) fail("{}: the prompt is blank", where);
  if (prompt.text.size() > kMaxPromptBytes) {
    fail("{}: the prompt has {} bytes; at most {} are taken", where, prompt.text.size(), kMaxPromptBytes);
  }
  if (prompt.text.find('\0') != std::string::npos)
    fail("{}: the prompt holds a NUL character; save the file as UTF-8 text", where);
  for (const std::string* name : {&prompt.id, &prompt.style}) {
    if (!name->empty() && !is_file_name(*name)) {
      fail("{}: {} cannot name a file; use letters, digits, '-', '_' and '.'", where, in_quotes(*name));
    }
  }
  if (!prompt.id.empty() && !ids_.insert(prompt.id).second) {
    fail("{}: the id {} was there before", where, in_quotes(prompt.id));
  }
  if (list_.prompts.size() == kMaxPrompts) fail("{}: more than {} prompts are too many", where, kMaxPrompts);
  list_.prompts.push_back(std::move(prompt));
}

PromptList PromptCollector::finish(const std::filesystem::path& path) {
  if (list_.prompts.empty()) fail("{} holds no prompts", path.string());
  return std::move(list_);
}

std::string read_prompt_file(const std::filesystem::path& path) { return clean_text(read_limited(path), path); }

std::string clean_text(std::string content, const std::filesystem::path& path) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (content.starts_with(kByteOrderMark)) content.erase(0, kByteOrderMark.size());
  if (content.starts_with("\xFF\xFE") || content.starts_with("\xFE\xFF")) {
    fail("{}: the text is UTF-16 (\"Unicode\" in some editors); save the file as UTF-8", path.string());
  }
  const bool only_returns = content.find('\n') == std::string::npos;
  if (only_returns) std::replace(content.begin(), content.end(), '\r', '\n');
  if (const std::size_t at = find_invalid_utf8(content); at != std::string_view::npos) {
    const auto line = 1 + std::count(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    fail("{}, line {}: the text is not valid UTF-8; save the file as UTF-8", path.string(), line);
  }
  return content;
}

PromptList parse_prompt_list(std::string content, const std::filesystem::path& path) {
  content = clean_text(std::move(content), path);
  const std::string kind = kind_of(path);
  const Opening opening = find_opening(content);
  const bool document = opening.line == "{" || opening.line == "[";  // no prompt, and no JSON on one line
  if (document || (kind == ".json" && !opening.objects)) return read_json_prompts(content, path);
  if (kind == ".json" || kind == ".jsonl" || opening.line.starts_with('{')) {
    return read_prompt_lines(content, path, true);
  }
  if (kind == ".csv") return read_table_prompts(content, path, ',');
  const bool tabs = kind == ".tsv" && (prompt_rank(opening.line) || opening.line.find('\t') != std::string_view::npos);
  if (tabs || is_table(content)) return read_table_prompts(content, path, '\t');
  return read_prompt_lines(content, path, false);
}

PromptList read_prompt_list(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  if (!std::filesystem::exists(status)) fail("{} cannot be read: there is no such file or folder", path.string());
  if (std::filesystem::is_directory(status)) return read_prompt_folder(path);
  if (!std::filesystem::is_regular_file(status)) fail("{} is not a regular file", path.string());
  return parse_prompt_list(read_limited(path), path);
}

PromptList read_prompt_list(const std::filesystem::path& path, std::optional<Layout> layout) {
  PromptList list = read_prompt_list(path);
  if (!layout) return list;
  if (const auto need = need_of(*layout)) {
    const auto lacks = [&](const Prompt& prompt) { return (prompt.*need->member).empty(); };
    if (std::any_of(list.prompts.begin(), list.prompts.end(), lacks)) {
      fail_usage("{} cannot be laid out as {}: its prompts lack {}", path.string(), layout_name(*layout), need->what);
    }
  }
  list.layout = *layout;
  return list;
}

std::vector<std::string> read_prompts(const std::filesystem::path& path) {
  PromptList list = read_prompt_list(path);
  std::vector<std::string> texts;
  texts.reserve(list.prompts.size());
  for (Prompt& prompt : list.prompts) texts.push_back(std::move(prompt.text));
  return texts;
}

}  // namespace scalekv::dataset
