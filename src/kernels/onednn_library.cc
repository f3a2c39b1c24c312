// The functions of oneDNN's C interface that its C++ header and we call, each defined here (hidden: seen by nobody but
// us) to call the one of that name in the library that was opened.
#include "kernels/onednn_library.h"

#include <dlfcn.h>

#include <cstddef>
#include <dnnl.hpp>
#include <tuple>

#include "base/error.h"

namespace scalekv::kernels {

const char* const kOnednnLibrary = SCALEKV_ONEDNN_SONAME;

namespace {

// Names are looked up in the whole program before they are in the library itself: where another oneDNN is in the
// program, ours has to look at itself first. Not else: RTLD_DEEPBIND also passes by an operator new of the program's.
int binding() { return dlsym(RTLD_DEFAULT, "dnnl_version") == nullptr ? 0 : RTLD_DEEPBIND; }

void* open_library() {
  // Where it is in the program already, that one.
  if (void* loaded = dlopen(kOnednnLibrary, RTLD_NOW | RTLD_NOLOAD)) return loaded;
  void* library = dlopen(kOnednnLibrary, RTLD_NOW | RTLD_LOCAL | binding());
  if (library == nullptr) {
    fail("oneDNN cannot be opened: {}; install the version that scalekv was built with", dlerror());
  }
  return library;
}

// Never closed: primitives live as long as the program does.
void* library() {
  static void* const opened = open_library();
  return opened;
}

template <typename Function>
Function* find(const char* name) {
  auto* found = reinterpret_cast<Function*>(dlsym(library(), name));
  if (found == nullptr) fail("{} has no function {}; install the version scalekv was built with", kOnednnLibrary, name);
  return found;
}

// The OpenMP that oneDNN's calls reach: another one that the program has counts first unless we opened it apart.
template <typename Function>
Function* find_openmp(const char* name) {
  void* const opened = library();
  void* found = binding() == 0 ? dlsym(RTLD_DEFAULT, name) : nullptr;
  return reinterpret_cast<Function*>(found == nullptr ? dlsym(opened, name) : found);
}

template <typename>
struct Signature;
template <typename R, typename... A>
struct Signature<R(A...)> {
  using Result = R;
  template <std::size_t i>
  using Argument = std::tuple_element_t<i, std::tuple<A...>>;
};

}  // namespace

int set_onednn_threads(int threads) {
  static auto* const get = find_openmp<int()>("omp_get_max_threads");
  static auto* const set = find_openmp<void(int)>("omp_set_num_threads");
  if (get == nullptr || set == nullptr) return threads;
  const int before = get();
  set(threads);
  return before;
}

}  // namespace scalekv::kernels

// One line a function; the number is that of its arguments.
#define ARGUMENT(name, i) scalekv::kernels::Signature<decltype(name)>::Argument<i> a##i
#define FORWARD(name, parameters, arguments)                                       \
  extern "C" scalekv::kernels::Signature<decltype(name)>::Result name parameters { \
    static auto* const real = scalekv::kernels::find<decltype(name)>(#name);       \
    return real arguments;                                                         \
  }
#define FORWARD_0(name) FORWARD(name, (), ())
#define FORWARD_1(name) FORWARD(name, (ARGUMENT(name, 0)), (a0))
#define FORWARD_2(name) FORWARD(name, (ARGUMENT(name, 0), ARGUMENT(name, 1)), (a0, a1))
#define FORWARD_3(name) FORWARD(name, (ARGUMENT(name, 0), ARGUMENT(name, 1), ARGUMENT(name, 2)), (a0, a1, a2))
#define FORWARD_4(name) \
  FORWARD(name, (ARGUMENT(name, 0), ARGUMENT(name, 1), ARGUMENT(name, 2), ARGUMENT(name, 3)), (a0, a1, a2, a3))
#define FORWARD_5(name)                                                                                          \
  FORWARD(name, (ARGUMENT(name, 0), ARGUMENT(name, 1), ARGUMENT(name, 2), ARGUMENT(name, 3), ARGUMENT(name, 4)), \
          (a0, a1, a2, a3, a4))
#define FORWARD_6(name)                                                                                   \
  FORWARD(name,                                                                                           \
          (ARGUMENT(name, 0), ARGUMENT(name, 1), ARGUMENT(name, 2), ARGUMENT(name, 3), ARGUMENT(name, 4), \
           ARGUMENT(name, 5)),                                                                            \
          (a0, a1, a2, a3, a4, a5))
#define FORWARD_7(name)                                                                                   \
  FORWARD(name,                                                                                           \
          (ARGUMENT(name, 0), ARGUMENT(name, 1), ARGUMENT(name, 2), ARGUMENT(name, 3), ARGUMENT(name, 4), \
           ARGUMENT(name, 5), ARGUMENT(name, 6)),                                                         \
          (a0, a1, a2, a3, a4, a5, a6))

FORWARD_0(dnnl_get_effective_cpu_isa)
FORWARD_0(dnnl_version)
FORWARD_1(dnnl_engine_destroy)
FORWARD_3(dnnl_engine_create)
FORWARD_1(dnnl_stream_destroy)
FORWARD_1(dnnl_stream_wait)
FORWARD_3(dnnl_stream_create)
FORWARD_1(dnnl_memory_desc_get_size)
FORWARD_1(dnnl_memory_destroy)
FORWARD_2(dnnl_memory_get_engine)
FORWARD_2(dnnl_memory_get_memory_desc)
FORWARD_4(dnnl_memory_create)
FORWARD_1(dnnl_post_ops_create)
FORWARD_1(dnnl_post_ops_destroy)
FORWARD_1(dnnl_primitive_attr_create)
FORWARD_1(dnnl_primitive_attr_destroy)
FORWARD_2(dnnl_primitive_attr_set_post_ops)
FORWARD_2(dnnl_primitive_attr_set_scratchpad_mode)
FORWARD_1(dnnl_primitive_desc_destroy)
FORWARD_3(dnnl_primitive_desc_query_md)
FORWARD_4(dnnl_primitive_desc_query)
FORWARD_1(dnnl_primitive_destroy)
FORWARD_2(dnnl_primitive_create)
FORWARD_4(dnnl_primitive_execute)
FORWARD_6(dnnl_reorder_primitive_desc_create)
#if DNNL_VERSION_MAJOR >= 3
FORWARD_1(dnnl_memory_desc_destroy)
FORWARD_2(dnnl_memory_desc_clone)
FORWARD_5(dnnl_memory_desc_create_with_tag)
FORWARD_4(dnnl_post_ops_append_eltwise)
FORWARD_7(dnnl_matmul_primitive_desc_create)
#ifdef DNNL_EXPERIMENTAL_SPARSE  // the header then calls these for dense memory, too
FORWARD_2(dnnl_memory_desc_get_size_v2)
FORWARD_4(dnnl_memory_desc_query_v2)
FORWARD_5(dnnl_memory_create_v2)
#endif
#else
FORWARD_5(dnnl_memory_desc_init_by_tag)
FORWARD_5(dnnl_post_ops_append_eltwise)
FORWARD_5(dnnl_matmul_desc_init)
FORWARD_1(dnnl_primitive_desc_iterator_destroy)
FORWARD_1(dnnl_primitive_desc_iterator_fetch)
FORWARD_5(dnnl_primitive_desc_iterator_create)
#endif
