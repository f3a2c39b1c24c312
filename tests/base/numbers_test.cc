#include "base/numbers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace scalekv {
namespace {

// What the call says that throws UsageError; empty where it does not.
template <typename Call>
std::string refusal(Call call) {
  try {
    static_cast<void>(call());
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(Numbers, WholeNumbersAreDecimal) {
  EXPECT_EQ(find_number<int>("7"), 7);
  EXPECT_EQ(find_number<int>("-7"), -7);
  EXPECT_EQ(find_number<int>("010"), 10);  // not eight
  EXPECT_EQ(find_number<int>(" +5\t"), 5);
  EXPECT_EQ(find_number<int>("-2147483648"), -2147483647 - 1);
  EXPECT_EQ(find_number<std::int64_t>("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(find_number<std::uint64_t>("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
  for (const char* bad : {"", " ", "-", "+", "+-5", "--5", "0x10", "1e3", "1.0", "5x", "5 6", "x5", "1,2", "nan",
                          "2147483648", "-2147483649", "99999999999999999999999",
                          "\xC2\xA0"
                          "5"}) {
    EXPECT_FALSE(find_number<int>(bad)) << bad;
  }
  EXPECT_FALSE(find_number<std::uint64_t>("-1"));
  EXPECT_FALSE(find_number<std::uint64_t>("18446744073709551616"));
  EXPECT_FALSE(find_number<int>(std::string_view("5\0", 2)));
}

TEST(Numbers, RealsAreFinite) {
  EXPECT_EQ(find_number<double>("0.5"), 0.5);
  EXPECT_EQ(find_number<double>(".5"), 0.5);
  EXPECT_EQ(find_number<double>("5."), 5.0);
  EXPECT_EQ(find_number<double>(" +1e-3 "), 1e-3);
  EXPECT_EQ(find_number<float>("3"), 3.0F);
  for (const char* bad :
       {"", "nan", "inf", "-inf", "infinity", "NaN", "0x1p3", "1e999", "1e", "0.5x", "0,5", "1 2", "."}) {
    EXPECT_FALSE(find_number<double>(bad)) << bad;
  }
  EXPECT_FALSE(find_number<float>("1e39"));
}

TEST(Numbers, ARefusalNamesWhatItIsForAndWhatMayBeWritten) {
  EXPECT_EQ(read_number<int>("1024", "--threads", {1, 1024}), 1024);
  EXPECT_EQ(refusal([] {
              return read_number<int>("0", "--threads", {1, 1024});
            }),
            "--threads: '0' is not possible; write a whole number from 1 to 1024");
  EXPECT_EQ(refusal([] {
              return read_number<int>("1025", "--threads", {1, 1024});
            }),
            "--threads: '1025' is not possible; write a whole number from 1 to 1024");
  EXPECT_EQ(refusal([] {
              return read_number<double>("nan", "--top-p", {0.0, 1.0});
            }),
            "--top-p: 'nan' is not possible; write a number from 0 to 1");
  EXPECT_EQ(refusal([] { return read_number<float>("-1", "--cfg", {.least = 0.0F}); }),
            "--cfg: '-1' is not possible; write a number of at least 0");
  EXPECT_EQ(refusal([] { return read_number<double>("", "--tau"); }), "--tau: '' is not possible; write a number");
}

TEST(Numbers, AmountsHaveUnits) {
  const auto bytes = [](std::string_view text) { return read_bytes(text, "--memory-limit"); };
  for (const char* same :
       {"8G", "8g", "8GB", "8gb", "8 GB", " 8 G ", "8e9", "8000000000", "8000M", "0.008T", "8000000k"}) {
    EXPECT_EQ(bytes(same), 8'000'000'000) << same;
  }
  for (const char* same : {"8GiB", "8Gi", "8 gib", "8192MiB", "8388608Ki", "8589934592", "8589934592B"}) {
    EXPECT_EQ(bytes(same), std::int64_t{8} << 30) << same;
  }
  EXPECT_EQ(bytes("1.5T"), 1'500'000'000'000);
  EXPECT_EQ(bytes("512M"), 512'000'000);
  EXPECT_EQ(bytes("1"), 1);
  for (const char* bad : {"",    "0",     "-8G",  "G",   "GB",  "8X",   "8GBs", "8GG",       "8iB", "8i",
                          "8G8", "8 G B", "much", "nan", "inf", "0x8G", "1e30", "99999999T", "0.5", "8%"}) {
    EXPECT_NE(refusal([&] { return bytes(bad); }).find("--memory-limit"), std::string::npos) << bad;
  }
}

TEST(Numbers, ListsAreSplitAtCommas) {
  EXPECT_EQ(split_list("1,2"), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(split_list("1,,2"), (std::vector<std::string>{"1", "", "2"}));
  EXPECT_EQ(split_list("1,"), (std::vector<std::string>{"1"}));
  EXPECT_EQ(split_list(","), (std::vector<std::string>{""}));
  EXPECT_EQ(split_list(" (3, "), (std::vector<std::string>{"(3"}));
  EXPECT_TRUE(split_list("").empty());
  EXPECT_TRUE(split_list(" ").empty());
}

TEST(Seeds, MinusOneAsksForOneByChance) {
  EXPECT_EQ(read_seed("7", "--seed"), 7U);
  EXPECT_EQ(read_seed("18446744073709551615", "--seed"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_FALSE(read_seed("-1", "--seed"));
  for (const char* bad : {"", "-2", "-18446744073709551615", "18446744073709551616", "1.5", "7x", "0x10", "1e3", "-"}) {
    const std::string sentence = refusal([&] { return read_seed(bad, "--seed"); });
    EXPECT_NE(sentence.find("--seed: '" + std::string(bad) + "' is no seed"), std::string::npos) << bad;
    EXPECT_NE(sentence.find("-1 for one by chance"), std::string::npos) << bad;
  }
}

// Eight draws are alike once in 2^224.
TEST(Seeds, ChanceFitsIntoThirtyTwoBits) {
  bool differ = false;
  const std::uint64_t first = random_seed();
  for (int i = 0; i < 7; ++i) {
    const std::uint64_t other = random_seed();
    EXPECT_LE(other, 0xffffffffU);
    differ = differ || other != first;
  }
  EXPECT_TRUE(differ);
}

TEST(Seeds, TheyDoNotBeginAnewBehindTheLargest) {
  const std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
  EXPECT_NO_THROW(check_seeds(largest, 1));
  EXPECT_NO_THROW(check_seeds(largest - 9, 10));
  EXPECT_NO_THROW(check_seeds(largest, 0));
  EXPECT_THROW(check_seeds(largest, 2), UsageError);
  EXPECT_THROW(check_seeds(largest - 9, 11), UsageError);
}

}  // namespace
}  // namespace scalekv
