#include "kernels/stored_rows.h"

#include <limits>

#include "scalar_twins.h"

namespace scalekv::kernels {
namespace {

constexpr KvPrecision kPrecisions[] = {KvPrecision::f32, KvPrecision::bf16, KvPrecision::int8};
constexpr std::int64_t kSizes[] = {1, 7, 16, 33, 48, 128};

// Rows of one head in memory, and room for more.
struct Head {
  Head(std::int64_t capacity, std::int64_t head_size, KvPrecision precision)
      : size(head_size),
        keys(static_cast<std::size_t>(capacity * head_size * kv_element_bytes(precision))),
        values(keys.size()),
        grid(static_cast<std::size_t>(kv_grid_bytes(precision, head_size)), 5),  // stale: nothing is held
        rows{keys.data(), values.data(), 0, precision, grid.data()} {}
  Head(const Head&) = delete;

  void append(View<const float> more_keys, View<const float> more_values) {
    append_floats(rows, more_keys, more_values);
    rows.held += more_keys.size(0);
  }
  std::vector<float> read_keys() const {
    std::vector<float> out(static_cast<std::size_t>(rows.held * size));
    KeyValueReader(rows.segment(size), size).keys(0, rows.held, out.data());
    return out;
  }
  std::vector<float> read_values() const {
    std::vector<float> out(static_cast<std::size_t>(rows.held * size));
    KeyValueReader(rows.segment(size), size).values(0, rows.held, out.data());
    return out;
  }

  std::int64_t size;
  std::vector<std::byte> keys, values;
  std::vector<std::int8_t> grid;
  KeyValueRows rows;
};

// Keys as released models have them: channel c is narrow and far from zero, or as wide as all others together; one row
// in 50 is an outlier, 20 times as far out.
Tensor skewed(std::int64_t rows, std::int64_t size, unsigned seed) {
  Tensor x = random_tensor({rows, size}, seed, 0.02F);
  const View<float> view = x.view<float>();
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < size; ++c) {
      if (c % 5 == 1) view(r, c) = 0.6F + 0.1F * view(r, c);
      if (c % 7 == 2) view(r, c) *= 25.0F;
      if (r % 50 == 7) view(r, c) *= 20.0F;
    }
  }
  return x;
}

struct Span {
  float low = std::numeric_limits<float>::infinity(), high = -low;
  float width() const { return high - low; }
  float reach() const { return std::max(std::abs(low), std::abs(high)); }
};

std::vector<Span> spans(View<const float> x) {
  std::vector<Span> channels(static_cast<std::size_t>(x.size(1)));
  for (std::int64_t r = 0; r < x.size(0); ++r) {
    for (std::int64_t c = 0; c < x.size(1); ++c) {
      Span& channel = channels[static_cast<std::size_t>(c)];
      channel.low = std::min(channel.low, x(r, c));
      channel.high = std::max(channel.high, x(r, c));
    }
  }
  return channels;
}

// What a step may be at most: 240 of them span a channel of keys (and 2048 reach its far end), 127 half of one of
// values; powers of two lose up to another factor of two.
float most_key_step(const Span& span) { return 2.0F * std::max(span.width() / 240.0F, span.reach() / 2048.0F); }
float most_value_step(const Span& span) { return 2.0F * span.reach() / 127.0F; }

// The step of the grid's channel by the format's own words.
float step_of(std::int8_t exponent) { return std::ldexp(1.0F, exponent); }

TEST(StoredRowsTest, FloatsStayAndHalvesAreRoundedOnce) {
  for (const std::int64_t size : kSizes) {
    for_instruction_sets([&] {
      Ragged keys(21, size, 3, 1), values(21, size, 3, 2);
      keys.view()(3, 0) = std::numeric_limits<float>::quiet_NaN();
      values.view()(4, 0) = std::numeric_limits<float>::infinity();
      for (const KvPrecision precision : {KvPrecision::f32, KvPrecision::bf16}) {
        Head head(21, size, precision);
        head.append(keys.view().slice(0, 0, 8), values.view().slice(0, 0, 8));
        head.append(keys.view().slice(0, 8, 21), values.view().slice(0, 8, 21));
        const std::vector<float> k = head.read_keys(), v = head.read_values();
        for (std::int64_t i = 0; i < 21 * size; ++i) {
          const auto expected = [&](float x) { return precision == KvPrecision::f32 ? x : to_float(to_bfloat16(x)); };
          const float key = expected(keys.view()(i / size, i % size));
          const auto at = static_cast<std::size_t>(i);
          ASSERT_TRUE(k[at] == key || (std::isnan(k[at]) && std::isnan(key)));
          ASSERT_EQ(v[at], expected(values.view()(i / size, i % size)));
        }
      }
    });
  }
}

