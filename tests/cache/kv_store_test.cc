#include "cache/kv_store.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <numeric>

#include "runtime/philox.h"

namespace scalekv::cache {
namespace {

const std::vector<MapSize> kScales = {{1, 1}, {2, 2}, {3, 4}, {5, 5}, {6, 7}, {8, 8}};

// A token's key says where it came from, so that after any number of compactions its place can be told. Small whole
// numbers, which every precision holds exactly.
using Label = std::array<float, 4>;
Label label(int scale, std::int64_t token, int layer, std::int64_t sequence, int head) {
  return {static_cast<float>(scale), static_cast<float>(token), static_cast<float>(10 * layer + sequence),
          static_cast<float>(head)};
}

struct Tracked {
  std::vector<Label> tokens;  // in cache order
};

// Runs the store through all scales with random selections and compares every run with a plain list.
void run_and_compare(const KeepPlan& plan, std::int64_t sequences, std::int64_t group_size,
                     kernels::KvPrecision precision) {
  SCOPED_TRACE(kernels::kv_precision_name(precision));
  const CacheGeometry& geometry = plan.geometry();
  const std::vector<std::int64_t> group(kScales.size(), group_size);
  const std::int64_t before = ledger().current(MemoryKind::kv);
  ledger().reset_peaks();
  {
    KvStore store(plan, sequences, group, precision);
    std::vector<Tracked> tracked(static_cast<std::size_t>(geometry.layers * sequences * geometry.heads));
    for (int scale = 0; scale < geometry.scale_count(); ++scale) {
      store.begin_scale(scale);
      for (int layer = 0; layer < geometry.layers; ++layer) {
        for (std::int64_t sequence = 0; sequence < sequences; ++sequence) {
          const std::int64_t slot = sequence % group_size;
          const Shape shape{geometry.map_tokens(scale), geometry.heads, geometry.head_size};
          Tensor keys(DType::f32, shape, MemoryKind::other), values(DType::f32, shape, MemoryKind::other);
          for (std::int64_t token = 0; token < geometry.map_tokens(scale); ++token) {
            for (int head = 0; head < geometry.heads; ++head) {
              const Label mine = label(scale, token, layer, sequence, head);
              std::copy(mine.begin(), mine.end(), keys.view<float>().at(token, head, 0));
              std::transform(mine.begin(), mine.end(), values.view<float>().at(token, head, 0), std::negate<>());
            }
          }
          store.write_map(layer, sequence, slot, keys.view<float>(), values.view<float>());
          std::vector<std::vector<std::int32_t>> kept(static_cast<std::size_t>(geometry.heads));
          for (int head = 0; head < geometry.heads; ++head) {
            const auto h = static_cast<std::size_t>(head);
            auto& mine =
                tracked[static_cast<std::size_t>((layer * sequences + sequence) * geometry.heads + head)].tokens;
            for (std::int64_t token = 0; token < geometry.map_tokens(scale); ++token) {
              mine.push_back(label(scale, token, layer, sequence, head));
            }
            const auto history = store.history(layer, sequence, head);
            const auto current = store.current(layer, sequence, slot, head);
            ASSERT_EQ(history.count, plan.before(scale, layer, head));
            ASSERT_EQ(history.count + current.count, static_cast<std::int64_t>(mine.size()));
            const std::span<const std::int32_t> origins = store.origins(layer, sequence, head);
            for (std::int64_t j = 0; j < history.count; ++j) {
              const auto place = static_cast<std::size_t>(j);
              const std::int64_t origin =
                  geometry.tokens_before(static_cast<int>(mine[place][0])) + static_cast<std::int64_t>(mine[place][1]);
              ASSERT_EQ(origins.empty() ? j : origins[place], origin);
            }
            for (std::int64_t j = 0; j < static_cast<std::int64_t>(mine.size()); ++j) {
              const kernels::KeyValueReader reader(j < history.count ? history : current, geometry.head_size);
              Label key{}, value{};
              reader.keys(j < history.count ? j : j - history.count, 1, key.data());
              reader.values(j < history.count ? j : j - history.count, 1, value.data());
              ASSERT_EQ(key, mine[static_cast<std::size_t>(j)]);
              for (float& x : value) x = -x;
              ASSERT_EQ(value, mine[static_cast<std::size_t>(j)]);
            }
            std::vector<std::pair<float, std::int32_t>> order;
            for (std::uint32_t j = 0; j < mine.size(); ++j) {
              order.emplace_back(uniform(5, {j, static_cast<std::uint32_t>(scale), h == 0 ? 0U : 1U,
                                             static_cast<std::uint32_t>(layer)}),
                                 static_cast<std::int32_t>(j));
            }
            std::sort(order.begin(), order.end());
            order.resize(static_cast<std::size_t>(plan.after(scale, layer, head)));
            for (const auto& [random, index] : order) kept[h].push_back(index);
            std::sort(kept[h].begin(), kept[h].end());
            std::vector<Label> remaining;
            for (const std::int32_t index : kept[h]) remaining.push_back(mine[static_cast<std::size_t>(index)]);
            mine = remaining;
          }
          plan.keeps_all(scale, layer) ? store.keep_all(layer, sequence) : store.keep(layer, sequence, slot, kept);
        }
      }
    }
    EXPECT_EQ(ledger().peak(MemoryKind::kv) - before, predict_kv_bytes(plan, sequences, group, precision).peak);
  }
  EXPECT_EQ(ledger().current(MemoryKind::kv), before);
}

void run_and_compare(const KeepPlan& plan, std::int64_t sequences, std::int64_t group_size) {
  for (const auto precision : {kernels::KvPrecision::f32, kernels::KvPrecision::bf16, kernels::KvPrecision::int8}) {
    run_and_compare(plan, sequences, group_size, precision);
  }
}

CacheGeometry geometry() { return {.layers = 3, .heads = 2, .head_size = 4, .scales = kScales}; }

TEST(KvStore, FullCache) { run_and_compare(KeepPlan(geometry(), Budget()), 4, 2); }

// A map of ones, as large as the largest.
Tensor make_ones(const CacheGeometry& shape) {
  std::int64_t tokens = 0;
  for (int scale = 0; scale < shape.scale_count(); ++scale) tokens = std::max(tokens, shape.map_tokens(scale));
  Tensor ones(DType::f32, {tokens, shape.heads, shape.head_size}, MemoryKind::other);
  std::fill_n(ones.view<float>().data(), ones.elements(), 1.0F);
  return ones;
}

// Writes the current map of sequence 0.
void write_ones(KvStore& store, int scale, int layer, const Tensor& ones) {
  const View<const float> map = ones.view<float>().slice(0, 0, store.plan().geometry().map_tokens(scale));
  store.write_map(layer, 0, 0, map, map);
}

TEST(KvStore, FullCacheIsWrittenInPlace) {
  KvStore store(KeepPlan(geometry(), Budget()), 1, std::vector<std::int64_t>(kScales.size(), 1));
  const Tensor ones = make_ones(geometry());
  const void* place = nullptr;
  for (int scale = 0; scale + 1 < geometry().scale_count(); ++scale) {
    store.begin_scale(scale);
    write_ones(store, scale, 0, ones);
    if (place == nullptr) place = store.history(0, 0, 1).keys;
    EXPECT_EQ(store.history(0, 0, 1).keys, place);  // no scale moves what came before it
    store.keep_all(0, 0);
  }
}

TEST(KvStore, DifferentLengthsPerLayer) {
  const Budget budget =
      make_scale_budget(3, 2, 10, {{3, {{0}, 5, 3}}, {4, {{1}, 17, 6}}, {5, {{0, 2}, 30, 2}}, {6, {{1}, 60, 9}}});
  run_and_compare(KeepPlan(geometry(), budget), 4, 2);
  run_and_compare(KeepPlan(geometry(), budget), 3, 1);
}

TEST(KvStore, DifferentLengthsPerHead) {
  const Budget budget(
      3, 2, 4,
      {{3, {4, 3, 2, 5, 1, 1}}, {4, {9, 2, 17, 17, 3, 8}}, {5, {40, 1, 2, 30, 42, 42}}, {6, {10, 60, 2, 70, 1, 44}}});
  run_and_compare(KeepPlan(geometry(), budget), 2, 2);
}

TEST(KvStore, TheReferencesLastCompression) {
  const Budget budget =
      make_scale_budget(3, 2, 10, {{4, {{0}, 12, 8}}, {5, {{0}, 20, 8}}, {6, {{0}, 40, 8}}, {7, {{0}, 50, 8}}});
  run_and_compare(KeepPlan(geometry(), budget, true), 2, 1);
}

// Bytes of this process that are in memory.
double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double pages = 0.0;
  file >> pages >> pages;
  return pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

// Writes every key and value of all scales but the last (after which nothing is kept); the first tokens stay.
void fill(KvStore& store, const KeepPlan& plan, const Tensor& ones) {
  const CacheGeometry& shape = plan.geometry();
  for (int scale = 0; scale + 1 < shape.scale_count(); ++scale) {
    store.begin_scale(scale);
    for (int layer = 0; layer < shape.layers; ++layer) {
      write_ones(store, scale, layer, ones);
      if (plan.keeps_all(scale, layer)) {
        store.keep_all(layer, 0);
        continue;
      }
      std::vector<std::vector<std::int32_t>> kept;
      for (int head = 0; head < shape.heads; ++head) {
        kept.emplace_back(static_cast<std::size_t>(plan.after(scale, layer, head)));
        std::iota(kept.back().begin(), kept.back().end(), 0);
      }
      store.keep(layer, 0, 0, kept);
    }
  }
}

TEST(KvStore, ResidentMemoryMovesWithTheLedger) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers hold freed memory back";
#endif
  const CacheGeometry shape{.layers = 8, .heads = 4, .head_size = 64, .scales = {{1, 1}, {16, 16}, {48, 48}, {64, 64}}};
  const std::vector<std::int64_t> group(shape.scales.size(), 1);
  const Budget tenth = make_scale_budget(8, 4, 10, {{3, {{0}, 200, 16}}, {4, {{0}, 400, 16}}});
  const Tensor ones = make_ones(shape);
  {  // Threads take memory when they first work.
    KvStore store(KeepPlan(shape, tenth), 1, group);
    fill(store, store.plan(), ones);
  }
  double whole = 0.0;
  for (const Budget& budget : {Budget(), tenth}) {
    const KeepPlan plan(shape, budget);
    const double resident = resident_bytes();
    const std::int64_t written = ledger().current(MemoryKind::kv);
    double grown = 0.0;
    {
      KvStore store(plan, 1, group);
      fill(store, plan, ones);
      const auto ledger_grown = static_cast<double>(ledger().current(MemoryKind::kv) - written);
      grown = resident_bytes() - resident;
      EXPECT_NEAR(grown, ledger_grown, 0.05 * ledger_grown + 2e6);
    }
    EXPECT_NEAR(resident_bytes(), resident, 2e6);
    if (whole == 0.0) {
      whole = grown;
    } else {
      EXPECT_LT(grown, 0.5 * whole);
    }
  }
}

}  // namespace
}  // namespace scalekv::cache
