#include "kernels/attention.h"

#include "scalar_twins.h"

namespace scalekv::kernels {
namespace {

// A head over two segments with gaps between their rows, and its memory.
struct Example {
  Ragged queries, old_keys, old_values, new_keys, new_values, bias, out;

  Example(std::int64_t count, std::int64_t old_count, std::int64_t new_count, std::int64_t size, float spread = 1.0F)
      : queries(count, size, 3, 1, spread),
        old_keys(old_count, size, 1, 2),
        old_values(old_count, size, 1, 3),
        new_keys(new_count, size, 7, 4),
        new_values(new_count, size, 7, 5),
        bias(count, old_count + new_count, 2, 6),
        out(count, size, 5, 7) {}

  AttentionHead head(bool with_bias) {
    const auto segment = [](Ragged& keys, Ragged& values) {
      return KeyValueSegment{keys.view().data(), values.view().data(), keys.view().size(0), keys.stride()};
    };
    return {.queries = queries.view().data(),
            .query_stride = queries.stride(),
            .query_count = queries.view().size(0),
            .segments = {segment(old_keys, old_values), segment(new_keys, new_values)},
            .bias = with_bias ? bias.view().data() : nullptr,
            .bias_stride = bias.stride(),
            .out = out.view().data(),
            .out_stride = out.stride()};
  }
};

struct AttentionCase {
  std::int64_t queries, old_keys, new_keys, size;
};
constexpr AttentionCase kAttentionCases[] = {{1, 0, 1, 1},       {1, 1, 0, 128},   {4, 5, 4, 48},    {37, 100, 61, 64},
                                             {130, 97, 130, 16}, {33, 13, 200, 7}, {16, 96, 16, 80}, {5, 3, 250, 256},
                                             {17, 0, 33, 33},    {3, 40, 9, 241}};

TEST(AttentionTest, MatchesTheTwinOnEveryInstructionSet) {
  const auto drawn = [](Sizes& size) { return AttentionCase{size(1, 150), size(0, 250), size(1, 150), size(1, 160)}; };
  for (const AttentionCase& tried : with_drawn(kAttentionCases, 6, drawn)) {
    const std::int64_t queries = tried.queries, old_keys = tried.old_keys, new_keys = tried.new_keys, size = tried.size;
    SCOPED_TRACE(::testing::Message() << queries << " queries, " << old_keys << " + " << new_keys << " keys of "
                                      << size);
    const float scale = 1.5F / std::sqrt(static_cast<float>(size));
    for (const bool with_bias : {false, true}) {
      for_instruction_sets([&] {
        Example example(queries, old_keys, new_keys, size);
        const AttentionHead head = example.head(with_bias);
        attention(std::span(&head, 1), size, scale);
        for (std::int64_t q = 0; q < queries; ++q) {
          const std::vector<double> expected = attention_twin(head, q, size, static_cast<double>(scale));
          for (std::int64_t d = 0; d < size; ++d) {
            ASSERT_NEAR(example.out.view()(q, d), expected[static_cast<std::size_t>(d)], 1e-5) << q << ", " << d;
          }
        }
        EXPECT_TRUE(example.out.gaps_untouched());
      });
    }
  }
}

// Infinity's scores reach +-100: softmax is then close to picking one key.
TEST(AttentionTest, LargeScores) {
  Example example(20, 150, 60, 64, 100.0F);
  const AttentionHead head = example.head(false);
  attention(std::span(&head, 1), 64, 1.0F);
  for (std::int64_t q = 0; q < 20; ++q) {
    const std::vector<double> expected = attention_twin(head, q, 64, 1.0);
    for (std::int64_t d = 0; d < 64; ++d) {
      ASSERT_NEAR(example.out.view()(q, d), expected[static_cast<std::size_t>(d)], 1e-3) << q << ", " << d;
    }
  }
}

float largest_difference(View<const float> a, View<const float> b) {
  float most = 0.0F;
  for (std::int64_t r = 0; r < a.size(0); ++r) {
    for (std::int64_t c = 0; c < a.size(1); ++c) most = std::max(most, std::abs(a(r, c) - b(r, c)));
  }
  return most;
}

// Keys and values of one head in some precision, and the floats that they stand for.
struct Stored {
  Stored(std::int64_t rows, std::int64_t head_size, KvPrecision precision, unsigned seed)
      : Stored(random_tensor({rows, head_size}, seed).view<float>(), precision, seed + 1) {}

  Stored(View<const float> wanted_keys, KvPrecision precision, unsigned seed)
      : rows(wanted_keys.size(0)),
        size(wanted_keys.size(1)),
        keys(static_cast<std::size_t>(rows * size * kv_element_bytes(precision))),
        values(keys.size()),
        grid(static_cast<std::size_t>(kv_grid_bytes(precision, size))),
        float_keys(static_cast<std::size_t>(rows * size)),
        float_values(float_keys.size()) {
    KeyValueRows written{keys.data(), values.data(), 0, precision, grid.data()};
    append_floats(written, wanted_keys, random_tensor({rows, size}, seed).view<float>());
    written.held = rows;
    segment = written.segment(size);
    const KeyValueReader reader(segment, size);
    reader.keys(0, rows, float_keys.data());
    reader.values(0, rows, float_values.data());
    floats = {float_keys.data(), float_values.data(), rows, size};
  }
  Stored(const Stored&) = delete;