TEST(StoredRowsTest, CodesStayNearSkewedKeysWithOutliers) {
  constexpr std::int64_t kRows = 300;
  for (const std::int64_t size : kSizes) {
    SCOPED_TRACE(size);
    const Tensor keys = skewed(kRows, size, 1), values = skewed(kRows, size, 2);
    const auto key_spans = spans(keys.view<float>()), value_spans = spans(values.view<float>());
    for_instruction_sets([&] {
      Head head(kRows, size, KvPrecision::int8);
      head.append(keys.view<float>(), values.view<float>());
      const std::vector<float> k = head.read_keys(), v = head.read_values();
      for (std::int64_t i = 0; i < kRows * size; ++i) {
        const auto c = static_cast<std::size_t>(i % size), at = static_cast<std::size_t>(i);
        const float key_step = step_of(head.grid[c]);
        const float value_step = step_of(head.grid[c + 2 * static_cast<std::size_t>(size)]);
        ASSERT_LE(key_step, most_key_step(key_spans[c]));
        ASSERT_LE(value_step, most_value_step(value_spans[c]));
        ASSERT_LE(std::abs(k[at] - keys.view<float>().data()[i]), 0.5F * key_step);
        ASSERT_LE(std::abs(v[at] - values.view<float>().data()[i]), 0.5F * value_step);
        // The format as documented: (u + 16 offset) 2^exponent and (u - 128) 2^exponent.
        const int offset = head.grid[c + static_cast<std::size_t>(size)];
        ASSERT_EQ(k[at], static_cast<float>(static_cast<int>(head.keys[at]) + 16 * offset) * key_step);
        ASSERT_EQ(v[at], static_cast<float>(static_cast<int>(head.values[at]) - 128) * value_step);
      }
    });
  }
}

TEST(StoredRowsTest, AGridThatGrowsKeepsWhatLiesOnIt) {
  constexpr std::int64_t kSize = 33, kRows = 40;
  Tensor keys = skewed(5 * kRows, kSize, 3), values = skewed(5 * kRows, kSize, 4);
  for (std::int64_t r = 0; r < 5 * kRows; ++r) {  // every batch reaches three times as far as the one before
    for (std::int64_t c = 0; c < kSize; ++c) {
      keys.view<float>()(r, c) *= std::pow(3.0F, static_cast<float>(r / kRows));
      values.view<float>()(r, c) *= std::pow(3.0F, static_cast<float>(r / kRows));
    }
  }
  const auto key_spans = spans(keys.view<float>()), value_spans = spans(values.view<float>());
  Head head(5 * kRows, kSize, KvPrecision::int8);
  for (std::int64_t first = 0; first < 5 * kRows; first += kRows) {
    head.append(keys.view<float>().slice(0, first, first + kRows), values.view<float>().slice(0, first, first + kRows));
  }
  const std::vector<float> k = head.read_keys(), v = head.read_values();
  for (std::int64_t i = 0; i < 5 * kRows * kSize; ++i) {
    const auto c = static_cast<std::size_t>(i % kSize), at = static_cast<std::size_t>(i);
    ASSERT_LE(std::abs(k[at] - keys.view<float>().data()[i]), most_key_step(key_spans[c])) << i;
    ASSERT_LE(std::abs(v[at] - values.view<float>().data()[i]), most_value_step(value_spans[c])) << i;
  }
  // Rows that the grid covers already change nothing.
  const std::vector<std::int8_t> grid = head.grid;
  head.rows.held -= kRows;
  head.append(keys.view<float>().slice(0, 0, kRows), values.view<float>().slice(0, 0, kRows));
  EXPECT_EQ(head.grid, grid);
}

TEST(StoredRowsTest, ChosenRowsMoveToAnotherHead) {
  constexpr std::int64_t kSize = 48;
  const Tensor keys = skewed(200, kSize, 5), values = skewed(200, kSize, 6);
  const Tensor old_keys = random_tensor({30, kSize}, 7), old_values = random_tensor({30, kSize}, 8);
  std::vector<std::int64_t> chosen;
  for (std::int64_t i = 3; i < 200; i += 2) chosen.push_back(i);
  for (const KvPrecision precision : kPrecisions) {
    Head from(200, kSize, precision), to(230, kSize, precision);
    from.append(keys.view<float>(), values.view<float>());
    to.append(old_keys.view<float>(), old_values.view<float>());
    const std::vector<float> source = from.read_keys(), source_values = from.read_values();
    append_rows(to.rows, kSize, from.rows.segment(kSize), chosen);
    to.rows.held += static_cast<std::int64_t>(chosen.size());
    const std::vector<float> moved = to.read_keys(), moved_values = to.read_values();
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      for (std::int64_t c = 0; c < kSize; ++c) {
        const auto at = static_cast<std::size_t>((30 + static_cast<std::int64_t>(i)) * kSize + c);
        const auto was = static_cast<std::size_t>(chosen[i] * kSize + c);
        const auto channel = static_cast<std::size_t>(c);
        const bool coded = precision == KvPrecision::int8;
        ASSERT_NEAR(moved[at], source[was], coded ? 0.5F * step_of(to.grid[channel]) : 0.0F);
        ASSERT_NEAR(moved_values[at], source_values[was], coded ? 0.5F * step_of(to.grid[channel + 2 * kSize]) : 0.0F);
      }
    }
  }
}

