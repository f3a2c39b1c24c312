#include "distributed/mpi_module.h"

#include <dlfcn.h>
#include <link.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.h"

#define SCALEKV_TEXT_OF(name) #name
#define SCALEKV_NAME_OF(name) SCALEKV_TEXT_OF(name)

namespace scalekv::distributed {
namespace {

std::filesystem::path find_module() {
  constexpr const char* kName = "scalekv-mpi.so";
  const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const std::filesystem::path beside = folder / kName;
  const std::filesystem::path installed = (folder / ".." / SCALEKV_LIBDIR / "scalekv" / kName).lexically_normal();
  std::error_code ignored;
  for (const auto& path : {beside, installed}) {
    if (std::filesystem::exists(path, ignored)) return path;
  }
  fail(
      "mpirun needs the module {}, and there is neither {} nor {}; it comes with the package scalekv-mpi and with "
      "builds that find MPI; without it, start each part with `shard`",
      kName, beside.string(), installed.string());
}

// The table of sections lies at the end. The C library does not look, and dies of a signal where a page is not there.
bool is_cut_short(const std::filesystem::path& path) {
  ElfW(Ehdr) header = {};
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(&header), sizeof header)) return true;
  std::error_code ignored;
  return std::filesystem::file_size(path, ignored) <
         header.e_shoff + std::uint64_t{header.e_shentsize} * header.e_shnum;
}

}  // namespace

const ScalekvMpi& load_mpi() {
  const std::filesystem::path path = find_module();
  constexpr std::string_view kAdvice =
      "install the package scalekv-mpi of this version again, or start each part with `shard`";
  if (is_cut_short(path)) fail("{} is damaged (it is cut short); {}", path.string(), kAdvice);
  // Global, as what the program is linked with: parts of MPI are modules, too, which may look for it there.
  void* module = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (module == nullptr) fail("{} cannot be loaded ({}); {}", path.string(), ::dlerror(), kAdvice);
  const void* table = ::dlsym(module, SCALEKV_NAME_OF(SCALEKV_MPI_TABLE));
  if (table == nullptr) fail("{} is of another version than this program; {}", path.string(), kAdvice);
  return *static_cast<const ScalekvMpi*>(table);
}

}  // namespace scalekv::distributed
