// Folders of pictures: which of two belong together, and how far the two are apart, pair by pair (PSNR, SSIM, LPIPS)
// and as wholes (FID, KID).
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "study/feature_statistics.h"
#include "study/inception.h"
#include "study/lpips.h"

namespace scalekv::study {

// The .png, .jpg, .jpeg and .webp files of a folder and the folders in it, in the byte order of their paths. Names that
// begin with a dot are passed over, and so are folders named __MACOSX.
// Throws Error where it is no folder or holds none.
std::vector<std::filesystem::path> list_pictures(const std::filesystem::path& folder);

struct PicturePair {
  std::string name;  // the path in its folder, without the suffix
  std::filesystem::path a;
  std::filesystem::path b;
};

// Pictures of the same name (the suffix may differ), sorted by name. Throws Error naming a picture without a partner.
std::vector<PicturePair> pair_pictures(const std::filesystem::path& a, const std::filesystem::path& b);

// The networks that are at hand; what needs another one is left out.
struct MetricNetworks {
  std::optional<Lpips> lpips;
  std::optional<Inception> inception;

  // lpips: torchvision's AlexNet and the heads of the lpips package, in one file or two; inception: pytorch-fid's file.
  // Empty: none. Throws Error naming file and tensor where one is wrong.
  static MetricNetworks open(const std::vector<std::filesystem::path>& lpips, const std::filesystem::path& inception);
};

struct MetricOptions {
  bool photographs = false;  // the first folder holds photographs of any size: resized to their partners' for pairs
  bool kid = false;          // keeps 8 KB a picture
};

struct PairMetrics {
  std::string name;
  double psnr = 0.0;  // infinite for equal pictures
  double ssim = 0.0;
  std::optional<double> lpips;
};

// What FID and KID need of a folder.
struct FolderFeatures {
  FeatureAccumulator accumulator;
  FeatureList list;  // empty without KID
};

// Done, of how many; false: stop, by throwing Cancelled.
using MetricProgress = std::function<bool(std::size_t done, std::size_t all)>;

// Memory grows by a PairMetrics a picture (and KID's features) only. The results depend neither on the threads nor on
// how pictures are grouped. Features are gathered in `a` and `b` where those are given. Throws Error naming the
// picture.
std::vector<PairMetrics> compare_pairs(const std::vector<PicturePair>& pairs, const MetricNetworks& networks,
                                       const MetricOptions& options, FolderFeatures* a, FolderFeatures* b,
                                       const MetricProgress& progress);

FolderFeatures measure_folder(const std::vector<std::filesystem::path>& pictures, const Inception& inception, bool kid,
                              const MetricProgress& progress);

// Means over the pairs.
struct MetricMeans {
  std::size_t pairs = 0;
  std::size_t identical = 0;  // equal pictures, which the mean of PSNR leaves out because theirs is infinite
  double psnr = 0.0;          // infinite where all are equal
  double ssim = 0.0;
  std::optional<double> lpips;
};

MetricMeans mean_metrics(const std::vector<PairMetrics>& pairs);

// Why there is no FID and KID of folders of so many pictures, the fewest of either side; empty where there can be.
std::string why_not_measured(std::int64_t pictures);

// A remark where a covariance of Inception's features cannot be of full rank (FID), and where KID's subsets are smaller
// than they should be. pictures: the fewest of either side; 0 where a file does not say.
std::vector<std::string> remarks_on_few(std::int64_t pictures, bool kid);

}  // namespace scalekv::study