TEST(StoredRowsTest, ExtremesOfAChannel) {
  // Channels: zero, constant, tiny, huge, one far outlier, no number, infinite.
  constexpr std::int64_t kSize = 7;
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {0, 0.7F, 1e-35F, 1e20F, 0.01F, 1, 1, 0, 0.7F, 2e-35F, -1e20F, 50, nan, -infinity};
  for_instruction_sets([&] {
    Head head(2, kSize, KvPrecision::int8);
    head.append({x.data(), Shape{2, kSize}}, {x.data(), Shape{2, kSize}});
    for (const std::vector<float>& read : {head.read_keys(), head.read_values()}) {
      for (const std::size_t r : {0U, 1U}) {
        EXPECT_EQ(read[r * kSize], 0.0F);
        EXPECT_NEAR(read[r * kSize + 1], 0.7F, 0.7 / 127.0);
        EXPECT_NEAR(read[r * kSize + 2], 0.0F, 1e-30);
        EXPECT_NEAR(read[r * kSize + 3], x[r * kSize + 3], 1e20 / 100.0);
        EXPECT_NEAR(read[r * kSize + 4], x[r * kSize + 4], 50.0 / 100.0);
        EXPECT_TRUE(std::isnan(read[r * kSize + 5]));  // also the row whose own number was sound
        EXPECT_TRUE(std::isnan(read[r * kSize + 6]));
      }
    }
  });
}

// Codes of values reach 127 steps up: beyond it a step is twice as long, so that nothing is cut off.
TEST(StoredRowsTest, ValuesBeyondTheLastCodeGetALongerStep) {
  const std::vector<float> x = {126.9F, 127.2F, 128.4F, 128.9F};
  for_instruction_sets([&] {
    Head head(1, 4, KvPrecision::int8);
    head.append({x.data(), Shape{1, 4}}, {x.data(), Shape{1, 4}});
    const std::vector<float> read = head.read_values();
    EXPECT_EQ(read, (std::vector<float>{127.0F, 128.0F, 128.0F, 128.0F}));
  });
}

// 1 + 1/256 lies between 1 and 1 + 2/256, and 1 + 3/256 between that and 1 + 4/256: halves go to the even one.
TEST(StoredRowsTest, HalvesOfBfloat16GoToEven) {
  std::vector<float> x, expected;
  for (int i = 0; i < 32; ++i) {
    x.push_back(i % 2 == 0 ? 1.0F + 1.0F / 256.0F : 1.0F + 3.0F / 256.0F);
    expected.push_back(i % 2 == 0 ? 1.0F : 1.0F + 4.0F / 256.0F);
  }
  for_instruction_sets([&] {
    Head head(1, 32, KvPrecision::bf16);
    head.append({x.data(), Shape{1, 32}}, {x.data(), Shape{1, 32}});
    EXPECT_EQ(head.read_keys(), expected);
  });
}

TEST(StoredRowsTest, ProductsMatchTheTwin) {
  for (const std::int64_t size : kSizes) {
    const Tensor keys = skewed(70, size, 9), query = random_tensor({size}, 10, 3.0F);
    for (const KvPrecision precision : kPrecisions) {
      for_instruction_sets([&] {
        Head head(70, size, precision);
        head.append(keys.view<float>(), keys.view<float>());
        const std::vector<float> k = head.read_keys();
        // Every second row, so that rows are further apart than they are long.
        KeyValueSegment segment = head.rows.segment(size);
        segment.count = 35;
        segment.stride = 2 * size;
        std::vector<float> scores(35);
        KeyValueReader(segment, size)
            .dot_keys({query.view<float>().data(), static_cast<std::size_t>(size)}, scores.data());
        for (std::size_t j = 0; j < scores.size(); ++j) {
          double sum = 0.0;
          for (std::int64_t c = 0; c < size; ++c) {
            sum += static_cast<double>(query.view<float>()(c)) *
                   static_cast<double>(k[2 * j * static_cast<std::size_t>(size) + static_cast<std::size_t>(c)]);
          }
          ASSERT_NEAR(scores[j], sum, 2e-5 * std::sqrt(static_cast<double>(size)));
        }
      });
    }
  }
}

}  // namespace
}  // namespace scalekv::kernels
