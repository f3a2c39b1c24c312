#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "formats/tensor_source.h"
#include "runtime/threads.h"
#include "study/feature_statistics.h"
#include "study/folder_metrics.h"
#include "study/inception.h"
#include "study/lpips.h"
#include "study/metrics.h"
#include "study/resize.h"
#include "support/random_networks.h"

// Expected values: tests/data/metrics, written by tools/fixtures/metric_fixtures.py, which states versions and
// tolerance.
namespace scalekv::study {
namespace {

const std::filesystem::path kData = std::filesystem::path(SCALEKV_SOURCE_DIR) / "tests/data";

const nlohmann::json& expected() {
  static const nlohmann::json values = nlohmann::json::parse(read_file(kData / "metrics/expected.json"));
  return values;
}

Tensor expected_tensor(const char* name) {
  static const auto source = formats::open_tensor_source(kData / "metrics/expected.safetensors");
  return source->load(*source->find(name));
}

Image shape_picture(int number) { return Image::read(kData / fmt::format("shapes/{:02}.png", number)); }

Image formula_picture(std::int64_t height, std::int64_t width) {
  Image image{.width = width, .height = height, .rgb = {}};
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c)
        image.rgb.push_back(static_cast<std::uint8_t>((7 * x + 3 * y + 50 * c + x * y / 13) % 256));
    }
  }
  return image;
}

// LPIPS and Inception.
const MetricNetworks& random_networks() {
  static const MetricNetworks networks = [] {
    MetricNetworks made;
    const auto lpips = testing::random_network(kData, "alexnet");
    testing::add_random_heads(*lpips);
    formats::WeightMap alexnet(lpips, "", "AlexNet"), heads(lpips, "", "LPIPS");
    made.lpips.emplace(alexnet, heads);
    formats::WeightMap inception(testing::random_network(kData, "inception"), "", "Inception");
    made.inception.emplace(inception);
    return made;
  }();
  return networks;
}

std::vector<float> features_of(const Image& image) {
  std::vector<float> features(Inception::kFeatures);
  const Tensor input = inception_input(image);
  random_networks().inception->features(input.view<float>(), View<float>(features.data(), {Inception::kFeatures}));
  return features;
}

std::vector<float> philox_features(const char* name, std::int64_t pictures, float low, float high) {
  std::vector<float> values(static_cast<std::size_t>(pictures * 24));
  testing::fill_philox(name, low, high, values.data(), pictures * 24);
  return values;
}

FeatureStatistics statistics_of(const std::vector<float>& values, std::size_t size) {
  FeatureAccumulator accumulator;
  for (std::size_t i = 0; i < values.size(); i += size) accumulator.add(std::span(values).subspan(i, size));
  return accumulator.statistics();
}

TEST(FeatureNetworks, PairsAgreeWithTorchmetricsAndLpips) {
  const Lpips& lpips = *random_networks().lpips;
  for (std::size_t i = 0; i < expected().at("pairs").size(); ++i) {
    const Image a = shape_picture(expected()["pairs"][i][0]);
    const Image b = shape_picture(expected()["pairs"][i][1]);
    const double distance = expected()["lpips"][i];
    const double torchmetrics = expected()["lpips_torchmetrics"][i];
    EXPECT_NEAR(lpips.distance(a, b), distance, 1e-4 * distance);
    EXPECT_NEAR(lpips.distance(a, b), torchmetrics, 1e-4 * torchmetrics);
    EXPECT_NEAR(psnr(a, b), expected()["psnr"][i].get<double>(), 1e-5);
    EXPECT_NEAR(ssim(a, b), expected()["ssim"][i].get<double>(), 1e-5);
    EXPECT_EQ(lpips.distance(a, a), 0.0);
  }
  EXPECT_THROW(static_cast<void>(lpips.distance(formula_picture(30, 64), formula_picture(30, 64))), Error);
}

TEST(FeatureNetworks, ResizingAgreesWithCleanFidAndTorchvision) {
  const auto check = [](const Tensor& resized, const char* name) {
    const Tensor wanted = expected_tensor(name);
    for (std::int64_t y = 0; y < wanted.shape()[0]; ++y) {
      for (std::int64_t x = 0; x < wanted.shape()[1]; ++x) {
        for (std::int64_t c = 0; c < 3; ++c)
          EXPECT_NEAR(resized.view<float>()(13 * y, 11 * x, c), wanted.view<float>()(y, x, c), 2e-3);
      }
    }
  };
  check(inception_input(shape_picture(20)), "resized_up");
  check(inception_input(formula_picture(400, 640)), "resized_down");
  const Image photograph = resize_photograph(formula_picture(90, 200), 128, 96);
  const Tensor wanted = expected_tensor("photograph");
  int different = 0;
  for (std::int64_t i = 0; i < wanted.elements(); ++i) {
    const int difference =
        int{photograph.rgb[static_cast<std::size_t>(i)]} - int{wanted.view<std::uint8_t>().data()[i]};
    EXPECT_LE(std::abs(difference), 1);
    different += difference != 0 ? 1 : 0;
  }
  EXPECT_LE(different, wanted.elements() / 1000);  // sums that fall on a half in one precision
}

