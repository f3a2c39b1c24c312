#include "kernels/stored_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "kernels/kv_grid.h"
#include "kernels/simd_targets.h"

// This file is compiled once per instruction set; the best one for the machine is chosen at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stored_rows.cc"
#include <hwy/foreach_target.h>  // NOLINT(misc-header-include-cycle)
#include <hwy/highway.h>

#include "kernels/stored_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scalekv::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::ScalableTag<float>;

void read_rows(const RowSource& source, std::size_t count, std::size_t size, float* out) {
  rows_to_floats(source, count, size, size, out);
}

// scores[j] = query . row j.
void dot_rows(const RowSource& source, std::size_t count, const float* query, std::size_t size, float* scores) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  for_rows(source, count, [&](std::size_t r, const auto& row) {
    auto even = hn::Zero(d);
    auto odd = hn::Zero(d);
    std::size_t c = 0;
    for (; c + 2 * lanes <= size; c += 2 * lanes) {
      even = hn::MulAdd(row.load(d, c), hn::LoadU(d, query + c), even);
      odd = hn::MulAdd(row.load(d, c + lanes), hn::LoadU(d, query + c + lanes), odd);
    }
    float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
    for (; c < size; ++c) sum += row.at(c) * query[c];
    scores[r] = sum;
  });
}

// codes = round(x / step) - origin, saturated.
void write_codes(const float* x, const float* inverse_steps, const float* origins, std::size_t size,
                 std::uint8_t* codes) {
  const Floats d;
  const hn::RebindToSigned<Floats> d32;
  const hn::Rebind<std::uint8_t, Floats> d8;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t c = 0;
  for (; c + lanes <= size; c += lanes) {
    const auto steps = hn::NearestInt(hn::Mul(hn::LoadU(d, x + c), hn::LoadU(d, inverse_steps + c)));
    const auto code = hn::Sub(steps, hn::ConvertTo(d32, hn::LoadU(d, origins + c)));
    hn::StoreU(hn::DemoteTo(d8, code), d8, codes + c);
  }
  for (; c < size; ++c) {
    const float code = std::nearbyint(x[c] * inverse_steps[c]) - origins[c];
    codes[c] = static_cast<std::uint8_t>(std::fmax(0.0F, std::fmin(255.0F, code)));  // NaN becomes 255
  }
}