  std::int64_t rows, size;
  std::vector<std::byte> keys, values;
  std::vector<std::int8_t> grid;
  std::vector<float> float_keys, float_values;
  KeyValueSegment segment, floats;
};

// Stored rows are read as the floats they stand for: with bfloat16 every bit of the result is the same, with int8 it is
// what queries of 16 bits give.
TEST(AttentionTest, ReadsEveryPrecisionDirectly) {
  for (const AttentionCase& tried : kAttentionCases) {
    const std::int64_t queries = tried.queries, old_keys = tried.old_keys, new_keys = tried.new_keys, size = tried.size;
    if (old_keys == 0 || new_keys == 0) continue;
    for (const KvPrecision history : {KvPrecision::f32, KvPrecision::bf16, KvPrecision::int8}) {
      for (const KvPrecision map : {KvPrecision::f32, KvPrecision::bf16, KvPrecision::int8}) {
        const Stored old_rows(old_keys, size, history, 1), new_rows(new_keys, size, map, 3);
        Ragged q(queries, size, 3, 5), stored(queries, size, 1, 6), floats(queries, size, 1, 7);
        AttentionHead head{.queries = q.view().data(),
                           .query_stride = q.stride(),
                           .query_count = queries,
                           .segments = {old_rows.segment, new_rows.segment},
                           .out = stored.view().data(),
                           .out_stride = stored.stride()};
        AttentionHead twin = head;
        twin.segments = {old_rows.floats, new_rows.floats};
        twin.out = floats.view().data();
        for_instruction_sets([&] {
          attention(std::span(&head, 1), size, 0.3F);
          attention(std::span(&twin, 1), size, 0.3F);
          if (history == KvPrecision::int8 || map == KvPrecision::int8) {
            ASSERT_LT(largest_difference(stored.view(), floats.view()), 5e-4) << size;
          } else {
            ASSERT_TRUE(same_bits(stored.view(), floats.view())) << size;
          }
        });
      }
    }
  }
}

// Keys as the released models have them: channels far from zero and of very different widths. The twin reads the floats
// that the codes stand for; scores reach +-40.
TEST(AttentionTest, SkewedKeysInCodes) {
  constexpr std::int64_t kQueries = 20, kKeys = 200, kSize = 128;
  Tensor skewed = random_tensor({kKeys, kSize}, 1);
  for (std::int64_t r = 0; r < kKeys; ++r) {
    for (std::int64_t c = 0; c < kSize; ++c) {
      float& key = skewed.view<float>()(r, c);
      key = c % 16 == 0 ? 6.0F + 0.1F * key : 0.3F * key;
    }
  }
  const Stored rows(skewed.view<float>(), KvPrecision::int8, 2);
  Ragged queries(kQueries, kSize, 3, 5), out(kQueries, kSize, 1, 6);
  AttentionHead head{.queries = queries.view().data(),
                     .query_stride = queries.stride(),
                     .query_count = kQueries,
                     .segments = {rows.segment},
                     .out = out.view().data(),
                     .out_stride = out.stride()};
  AttentionHead twin = head;
  twin.segments = {rows.floats};
  for_instruction_sets([&] {
    attention(std::span(&head, 1), kSize, 1.0F);
    for (std::int64_t q = 0; q < kQueries; ++q) {
      const std::vector<double> expected = attention_twin(twin, q, kSize, 1.0);
      for (std::int64_t d = 0; d < kSize; ++d) {
        ASSERT_NEAR(out.view()(q, d), expected[static_cast<std::size_t>(d)], 2e-3) << q << ", " << d;
      }
    }
  });
}

// `whole` computed in parts, by any number of threads.
void expect_same_bits_in_parts(const AttentionHead& whole, std::int64_t size) {
  const std::int64_t queries = whole.query_count;
  for_instruction_sets([&] {
    attention(std::span(&whole, 1), size, 0.3F);
    const View<float> expected(whole.out, {queries, size}, {whole.out_stride, 1});
    for_thread_counts([&] {
      for (const std::int64_t group : {1, 7, 16, 129, 300}) {
        Ragged out(queries, size, 0, 9);
        std::vector<AttentionHead> parts;
        for (std::int64_t first = 0; first < queries; first += group) {
          AttentionHead part = whole;
          part.queries += first * part.query_stride;
          if (part.bias != nullptr) part.bias += first * part.bias_stride;
          part.query_count = std::min(group, queries - first);
          part.out = out.view().at(first, 0);
          part.out_stride = out.stride();
          parts.push_back(part);
        }
        attention(parts, size, 0.3F);
        ASSERT_TRUE(same_bits(out.view(), expected)) << group;
      }
    });
  });
}

TEST(AttentionTest, GroupsOfQueriesAndThreadsChangeNothing) {
  constexpr std::int64_t kQueries = 300, kSize = 48;
  Example example(kQueries, 100, 300, kSize);
  expect_same_bits_in_parts(example.head(true), kSize);

  const Stored old_rows(100, kSize, KvPrecision::int8, 1), new_rows(300, kSize, KvPrecision::int8, 3);
  AttentionHead codes = example.head(false);
  codes.segments = {old_rows.segment, new_rows.segment};
  expect_same_bits_in_parts(codes, kSize);
}

}  // namespace
}  // namespace scalekv::kernels
