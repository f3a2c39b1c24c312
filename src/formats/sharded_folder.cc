#include "formats/sharded_folder.h"

#include <algorithm>
#include <array>

#include "base/mapped_file.h"
#include "base/strict_json.h"
#include "formats/foreign_file.h"
#include "formats/tensor_source.h"

namespace scalekv::formats {
namespace {

constexpr std::size_t kMaxShards = 1000;
constexpr std::size_t kMaxIndex = 100'000'000;  // bytes, as for the header of a .safetensors file

class ShardedSource final : public TensorSource {
 public:
  explicit ShardedSource(std::filesystem::path index) : path_(std::move(index)) {
    const std::shared_ptr<const MappedFile> file = MappedFile::open(path_);
    const std::string where = path_.string();
    refuse_stand_in(*file);
    if (file->bytes().size() > kMaxIndex)
      fail("{} takes {} bytes, expected at most {}", where, file->bytes().size(), kMaxIndex);
    const nlohmann::json json = parse_strict_json(file->text(), where);
    const auto map = json.find("weight_map");
    if (!json.is_object() || map == json.end() || !map->is_object() || map->empty()) {
      fail("{} has no \"weight_map\" that names the file of every tensor; it is no index of a model", where);
    }
    for (const auto& [name, shard] : map->items()) add_tensor(name, shard);
    sort_by_name(tensors_);
    std::ranges::stable_sort(passed_over_, {}, &PassedOver::name);
  }

  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const std::vector<PassedOver>& passed_over() const override { return passed_over_; }
  const std::filesystem::path& path() const override { return path_; }

  Tensor load(const TensorInfo& info) const override {
    const auto found = homes_.find(info.name);
    if (found == homes_.end()) fail("{} has no tensor {}", path_.string(), in_quotes(info.name));
    return found->second->load(info);
  }

  void drop_pages() const override {
    for (const auto& [name, shard] : shards_) shard->drop_pages();
  }

 private:
  void add_tensor(const std::string& name, const nlohmann::json& shard) {
    if (!shard.is_string()) fail("{}: the file of tensor {} is not a name", path_.string(), in_quotes(name));
    const auto& source = open_shard(shard.get<std::string>(), name);
    const TensorInfo* info = source->find(name);
    if (info == nullptr && pass_over(*source, name)) return;
    if (info == nullptr) {
      fail("{}: tensor {} is not in {}, where the index says; download the files again", path_.string(),
           in_quotes(name), source->path().string());
    }
    tensors_.push_back(*info);
    homes_.emplace(name, source);
  }

  // Whether a shard holds something under this name that is no tensor, which is then noted.
  bool pass_over(const TensorSource& shard, const std::string& name) {
    const PassedOver* found = find_named(shard.passed_over(), name);
    if (found != nullptr) passed_over_.push_back(*found);
    return found != nullptr;
  }

  const std::shared_ptr<const TensorSource>& open_shard(const std::string& file, const std::string& tensor) {
    const auto known = shards_.find(file);
    if (known != shards_.end()) return known->second;
    if (!is_sane_name(file) || file == "." || file == ".." || file.find_first_of("/\\") != std::string::npos) {
      fail("{}: the file of tensor {} is {}, expected the plain name of a file beside the index; it is refused",
           path_.string(), in_quotes(tensor), in_quotes(file));
    }
    if (shards_.size() == kMaxShards) fail("{} names more than {} files; it is refused", path_.string(), kMaxShards);
    const std::filesystem::path path = path_.parent_path() / file;
    std::error_code error;
    if (!std::filesystem::exists(path, error)) {
      fail("{}: tensor {} lies in {}, which is not there; download the files again", path_.string(), in_quotes(tensor),
           path.string());
    }
    return shards_.emplace(file, open_tensor_file(path)).first->second;
  }

  std::filesystem::path path_;
  std::map<std::string, std::shared_ptr<const TensorSource>> shards_;  // by file name
  std::vector<TensorInfo> tensors_;
  std::vector<PassedOver> passed_over_;
  std::map<std::string, std::shared_ptr<const TensorSource>, std::less<>> homes_;  // by tensor
};

}  // namespace

std::shared_ptr<const TensorSource> open_index(const std::filesystem::path& index) {
  return std::make_shared<ShardedSource>(index);
}

std::shared_ptr<const TensorSource> open_model_folder(const std::filesystem::path& folder) {
  constexpr std::array kCandidates = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                      "pytorch_model.bin.index.json"};
  for (const std::string_view candidate : kCandidates) {
    const std::filesystem::path path = folder / candidate;
    std::error_code error;
    if (!std::filesystem::exists(path, error)) continue;
    return candidate.ends_with(".json") ? open_index(path) : open_tensor_file(path);
  }
  std::error_code unreadable;
  for (const auto& entry : std::filesystem::directory_iterator(folder, unreadable)) {
    const std::string name = entry.path().filename().string();
    if (name.find("-of-") == std::string::npos) continue;
    fail("{} holds {} and the like, but not the index of them; download the file that ends in .index.json, too",
         folder.string(), in_quotes(name));
  }
  fail("{} holds no model: expected model.safetensors, pytorch_model.bin, or one of them with .index.json",
       folder.string());
}

}  // namespace scalekv::formats