// The upper halves, rounded to nearest even as to_bfloat16 does.
void write_bfloat16(const float* x, std::size_t size, std::uint16_t* out) {
  const Floats d;
  const hn::RebindToSigned<Floats> d32;
  const hn::Rebind<std::uint16_t, Floats> d16;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t c = 0;
  for (; c + lanes <= size; c += lanes) {
    const auto value = hn::LoadU(d, x + c);
    const auto bits = hn::BitCast(hn::RebindToUnsigned<Floats>(), value);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(hn::RebindToUnsigned<Floats>(), 1U));
    const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(hn::RebindToUnsigned<Floats>(), 0x7fffU)));
    const auto quiet = hn::Or(bits, hn::Set(hn::RebindToUnsigned<Floats>(), 0x400000U));
    const auto kept = hn::IfThenElse(hn::RebindMask(hn::RebindToUnsigned<Floats>(), hn::IsNaN(value)), quiet, rounded);
    hn::StoreU(hn::DemoteTo(d16, hn::BitCast(d32, hn::ShiftRight<16>(kept))), d16, out + c);
  }
  for (; c < size; ++c) out[c] = to_bfloat16(x[c]).bits;
}

}  // namespace HWY_NAMESPACE
}  // namespace scalekv::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scalekv::kernels {
namespace {

HWY_EXPORT(read_rows);
HWY_EXPORT(dot_rows);
HWY_EXPORT(write_codes);
HWY_EXPORT(write_bfloat16);

constexpr std::int64_t kChunkRows = 64;  // rows that are floats at a time while others move

// Element `index` of rows that begin at `rows`.
void* element(void* rows, KvPrecision precision, std::int64_t index) {
  return static_cast<std::byte*>(rows) + index * kv_element_bytes(precision);
}

// Floats into rows first ... of one kind (keys or values); the grid covers them.
void write_rows(void* rows, KvPrecision precision, const std::vector<ChannelGrid>& grid, std::int64_t first,
                View<const float> from) {
  const auto size = from.size(1);
  std::vector<float> inverse_steps, origins;
  for (const ChannelGrid& channel : grid) {
    inverse_steps.push_back(channel.inverse_step());
    origins.push_back(static_cast<float>(channel.origin));
  }
  for (std::int64_t r = 0; r < from.size(0); ++r) {
    const float* x = from.at(r, 0);
    void* out = element(rows, precision, (first + r) * size);
    if (precision == KvPrecision::f32) {
      std::copy_n(x, size, static_cast<float*>(out));
    } else if (precision == KvPrecision::bf16) {
      HWY_DYNAMIC_DISPATCH(write_bfloat16)(x, static_cast<std::size_t>(size), static_cast<std::uint16_t*>(out));
    } else {
      HWY_DYNAMIC_DISPATCH(write_codes)
      (x, inverse_steps.data(), origins.data(), static_cast<std::size_t>(size), static_cast<std::uint8_t*>(out));
    }
  }
}

// Writes keys and values as rows first ...; the grid covers them.
void write(const KeyValueRows& rows, std::int64_t first, View<const float> keys, View<const float> values) {
  const bool coded = rows.precision == KvPrecision::int8;
  const std::int64_t size = keys.size(1);
  write_rows(rows.keys, rows.precision, coded ? key_grid(rows.grid, size) : std::vector<ChannelGrid>(), first, keys);
  write_rows(rows.values, rows.precision, coded ? value_grid(rows.grid, size) : std::vector<ChannelGrid>(), first,
             values);
}

// Calls body(i, keys, values) with the chosen rows as floats, chunk by chunk; i is the place of a chunk's first row
// among them.
template <typename Body>
void for_chosen(const KeyValueSegment& segment, std::int64_t size, std::span<const std::int64_t> chosen,
                const Body& body) {
  const KeyValueReader reader(segment, size);
  std::vector<float> keys(static_cast<std::size_t>(kChunkRows * size));
  std::vector<float> values(keys.size());
  const auto total = static_cast<std::int64_t>(chosen.size());
  for (std::int64_t first = 0; first < total; first += kChunkRows) {
    const std::int64_t count = std::min(kChunkRows, total - first);
    for (std::int64_t i = 0; i < count; ++i) {
      reader.keys(chosen[static_cast<std::size_t>(first + i)], 1, keys.data() + i * size);
      reader.values(chosen[static_cast<std::size_t>(first + i)], 1, values.data() + i * size);
    }
    const Shape shape{count, size};
    body(first, View<const float>(keys.data(), shape), View<const float>(values.data(), shape));
  }
}

// Widens the grid to what rows of this range need, and moves the rows that are held to it.
void widen(const KeyValueRows& rows, std::int64_t size, KeyValueRange range) {
  if (rows.held == 0) clear_grid(rows.grid, size);
  if (covers(rows.grid, range)) return;
  std::vector<std::int64_t> all(static_cast<std::size_t>(rows.held));
  std::iota(all.begin(), all.end(), 0);
  const std::vector<std::int8_t> narrow(rows.grid, rows.grid + kv_grid_bytes(KvPrecision::int8, size));
  KeyValueSegment held = rows.segment(size);
  held.grid = narrow.data();
  for_chosen(held, size, all,
             [&](std::int64_t, View<const float> keys, View<const float> values) { range.add(keys, values); });
  fit_grid(range, rows.grid);
  for_chosen(held, size, all, [&](std::int64_t first, View<const float> keys, View<const float> values) {
    write(rows, first, keys, values);
  });
}

}  // namespace

