#include "formats/foreign_file.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "base/strict_json.h"
#include "base/utf8.h"

namespace scalekv::formats {
namespace {

constexpr std::string_view kPublished = "download the published .pth or .safetensors file instead";
constexpr std::string_view kUnpack = "unpack it and give the model file inside";

struct Format {
  std::size_t at;  // where in the file the mark stands
  std::string_view mark;
  std::string_view what;
  std::string_view advice;
};

using namespace std::string_view_literals;

constexpr std::array kFormats = {
    Format{0, "GGUF"sv, "a GGUF file, which is not read here", kPublished},
    Format{0, "lmgg"sv, "a GGML file, which is not read here", kPublished},
    Format{0, "fmgg"sv, "a GGML file, which is not read here", kPublished},
    Format{0, "tjgg"sv, "a GGML file, which is not read here", kPublished},
    Format{0, "\x89HDF\r\n\x1a\n"sv, "an HDF5 file (as Keras writes it), which is not read here", kPublished},
    Format{4, "TFL3"sv, "a TensorFlow Lite model, which is not read here", kPublished},
    Format{0, "\x93NUMPY"sv, "a NumPy array, not a model", kPublished},
    Format{0, "\x1f\x8b"sv, "compressed by gzip", kUnpack},
    Format{0, "BZh"sv, "compressed by bzip2", kUnpack},
    Format{0,
           "\xfd"
           "7zXZ\0"sv,
           "compressed by xz", kUnpack},
    Format{0, "\x28\xb5\x2f\xfd"sv, "compressed by zstd", kUnpack},
    Format{0, "7z\xbc\xaf\x27\x1c"sv, "a 7z archive", kUnpack},
    Format{0, "Rar!\x1a\x07"sv, "a RAR archive", kUnpack},
    Format{257, "ustar"sv, "a tar archive", kUnpack},
    Format{0, "\x89PNG"sv, "a picture, not a model", kPublished},
    Format{0, "\xff\xd8\xff"sv, "a picture, not a model", kPublished},
    Format{0, "%PDF"sv, "a PDF document, not a model", kPublished},
};

// How web pages and the error pages of stores begin.
constexpr std::array kPage = {"<!doctype"sv, "<html"sv, "<head"sv, "<body"sv, "<?xml"sv, "<!--"sv, "<error"sv};

bool looks_like_web_page(std::string_view text) {
  constexpr std::size_t kBegin = 512;
  std::string begin = ascii_lower(std::string(text.substr(0, kBegin)));
  if (begin.starts_with("\xef\xbb\xbf")) begin.erase(0, 3);
  begin.erase(0, std::min(begin.find_first_not_of(" \t\r\n"), begin.size()));
  return std::any_of(kPage.begin(), kPage.end(), [&](std::string_view mark) { return begin.starts_with(mark); });
}

// A short text that people can read, such as a server's "Entry not found".
bool looks_like_message(std::string_view text) {
  constexpr std::size_t kLongest = 4096;
  return text.size() <= kLongest && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return c >= 0x80 || std::isprint(c) != 0 || std::isspace(c) != 0;
         });
}

// The first fields of ONNX's protobuf: a small version number, then the name of the program that wrote it.
bool looks_like_onnx(const MappedFile& file) {
  const std::string_view text = file.text();
  const bool fields = text.size() > 4 && text[0] == '\x08' && text[1] > 0 && text[1] < 0x20 && text[2] == '\x12';
  return fields || file.path().extension() == ".onnx";
}

// A pickle that begins with its protocol, or with a dictionary of the oldest one.
bool looks_like_pickle(std::string_view text) {
  return text.size() > 2 && ((text[0] == '\x80' && text[1] >= 2 && text[1] <= 5) || text.starts_with("(dp"));
}

}  // namespace

void refuse_stand_in(const MappedFile& file) {
  const std::string path = file.path().string();
  const std::string_view text = file.text();
  if (text.starts_with("version https://git-lfs")) {
    fail(
        "{} is only the address of a file that git-lfs stores elsewhere; run 'git lfs pull' in its folder, or download "
        "the file",
        path);
  }
  if (looks_like_web_page(text)) {
    fail(
        "{} is a web page, not a model: the server answered with a page in place of the file; look at the link, log in "
        "or accept the licence where the site asks for it, and download the file again",
        path);
  }
  constexpr std::size_t kBegin = 4096;
  const std::string_view begin = text.substr(0, kBegin);
  if (begin.size() >= 16 && begin.find_first_not_of('\0') == std::string_view::npos) {
    fail("{} begins with nothing but zeros: its download or copy did not finish; download the file again", path);
  }
}

void refuse_foreign(const MappedFile& file) {
  refuse_stand_in(file);
  const std::string path = file.path().string();
  const std::string_view text = file.text();
  for (const Format& format : kFormats) {
    if (text.size() > format.at && text.substr(format.at).starts_with(format.mark))
      fail("{} is {}; {}", path, format.what, format.advice);
  }
  if (looks_like_onnx(file)) fail("{} is an ONNX model, which is not read here; {}", path, kPublished);
  if (looks_like_pickle(text)) {
    fail(
        "{} is a pickle that torch.save did not write (pickle.dump, joblib); load it in Python and save its weights "
        "with torch.save",
        path);
  }
  if (text.front() == '{' && text.find("\"weight_map\"") != std::string_view::npos) {
    fail("{} is the index of a model in several files; give the folder that holds them, or name it .json", path);
  }
  if (looks_like_message(text)) {
    fail("{} is a text, not a model: it says {}; look at the link and download the file again", path, in_quotes(text));
  }
  fail(
      "{} is neither a .safetensors file nor a PyTorch file (.pth, .pt, .bin), or it is damaged; download the file "
      "again, or see docs/FORMATS.md for what is read",
      path);
}

void refuse_foreign_zip(const std::string& path, const std::vector<ZipEntry>& entries) {
  const auto find = [&](std::initializer_list<std::string_view> ends) -> const ZipEntry* {
    for (const ZipEntry& entry : entries) {
      for (const std::string_view end : ends) {
        if (entry.name.ends_with(end)) return &entry;
      }
    }
    return nullptr;
  };
  if (find({"archive_format", "serialized_exported_program.json", "models/model.json"}) != nullptr) {
    fail("{} is a program that torch.export wrote, not a file of weights; save its state_dict() with torch.save", path);
  }
  if (find({".h5", "keras_metadata.pb"}) != nullptr) {
    fail("{} is a Keras model, which is not read here; {}", path, kPublished);
  }
  if (find({".npy"}) != nullptr) fail("{} is a NumPy archive, not a model; {}", path, kPublished);
  const ZipEntry* model = find({".safetensors", ".pth", ".pt", ".ckpt", ".bin"});
  if (model != nullptr)
    fail("{} is a zip archive with {} in it; unpack it and give that", path, in_quotes(model->name));
  fail("{} is a zip archive but no PyTorch file: it has no data.pkl; {}", path, kPublished);
}

}  // namespace scalekv::formats
