#include "formats/pickle_machine.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/strict_json.h"

namespace scalekv::formats {
namespace {

// A module with all that is in it and below it where `names` is empty, else only these names of it, separated by
// spaces.
struct Harmful {
  std::string_view module;
  std::string_view names = {};
};

constexpr std::string_view kBuiltins =
    "eval exec execfile compile __import__ getattr setattr delattr open file input raw_input breakpoint globals locals "
    "vars apply reload help exit quit";

// By kinds: clang-format would make it one entry a line.
// clang-format off
constexpr std::array kHarmful = {
    // The system: processes, files, memory, signals.
    Harmful{"os"}, Harmful{"posix"}, Harmful{"nt"}, Harmful{"subprocess"}, Harmful{"_posixsubprocess"},
    Harmful{"_winapi"}, Harmful{"winreg"}, Harmful{"commands", "getoutput getstatusoutput"}, Harmful{"popen2"},
    Harmful{"pty"}, Harmful{"shutil"}, Harmful{"ctypes"}, Harmful{"_ctypes"}, Harmful{"cffi"},
    Harmful{"signal", "pthread_kill raise_signal setitimer"}, Harmful{"platform", "popen"},
    Harmful{"multiprocessing.util"}, Harmful{"multiprocessing.popen_fork"},
    Harmful{"multiprocessing.popen_spawn_posix"}, Harmful{"io", "open open_code FileIO"},
    Harmful{"_io", "open open_code FileIO"}, Harmful{"_pyio"}, Harmful{"codecs", "open"},
    Harmful{"uuid", "_popen _get_command_stdout"},
    // The interpreter: code from text or bytes, other modules, other pickles, attributes of anything.
    Harmful{"sys"}, Harmful{"builtins", kBuiltins}, Harmful{"__builtin__", kBuiltins}, Harmful{"__builtins__"},
    Harmful{"runpy"}, Harmful{"importlib"}, Harmful{"_frozen_importlib"}, Harmful{"_frozen_importlib_external"},
    Harmful{"imp"}, Harmful{"_imp"}, Harmful{"pkgutil"}, Harmful{"zipimport"}, Harmful{"pickle"}, Harmful{"_pickle"},
    Harmful{"cPickle"}, Harmful{"marshal"}, Harmful{"shelve"},
    Harmful{"code", "interact InteractiveConsole InteractiveInterpreter compile_command"}, Harmful{"codeop"},
    Harmful{"types", "CodeType FunctionType LambdaType MethodType"},
    Harmful{"inspect", "currentframe getattr_static getmembers stack"}, Harmful{"gc"},
    Harmful{"operator", "attrgetter methodcaller call"}, Harmful{"_operator", "attrgetter methodcaller call"},
    // Programs of Python's own library that run what they are given.
    Harmful{"bdb"}, Harmful{"pdb"}, Harmful{"timeit"}, Harmful{"cProfile"}, Harmful{"profile", "run runctx Profile"},
    Harmful{"trace", "Trace"}, Harmful{"doctest"}, Harmful{"pydoc"}, Harmful{"venv"}, Harmful{"ensurepip"},
    Harmful{"pip", "main _internal"}, Harmful{"idlelib"}, Harmful{"lib2to3"},
    Harmful{"site", "addsitedir execsitecustomize main"}, Harmful{"asyncio"}, Harmful{"webbrowser"},
    Harmful{"antigravity"}, Harmful{"distutils.spawn"}, Harmful{"distutils.core"}, Harmful{"distutils.file_util"},
    Harmful{"logging.config"},
    // The network.
    Harmful{"socket"}, Harmful{"_socket"}, Harmful{"socketserver"}, Harmful{"ssl"}, Harmful{"http.client"},
    Harmful{"http.server"}, Harmful{"httplib"}, Harmful{"urllib.request"}, Harmful{"urllib2"}, Harmful{"ftplib"},
    Harmful{"telnetlib"}, Harmful{"smtplib"}, Harmful{"imaplib"}, Harmful{"poplib"}, Harmful{"nntplib"},
    Harmful{"xmlrpc"}, Harmful{"requests", "api delete get head options patch post put request sessions"},
    Harmful{"aiohttp"}, Harmful{"paramiko"},
    // Libraries' own ways to do one of the above.
    Harmful{"torch", "load"}, Harmful{"torch.serialization", "load _load _legacy_load"}, Harmful{"torch.hub"},
    Harmful{"torch.jit", "load CompilationUnit"}, Harmful{"torch.jit.unsupported_tensor_ops"},
    Harmful{"torch.package"}, Harmful{"torch.ops", "load_library"}, Harmful{"torch.classes", "load_library"},
    Harmful{"torch.utils.cpp_extension"}, Harmful{"torch.utils.collect_env"}, Harmful{"torch.utils.bottleneck"},
    Harmful{"torch.utils._config_module"}, Harmful{"torch._inductor.codecache"}, Harmful{"torch._dynamo.guards"},
    Harmful{"torch.fx.experimental.symbolic_shapes", "ShapeEnv.evaluate_guards_expression"},
    Harmful{"torch.distributed.rpc"}, Harmful{"torch.utils.data.datapipes"}, Harmful{"numpy", "load"},
    Harmful{"numpy.f2py"}, Harmful{"numpy.distutils"}, Harmful{"numpy.testing"}, Harmful{"numpy.lib.npyio"},
    Harmful{"joblib", "load"},
};
// clang-format on

// Whether `path` is `whole` or lies in it: "os" and "os.path.join" in "os".
bool within(std::string_view path, std::string_view whole) {
  return path.starts_with(whole) && (path.size() == whole.size() || path[whole.size()] == '.');
}

bool matches(const Harmful& entry, std::string_view path) {
  if (!within(path, entry.module)) return false;
  if (entry.names.empty()) return true;
  if (path.size() == entry.module.size()) return false;
  const std::string_view member = path.substr(entry.module.size() + 1);
  for (std::string_view rest = entry.names; !rest.empty();) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    if (within(member, rest.substr(0, end))) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

bool is_listed(std::string_view path) {
  return std::any_of(kHarmful.begin(), kHarmful.end(), [&](const Harmful& entry) { return matches(entry, path); });
}

// Names may lead through attributes: "_rebuild_tensor_v2.__globals__", or another module's "os.system".
bool leads_elsewhere(std::string_view name) {
  constexpr std::ptrdiff_t kDeepest = 16;
  const std::ptrdiff_t dots = std::count(name.begin(), name.end(), '.');
  if (dots == 0) return false;
  if (dots > kDeepest) return true;  // no class lies so deep
  for (std::string_view rest = name;;) {
    if (rest.starts_with("__") || is_listed(rest)) return true;
    const std::size_t dot = rest.find('.');
    if (dot == std::string_view::npos) return false;
    rest.remove_prefix(dot + 1);
  }
}

}  // namespace

void refuse_harmful_global(std::string_view module, std::string_view name, const std::string& where) {
  const std::string path = fmt::format("{}.{}", module, name);
  if (!is_listed(path) && !leads_elsewhere(name)) return;
  fail(
      "{}: it names {}, which no file of weights needs and which could do harm; it is refused, and nothing was "
      "executed: get the weights from a source you trust, or save them again as plain tensors",
      where, in_quotes(path));
}

}  // namespace scalekv::formats