KeyValueReader::KeyValueReader(const KeyValueSegment& segment, std::int64_t head_size)
    : segment_(segment), head_size_(head_size) {
  if (segment.precision != KvPrecision::int8 || segment.count == 0) return;
  for (std::vector<float>* floats : {&key_steps_, &key_bases_, &value_steps_, &value_bases_}) {
    floats->resize(static_cast<std::size_t>(head_size));
  }
  expand_key_grid(segment.grid, head_size, {key_steps_.data(), key_bases_.data()});
  expand_value_grid(segment.grid, head_size, {value_steps_.data(), value_bases_.data()});
}

void KeyValueReader::keys(std::int64_t first, std::int64_t count, float* out) const {
  const RowSource source =
      RowSource{segment_.keys, segment_.precision, segment_.stride, key_steps_.data(), key_bases_.data()}.from(first);
  HWY_DYNAMIC_DISPATCH(read_rows)(source, static_cast<std::size_t>(count), static_cast<std::size_t>(head_size_), out);
}

void KeyValueReader::values(std::int64_t first, std::int64_t count, float* out) const {
  const RowSource source =
      RowSource{segment_.values, segment_.precision, segment_.stride, value_steps_.data(), value_bases_.data()}.from(
          first);
  HWY_DYNAMIC_DISPATCH(read_rows)(source, static_cast<std::size_t>(count), static_cast<std::size_t>(head_size_), out);
}

void KeyValueReader::dot_keys(std::span<const float> query, float* scores) const {
  SCALEKV_ASSERT(static_cast<std::int64_t>(query.size()) == head_size_);
  const RowSource source{segment_.keys, segment_.precision, segment_.stride, key_steps_.data(), key_bases_.data()};
  HWY_DYNAMIC_DISPATCH(dot_rows)
  (source, static_cast<std::size_t>(segment_.count), query.data(), query.size(), scores);
}

void append_floats(const KeyValueRows& rows, View<const float> keys, View<const float> values) {
  if (keys.size(0) == 0) return;
  if (rows.precision == KvPrecision::int8) {
    KeyValueRange range(keys.size(1));
    range.add(keys, values);
    widen(rows, keys.size(1), std::move(range));
  }
  write(rows, rows.held, keys, values);
}

void append_rows(const KeyValueRows& rows, std::int64_t head_size, const KeyValueSegment& from,
                 std::span<const std::int64_t> chosen) {
  SCALEKV_ASSERT(rows.precision == from.precision);
  if (chosen.empty()) return;
  if (rows.precision != KvPrecision::int8) {
    const auto bytes = static_cast<std::size_t>(head_size * kv_element_bytes(rows.precision));
    std::int64_t row = rows.held;
    for (const std::int64_t index : chosen) {
      const std::int64_t offset = index * from.stride * kv_element_bytes(rows.precision);
      std::memcpy(element(rows.keys, rows.precision, row * head_size),
                  static_cast<const std::byte*>(from.keys) + offset, bytes);
      std::memcpy(element(rows.values, rows.precision, row * head_size),
                  static_cast<const std::byte*>(from.values) + offset, bytes);
      ++row;
    }
    return;
  }
  // Codes on one grid become codes on another by way of floats: first what they span, then the rows.
  KeyValueRange range(head_size);
  for_chosen(from, head_size, chosen,
             [&](std::int64_t, View<const float> keys, View<const float> values) { range.add(keys, values); });
  widen(rows, head_size, std::move(range));
  for_chosen(from, head_size, chosen, [&](std::int64_t first, View<const float> keys, View<const float> values) {
    write(rows, rows.held + first, keys, values);
  });
}

void replace_row(const KeyValueRows& rows, std::int64_t row, View<const float> key, View<const float> value) {
  SCALEKV_ASSERT(0 <= row && row < rows.held);
  if (rows.precision == KvPrecision::int8) {
    KeyValueRange range(key.size(1));
    range.add(key, value);
    widen(rows, key.size(1), std::move(range));
  }
  write(rows, row, key, value);
}

}  // namespace scalekv::kernels
#endif  // HWY_ONCE
