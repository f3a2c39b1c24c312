#include "study/folder_metrics.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <map>

#include "base/error.h"
#include "base/image.h"
#include "formats/tensor_source.h"
#include "runtime/threads.h"
#include "study/metrics.h"
#include "study/resize.h"

namespace scalekv::study {
namespace {

constexpr std::size_t kPicturesPerThread = 4;  // that are worked on between two looks at the progress

std::vector<float> features_of(const Inception& inception, const Image& image) {
  std::vector<float> features(Inception::kFeatures);
  const Tensor input = inception_input(image);
  inception.features(input.view<float>(), View<float>(features.data(), {Inception::kFeatures}));
  return features;
}

void add(const std::vector<float>& features, bool keep, FolderFeatures& folder) {
  folder.accumulator.add(features);
  if (!keep) return;
  folder.list.size = static_cast<std::int64_t>(features.size());
  folder.list.values.insert(folder.list.values.end(), features.begin(), features.end());
}

// Calls work(i) for every i below `count`, several at once, each on one thread; and after(i) for each, in order.
template <typename Work, typename After>
void in_order(std::size_t count, const MetricProgress& progress, const Work& work, const After& after) {
  const std::size_t group = kPicturesPerThread * static_cast<std::size_t>(threads());
  for (std::size_t begin = 0; begin < count; begin += group) {
    const std::size_t size = std::min(group, count - begin);
    std::vector<std::exception_ptr> failures(size);
    parallel_for(static_cast<std::int64_t>(size), [&](std::int64_t i) {
      const Runtime::Scope alone(Runtime::current(), 1);
      try {
        work(begin + static_cast<std::size_t>(i), static_cast<std::size_t>(i));
      } catch (...) {
        failures[static_cast<std::size_t>(i)] = std::current_exception();
      }
    });
    for (std::size_t i = 0; i < size; ++i) {
      if (failures[i]) std::rethrow_exception(failures[i]);
      after(i);
    }
    if (progress && !progress(begin + size, count)) throw Cancelled();
  }
}

struct PairWork {
  PairMetrics metrics;
  std::vector<float> features_a, features_b;
};

PairWork measure_pair(const PicturePair& pair, const MetricNetworks& networks, bool photographs, bool with_a,
                      bool with_b) {
  Image a = Image::read(pair.a);
  const Image b = Image::read(pair.b);
  PairWork work;
  if (with_a) work.features_a = features_of(*networks.inception, a);
  if (with_b) work.features_b = features_of(*networks.inception, b);
  if (photographs) a = resize_photograph(a, b.height, b.width);
  try {
    work.metrics = {pair.name, psnr(a, b), ssim(a, b), std::nullopt};
    if (networks.lpips) work.metrics.lpips = networks.lpips->distance(a, b);
  } catch (const Error& error) {
    fail("{} and {}: {}", pair.a.string(), pair.b.string(), error.what());
  }
  return work;
}

// What systems leave beside pictures: hidden files ("._a.png" of macOS) and folders, and macOS's folder in zip
// archives.
bool is_left_behind(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') || name == "__MACOSX";
}

std::map<std::string, std::filesystem::path> by_name(const std::filesystem::path& folder) {
  std::map<std::string, std::filesystem::path> pictures;
  for (const std::filesystem::path& path : list_pictures(folder)) {
    const std::string name = path.lexically_relative(folder).replace_extension().generic_string();
    const auto [other, inserted] = pictures.emplace(name, path);
    if (!inserted) {
      fail("{} and {} have the same name, so that their partner cannot be told; remove one", other->second.string(),
           path.string());
    }
  }
  return pictures;
}

}  // namespace

MetricNetworks MetricNetworks::open(const std::vector<std::filesystem::path>& lpips,
                                    const std::filesystem::path& inception) {
  MetricNetworks networks;
  std::shared_ptr<const formats::TensorSource> base, heads;
  for (const std::filesystem::path& path : lpips) {
    const auto source = formats::open_tensor_file(path);
    const bool has_base = source->find("features.0.weight") != nullptr;
    const bool has_heads = source->find("lin0.model.1.weight") != nullptr;
    if (!has_base && !has_heads) {
      fail(
          "{} has neither \"features.0.weight\" (torchvision's AlexNet) nor \"lin0.model.1.weight\" (the heads of "
          "LPIPS); docs/METRICS.md says where to get them",
          path.string());
    }
    if (has_base) base = source;
    if (has_heads) heads = source;
  }
  if (!lpips.empty()) {
    if (!base) fail("LPIPS lacks torchvision's AlexNet; give alexnet-owt-7be5be79.pth too (`lpips_weights`)");
    if (!heads) fail("LPIPS lacks its heads; give the lpips package's alex.pth too (`lpips_weights`)");
    formats::WeightMap base_weights(base, "", "AlexNet");
    formats::WeightMap head_weights(heads, "", "LPIPS");
    networks.lpips.emplace(base_weights, head_weights);
  }
  if (!inception.empty()) {
    formats::WeightMap weights(formats::open_tensor_file(inception), "", "Inception");
    networks.inception.emplace(weights);
  }
  return networks;
}

std::vector<PairMetrics> compare_pairs(const std::vector<PicturePair>& pairs, const MetricNetworks& networks,
                                       const MetricOptions& options, FolderFeatures* a, FolderFeatures* b,
                                       const MetricProgress& progress) {
  SCALEKV_ASSERT(networks.inception || (a == nullptr && b == nullptr));
  std::vector<PairMetrics> results;
  std::vector<PairWork> group(kPicturesPerThread * static_cast<std::size_t>(threads()));
  in_order(
      pairs.size(), progress,
      [&](std::size_t index, std::size_t slot) {
        group[slot] = measure_pair(pairs[index], networks, options.photographs, a != nullptr, b != nullptr);
      },
      [&](std::size_t slot) {
        results.push_back(std::move(group[slot].metrics));
        if (a != nullptr) add(group[slot].features_a, options.kid, *a);
        if (b != nullptr) add(group[slot].features_b, options.kid, *b);
      });
  return results;
}

FolderFeatures measure_folder(const std::vector<std::filesystem::path>& pictures, const Inception& inception, bool kid,
                              const MetricProgress& progress) {
  FolderFeatures features;
  std::vector<std::vector<float>> group(kPicturesPerThread * static_cast<std::size_t>(threads()));
  in_order(
      pictures.size(), progress,
      [&](std::size_t index, std::size_t slot) { group[slot] = features_of(inception, Image::read(pictures[index])); },
      [&](std::size_t slot) { add(group[slot], kid, features); });
  return features;
}

MetricMeans mean_metrics(const std::vector<PairMetrics>& pairs) {
  MetricMeans means;
  means.pairs = pairs.size();
  double psnr = 0.0, ssim = 0.0, lpips = 0.0;
  for (const PairMetrics& pair : pairs) {
    ssim += pair.ssim;
    lpips += pair.lpips.value_or(0.0);
    if (std::isinf(pair.psnr)) {
      ++means.identical;
    } else {
      psnr += pair.psnr;
    }
  }
  const auto count = static_cast<double>(pairs.size());
  const std::size_t different = pairs.size() - means.identical;
  means.psnr = different == 0 ? std::numeric_limits<double>::infinity() : psnr / static_cast<double>(different);
  means.ssim = ssim / count;
  if (!pairs.empty() && pairs.front().lpips) means.lpips = lpips / count;
  return means;
}

std::string why_not_measured(std::int64_t pictures) {
  return pictures > 1 ? "" : fmt::format("it needs at least 2 pictures in each folder, not {}", pictures);
}

std::vector<std::string> remarks_on_few(std::int64_t pictures, bool kid) {
  std::vector<std::string> remarks;
  if (pictures < 2) return remarks;
  if (pictures < Inception::kFeatures) {
    remarks.push_back(
        fmt::format("FID of {} pictures is too large by an unknown amount: it needs more than the {} features it "
                    "compares, and 10,000 or more are usual; compare it with FID of as many pictures only",
                    pictures, Inception::kFeatures));
  }
  if (kid && pictures < kLargestSubset) {
    remarks.push_back(
        fmt::format("KID of {} pictures varies much with which they are: its subsets should hold {} pictures", pictures,
                    kLargestSubset));
  }
  return remarks;
}

std::vector<std::filesystem::path> list_pictures(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) fail("{} is no folder of pictures", folder.string());
  std::vector<std::filesystem::path> pictures;
  std::error_code failed;
  for (auto entry = std::filesystem::recursive_directory_iterator(folder, failed);
       !failed && entry != std::filesystem::recursive_directory_iterator(); entry.increment(failed)) {
    if (is_left_behind(entry->path())) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file() && find_image_format(entry->path())) {
      pictures.push_back(entry->path());
    }
  }
  if (failed) fail("{} cannot be read: {}", folder.string(), failed.message());
  if (pictures.empty()) fail("{} holds no pictures (.png, .jpg, .webp)", folder.string());
  std::sort(pictures.begin(), pictures.end());
  return pictures;
}

std::vector<PicturePair> pair_pictures(const std::filesystem::path& a, const std::filesystem::path& b) {
  const std::map<std::string, std::filesystem::path> left = by_name(a);
  const std::map<std::string, std::filesystem::path> right = by_name(b);
  const auto check = [](const auto& pictures, const auto& partners, const std::filesystem::path& folder) {
    for (const auto& [name, path] : pictures) {
      if (!partners.contains(name)) {
        fail("{} has no partner: {} holds {} pictures, but no {}.png, .jpg or .webp", path.string(), folder.string(),
             partners.size(), name);
      }
    }
  };
  check(left, right, b);
  check(right, left, a);
  std::vector<PicturePair> pairs;
  for (const auto& [name, path] : left) pairs.push_back({name, path, right.at(name)});
  return pairs;
}

}  // namespace scalekv::study
