#include "study/folder_metrics.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "formats/npz.h"
#include "runtime/threads.h"
#include "scalekv/errors.h"
#include "study/feature_statistics.h"
#include "support/failure.h"

namespace scalekv::study {
namespace {

using testing::failure_of;
using testing::mentions;

class FolderMetrics : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(root_ / "a");
    std::filesystem::create_directories(root_ / "b");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& name, std::int64_t side, std::uint8_t value) const {
    Image{.width = side,
          .height = side,
          .rgb = std::vector<std::uint8_t>(static_cast<std::size_t>(side * side * 3), value)}
        .write_png(root_ / name);
  }
  std::vector<PairMetrics> compare(const MetricOptions& options = {}) const {
    return compare_pairs(pair_pictures(root_ / "a", root_ / "b"), {}, options, nullptr, nullptr, {});
  }

  std::filesystem::path root_ =
      std::filesystem::temp_directory_path() /
      fmt::format("scalekv-metrics-{}-{}", ::getpid(), ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(FolderMetrics, MeansLeaveIdenticalPairsOut) {
  write("a/0.png", 16, 10), write("b/0.png", 16, 20);
  write("a/1.png", 16, 10), write("b/1.png", 16, 10);
  write("a/2.png", 16, 0), write("b/2.png", 16, 255);
  const MetricMeans means = mean_metrics(compare());
  EXPECT_EQ(means.pairs, 3U);
  EXPECT_EQ(means.identical, 1U);
  EXPECT_NEAR(means.psnr, 20.0 * std::log10(25.5) / 2.0, 1e-9);
  EXPECT_FALSE(means.lpips.has_value());
}

TEST_F(FolderMetrics, AllIdenticalIsInfinite) {
  write("a/0.png", 16, 10), write("b/0.png", 16, 10);
  EXPECT_TRUE(std::isinf(mean_metrics(compare()).psnr));
}

TEST_F(FolderMetrics, ThreadsChangeNothing) {
  for (int i = 0; i < 23; ++i) {
    write(fmt::format("a/{:02}.png", i), 12, static_cast<std::uint8_t>(5 * i));
    write(fmt::format("b/{:02}.png", i), 12, static_cast<std::uint8_t>(3 * i + 7));
  }
  const int before = threads();
  Runtime::current().set_threads(1);
  const std::vector<PairMetrics> one = compare();
  Runtime::current().set_threads(3);
  const std::vector<PairMetrics> three = compare();
  Runtime::current().set_threads(before);
  ASSERT_EQ(one.size(), 23U);
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].name, fmt::format("{:02}", i));
    EXPECT_EQ(one[i].psnr, three[i].psnr);
    EXPECT_EQ(one[i].ssim, three[i].ssim);
  }
}

TEST_F(FolderMetrics, BadFoldersAreNamed) {
  EXPECT_TRUE(mentions(failure_of([&] { compare(); }), {"holds no pictures"}));
  EXPECT_TRUE(mentions(failure_of([&] { pair_pictures(root_ / "none", root_ / "a"); }), {"is no folder"}));
  write("a/0.png", 16, 10), write("b/0.png", 16, 10);
  write("b/1.png", 16, 10);
  const std::string partner = failure_of([&] { compare(); });
  EXPECT_TRUE(mentions(partner, {"b/1.png", "no partner"}));
  write("a/1.png", 20, 10);
  const std::string sizes = failure_of([&] { compare(); });
  EXPECT_TRUE(mentions(sizes, {"a/1.png", "20x20", "16x16"}));
  EXPECT_EQ(compare({.photographs = true}).size(), 2U);
  write_file(root_ / "a/1.png", read_file(root_ / "a/0.png").substr(0, 60));
  const std::string cut = failure_of([&] { compare(); });
  EXPECT_TRUE(mentions(cut, {"a/1.png", "damaged"}));
  write_file(root_ / "a/0.jpg", "");
  EXPECT_TRUE(mentions(failure_of([&] { compare(); }), {"same name"}));
}

TEST_F(FolderMetrics, ProgressStopsTheWork) {
  write("a/0.png", 16, 10), write("b/0.png", 16, 10);
  EXPECT_THROW(compare_pairs(pair_pictures(root_ / "a", root_ / "b"), {}, {}, nullptr, nullptr,
                             [](std::size_t, std::size_t) { return false; }),
               Cancelled);
}

