#include "formats/npz.h"

#include <gtest/gtest.h>

#include "formats/archives.h"

namespace scalekv::formats {
namespace {

std::string npy(std::string_view header, std::string_view data) {
  return "\x93NUMPY" + std::string("\1\0", 2) + le(static_cast<std::uint16_t>(header.size())) + std::string(header) +
         std::string(data);
}

const std::string kTwo = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n";

std::string failure_of_npz(const std::string& bytes) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.write("bad.npz", bytes);
  const std::string message = failure_of([&] { read_npz(path); });
  EXPECT_TRUE(message.empty() || message.find("bad.npz") != std::string::npos) << message;
  return message;
}

std::string failure_of_array(const std::string& array) { return failure_of_npz(zip_bytes({{"mu.npy", array}})); }

TEST(Npz, WhatIsWrittenIsReadAgain) {
  const TemporaryFolder folder;
  std::map<std::string, Tensor> arrays;
  arrays.emplace("mu", Tensor(DType::f64, {3}, MemoryKind::other));
  arrays.emplace("sigma", Tensor(DType::f64, {3, 5}, MemoryKind::other));
  for (auto& [name, array] : arrays) {
    for (std::int64_t i = 0; i < array.elements(); ++i) array.view<double>().data()[i] = 0.1 * static_cast<double>(i);
  }
  write_npz(folder / "a.npz", arrays);
  const std::map<std::string, Tensor> again = read_npz(folder / "a.npz");
  ASSERT_EQ(again.size(), 2U);
  for (const auto& [name, array] : arrays) {
    ASSERT_EQ(again.at(name).shape(), array.shape());
    for (std::int64_t i = 0; i < array.elements(); ++i)
      EXPECT_EQ(again.at(name).view<double>().data()[i], array.view<double>().data()[i]);
  }
  EXPECT_NE(failure_of([&] { write_npz(folder / "no/a.npz", arrays); }), "");
}

// tests/data/metrics/statistics.npz comes from numpy.savez_compressed (tools/fixtures/metric_fixtures.py).
TEST(Npz, NumpysCompressedFiles) {
  const std::filesystem::path path = std::filesystem::path(SCALEKV_SOURCE_DIR) / "tests/data/metrics/statistics.npz";
  const std::map<std::string, Tensor> arrays = read_npz(path);
  EXPECT_EQ(arrays.at("mu").shape(), Shape{24});
  EXPECT_EQ(arrays.at("sigma").shape(), (Shape{24, 24}));
  const std::string whole = read_file(path);
  for (std::size_t size = 0; size < whole.size(); size += 7) EXPECT_NE(failure_of_npz(whole.substr(0, size)), "");
}

TEST(Npz, HostileFilesAreNamed) {
  EXPECT_EQ(failure_of_array(npy(kTwo, std::string(16, '\0'))), "");
  EXPECT_NE(failure_of_npz("not a zip archive"), "");
  for (const std::string& array :
       {std::string("text"), npy(kTwo, std::string(15, '\0')), npy(kTwo, std::string(17, '\0')),
        npy("{'descr': '<f8', 'fortran_order': False}", ""),
        npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2,), }", std::string(16, '\0')),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", std::string(16, '\0')),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-2,), }", std::string(16, '\0')),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", ""),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,2), }", std::string(16, '\0')),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2", std::string(16, '\0')),
        npy(kTwo, std::string(14, '\0') + "\xf0\x7f")}) {
    EXPECT_NE(failure_of_array(array), "") << array;
  }
  const auto compressed = [](std::uint32_t size) {
    std::string bytes = zip_bytes({{.name = "mu.npy", .data = "xyz", .method = 8, .size = size}});
    bytes.replace(22, 4, le(size));  // before the data, too
    return failure_of_npz(bytes);
  };
  EXPECT_NE(compressed(1000).find("compressed data that are damaged"), std::string::npos);
  EXPECT_NE(compressed(0x7e000000U).find("more than 3 compressed ones can hold"), std::string::npos);
  EXPECT_NE(compressed(0xfffffff0U), "");
}

}  // namespace
}  // namespace scalekv::formats