TEST(FeatureNetworks, InceptionAgreesWithPytorchFid) {
  const Tensor wanted = expected_tensor("features");
  const std::vector<Image> pictures = {shape_picture(20), formula_picture(400, 640)};
  for (std::size_t p = 0; p < pictures.size(); ++p) {
    const std::vector<float> features = features_of(pictures[p]);
    double error = 0.0, size = 0.0;
    for (std::size_t k = 0; k < features.size(); ++k) {
      const double value = wanted.view<float>()(p, k);
      error += (features[k] - value) * (features[k] - value);
      size += value * value;
    }
    EXPECT_LE(std::sqrt(error / size), 1e-4) << p;
  }
}

// Folders of the shapes whose numbers are given, as 0.png, 1.png ...
class Folders : public ::testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::filesystem::path folder(const char* name, const std::vector<int>& shapes) const {
    std::filesystem::create_directories(root_ / name);
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      std::filesystem::copy_file(kData / fmt::format("shapes/{:02}.png", shapes[i]),
                                 root_ / name / fmt::format("{}.png", i));
    }
    return root_ / name;
  }

  std::filesystem::path root_ = std::filesystem::temp_directory_path() /
                                fmt::format("scalekv-networks-{}-{}", ::getpid(),
                                            ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(Folders, AgreeWithCleanFid) {
  const auto left = folder("a", {0, 1, 2, 3, 4, 5}), right = folder("b", {18, 19, 20, 21, 22, 23});
  FolderFeatures a, b;
  const std::vector<PairMetrics> pairs =
      compare_pairs(pair_pictures(left, right), random_networks(), {.kid = true}, &a, &b, {});
  const double fid = expected()["folders"]["fid"];
  const double kid = expected()["folders"]["kid"];
  EXPECT_NEAR(frechet_distance(a.accumulator.statistics(), b.accumulator.statistics()), fid, 1e-3 * fid);
  EXPECT_NEAR(kernel_distance(a.list, b.list), kid, 1e-4 * kid);
  EXPECT_LE(frechet_distance(a.accumulator.statistics(), a.accumulator.statistics()), 1e-6);
  EXPECT_EQ(pairs[3].psnr, psnr(shape_picture(3), shape_picture(21)));

  // Pictures by themselves give the same, whatever the threads.
  const auto few = list_pictures(folder("few", {0, 1}));
  const int before = threads();
  Runtime::current().set_threads(before == 1 ? 3 : 1);
  const std::vector<float> values = measure_folder(few, *random_networks().inception, true, {}).list.values;
  Runtime::current().set_threads(before);
  ASSERT_EQ(values.size(), 2 * std::size_t{Inception::kFeatures});
  EXPECT_TRUE(std::equal(values.begin(), values.end(), a.list.values.begin()));
}

TEST_F(Folders, MeansAgreeWithTorchmetricsAndLpips) {
  std::vector<int> left, right;
  double psnr = 0.0, ssim = 0.0, lpips = 0.0;
  const std::size_t count = expected().at("pairs").size();
  for (std::size_t i = 0; i < count; ++i) {
    left.push_back(expected()["pairs"][i][0]);
    right.push_back(expected()["pairs"][i][1]);
    psnr += expected()["psnr"][i].get<double>() / static_cast<double>(count);
    ssim += expected()["ssim"][i].get<double>() / static_cast<double>(count);
    lpips += expected()["lpips"][i].get<double>() / static_cast<double>(count);
  }
  const MetricMeans means = mean_metrics(
      compare_pairs(pair_pictures(folder("a", left), folder("b", right)), random_networks(), {}, nullptr, nullptr, {}));
  EXPECT_NEAR(means.psnr, psnr, 1e-5);
  EXPECT_NEAR(means.ssim, ssim, 1e-5);
  ASSERT_TRUE(means.lpips);
  EXPECT_NEAR(*means.lpips, lpips, 1e-4 * lpips);
}

TEST(FeatureStatistics, AgreeWithCleanFid) {
  const std::vector<float> left = philox_features("left", 60, 0.0F, 1.0F);
  const std::vector<float> right = philox_features("right", 50, 0.1F, 1.3F);
  const double fid = expected()["features_fid"];
  EXPECT_NEAR(frechet_distance(statistics_of(left, 24), statistics_of(right, 24)), fid, 1e-6 * fid);
  const double kid = expected()["features_kid"];
  const FeatureList first{24, {left.begin(), left.begin() + 50 * 24}};
  EXPECT_NEAR(kernel_distance(first, {24, right}), kid, 1e-6 * kid);
}

TEST(FeatureNetworks, AnotherNetworkIsRefusedByName) {
  const auto failure = [](std::shared_ptr<testing::PhiloxSource> source) -> std::string {
    formats::WeightMap weights(std::move(source), "", "Inception");
    try {
      Inception network(weights);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(failure(testing::random_network(kData, "alexnet")).find("Conv2d_1a_3x3.conv.weight"), std::string::npos);
  auto more = testing::random_network(kData, "inception");
  more->add("AuxLogits.conv0.conv.weight", {128, 768, 1, 1});
  EXPECT_NE(failure(more).find("AuxLogits.conv0.conv.weight"), std::string::npos);
  formats::WeightMap network(testing::random_network(kData, "alexnet"), "", "AlexNet");
  formats::WeightMap heads(testing::random_network(kData, "alexnet"), "", "LPIPS");
  EXPECT_THROW(Lpips(network, heads), Error);
}

}  // namespace
}  // namespace scalekv::study