TEST_F(FolderMetrics, StatisticsFiles) {
  const FeatureStatistics statistics{0, {1.0, 2.0}, {2.0, 0.5, 0.5, 1.0}};
  write_features(root_ / "s.npz", statistics);
  const FeatureStatistics again = read_features(root_ / "s.npz").statistics;
  EXPECT_EQ(again.mean, statistics.mean);
  EXPECT_EQ(again.covariance, statistics.covariance);
  EXPECT_EQ(again.pictures, 0) << "the file does not say";
  EXPECT_EQ(read_features(root_ / "s.npz").list.size, 0);
  write_features(root_ / "bad.npz", {0, {1.0, 2.0}, {2.0, 0.5, -0.5, 1.0}});
  EXPECT_TRUE(mentions(failure_of([&] { read_features(root_ / "bad.npz"); }), {"no covariance"}));
  EXPECT_TRUE(mentions(failure_of([&] { read_features(root_ / "none.npz"); }), {"none.npz"}));
  write_file(root_ / "text.npz", "mu");
  EXPECT_TRUE(mentions(failure_of([&] { read_features(root_ / "text.npz"); }), {"text.npz"}));
  EXPECT_TRUE(mentions(failure_of([&] { write_features(root_ / "no/s.npz", statistics); }), {"cannot be written"}));
}

TEST_F(FolderMetrics, FeaturesOfEveryPicture) {
  const FeatureList list{2, {1.0F, 2.0F, 3.0F, 5.0F, -4.0F, 8.0F}};
  write_features(root_ / "f.npz", {3, {0.0, 5.0}, {13.0, -7.5, -7.5, 9.0}}, list);
  const StoredFeatures stored = read_features(root_ / "f.npz");
  EXPECT_EQ(stored.list.values, list.values);
  EXPECT_EQ(stored.statistics.pictures, 3);
  // What clean-fid stores for KID has neither mean nor covariance: they are made of the features.
  Tensor features(DType::f64, {3, 2}, MemoryKind::other);
  std::copy(list.values.begin(), list.values.end(), features.view<double>().data());
  std::map<std::string, Tensor> alone;
  alone.emplace("feats", features.clone(MemoryKind::other));
  formats::write_npz(root_ / "alone.npz", alone);
  const StoredFeatures made = read_features(root_ / "alone.npz");
  EXPECT_EQ(made.statistics.mean, (std::vector<double>{0.0, 5.0}));
  EXPECT_EQ(made.statistics.covariance, (std::vector<double>{13.0, -7.5, -7.5, 9.0}));
  alone.emplace("mu", features.clone(MemoryKind::other));
  formats::write_npz(root_ / "half.npz", alone);
  EXPECT_TRUE(mentions(failure_of([&] { read_features(root_ / "half.npz"); }), {"no array \"sigma\""}));
  features.view<double>().data()[3] = 1e300;
  std::map<std::string, Tensor> infinite;
  infinite.emplace("feats", std::move(features));
  formats::write_npz(root_ / "infinite.npz", infinite);
  EXPECT_TRUE(mentions(failure_of([&] { read_features(root_ / "infinite.npz"); }), {"element 3"}));
}

TEST(FewPictures, AreRemarkedOn) {
  EXPECT_NE(why_not_measured(1), "");
  EXPECT_EQ(why_not_measured(2), "");
  EXPECT_TRUE(remarks_on_few(0, true).empty()) << "nobody knows how many there are";
  EXPECT_EQ(remarks_on_few(10, true).size(), 2U);
  EXPECT_EQ(remarks_on_few(10, false).size(), 1U);
  EXPECT_EQ(remarks_on_few(1000, true).size(), 1U);
  EXPECT_TRUE(remarks_on_few(2048, true).empty());
}

TEST_F(FolderMetrics, WrongWeightsAreNamed) {
  write_file(root_ / "w.safetensors", std::string("\x02\0\0\0\0\0\0\0{}", 10));
  const std::string message = failure_of([&] { MetricNetworks::open({root_ / "w.safetensors"}, {}); });
  EXPECT_TRUE(mentions(message, {"w.safetensors"})) << message;
  EXPECT_NE(failure_of([&] { MetricNetworks::open({}, root_ / "w.safetensors"); }), "");
}

}  // namespace
}  // namespace scalekv::study
