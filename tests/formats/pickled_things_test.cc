// What people keep in a checkpoint beside its weights: none of it is in the way, and none of it is taken for a weight.
#include <gtest/gtest.h>

#include "base/strict_json.h"
#include "formats/archives.h"
#include "formats/tensor_source.h"
#include "formats/weight_map.h"

namespace scalekv::formats {
namespace {

using Parts = std::vector<std::string>;

const std::string kTensor = op::tensor(kStorage, 0, {4}, {1});

// {"w": a tensor, "x": this}
std::string beside(std::string_view thing) {
  return "}(" + op::text("w") + kTensor + op::text("x") + std::string(thing) + "u";
}

class Beside {
 public:
  explicit Beside(std::string_view opcodes)
      : source_(open_tensor_source(folder_.write("a.pth", zip_bytes(torch_parts(opcodes))))) {}
  const TensorSource& source() const { return *source_; }
  const std::shared_ptr<const TensorSource>& shared() const { return source_; }
  // What was passed over: "x" and what it is.
  std::string passed_over() const {
    std::string all;
    for (const PassedOver& thing : source_->passed_over()) all += thing.name + ": " + thing.what + "\n";
    return all;
  }

 private:
  TemporaryFolder folder_;
  std::shared_ptr<const TensorSource> source_;
};

struct ThingCase {
  std::string name;
  std::string opcodes;
  Parts passed_over;  // mentioned; none: nothing is passed over
};

std::string object(std::string_view module, std::string_view name) { return op::global(module, name) + ")\x81"; }

std::vector<ThingCase> things() {
  const std::string real("G\x3f\xf0\0\0\0\0\0\0", 9);  // 1.0, big-endian
  const std::string state = op::dict("lr", real);
  return {
      // Keys of any kind.
      {"RealKeys", "}" + real + "}s", {}},
      {"NoneKeys", "}NK\1s", {}},
      {"TrueKeys", "}\x88K\1s", {}},
      {"TupleKeys", "}" + op::tuple("K\1K\2") + "K\1s", {}},
      {"BytesKeys", "}C\2abK\1s", {}},
      {"TensorKeys", "}" + kTensor + "K\1s", {}},
      {"ObjectKeys", "}" + object("pathlib", "PosixPath") + "K\1s", {}},
      // Containers.
      {"Set", "\x8f(K\1K\2\x90", {"builtins.set"}},
      {"EmptySet", "\x8f", {"builtins.set"}},
      {"FrozenSet", "(K\1K\2\x91", {"builtins.frozenset"}},
      {"SetOfProtocol2", op::call(op::global("__builtin__", "set"), "(K\1l"), {"__builtin__.set"}},
      {"ListWithinItself", "]q\1h\1a", {"within itself"}},
      {"DictWithinItself", "}q\1" + op::text("a") + "h\1s", {}},
      {"TupleWithinItself", "]q\1(h\1tq\2a", {"within itself"}},
      {"Deque", op::call(op::global("collections", "deque"), "]K\5") + "(K\1K\2e", {}},
      {"DefaultDict",
       op::call(op::global("collections", "defaultdict"), op::global("builtins", "list")) + "(" + op::text("a") +
           "K\1u",
       {}},
      {"DeepNesting", std::string(300, ']') + std::string(299, 'a'), {"nested deeper"}},
      // Numbers and bytes.
      {"ByteArray8", std::string("\x96\3\0\0\0\0\0\0\0abc", 12), {}},
      {"Bytes8", std::string("\x8e\3\0\0\0\0\0\0\0abc", 12), {}},
      {"Buffers", "\x97\x98", {}},
      {"Long4", std::string("\x8b\3\0\0\0abc", 8), {}},
      {"LongOfManyBytes", std::string("\x8a\x09", 2) + std::string(9, '\x7f'), {}},
      {"Protocol0", "(lI7\naI01\naL12345678901234567890123L\naF1.5\naS'a b'\naVcaf\\u00e9\na", {}},
      {"MemoOfProtocol0", "K\1p5\n0g5\n", {}},
      {"Duplicate",
       "K\1"
       "2\x86",
       {}},
      // Objects, in every way to make one.
      {"NewObject", object("argparse", "Namespace") + state + "b", {"argparse.Namespace"}},
      {"NewObjectWithKeywords", op::global("a.b", "C") + ")}\x92", {"a.b.C"}},
      {"OldObject", "(" + op::global("a.b", "C") + "K\1o}b", {"a.b.C"}},
      {"OldInstance", "(K\1ia.b\nC\n}b", {"a.b.C"}},
      {"Call", op::call(op::global("datetime", "datetime"), "C\4abcd"), {"datetime.datetime"}},
      {"CallOfAnObject", op::call(op::call(op::global("a", "make"), ""), "K\1"), {"a.make"}},
      {"Reconstructor",
       op::call(op::global("copy_reg", "_reconstructor"),
                op::global("a", "B") + op::global("__builtin__", "object") + "N") +
           state + "b",
       {"\"a.B\""}},
      {"StateOfSlots",
       object("a", "B") + "N" + state +
           "\x86"
           "b",
       {"a.B"}},
      {"Extension1", "\x82\7)\x81", {"copyreg.extension"}},
      {"Extension2", std::string("\x83\7\0)\x81", 5), {"copyreg.extension"}},
      {"Extension4", std::string("\x84\7\0\0\0)\x81", 7), {"copyreg.extension"}},
      {"Class", op::global("collections", "OrderedDict"), {"collections.OrderedDict"}},
      {"NestedClass", op::text("a.b") + op::text("Outer.Inner") + "\x93", {"a.b.Outer.Inner"}},
      {"Dtype", op::global("torch", "bfloat16"), {"torch.bfloat16"}},
      {"PersistentText", "Psome id\n", {"persistent id"}},
      {"PersistentNumber", "K\1Q", {"persistent id"}},
      {"PersistentModule", op::tuple(op::text("module") + op::global("a", "Net") + "NN") + "Q", {"persistent id"}},
      {"NumpyScalar",
       op::call(op::global("numpy.core.multiarray", "scalar"), op::call(op::global("numpy", "dtype"), op::text("f8")) +
                                                                   "C\x08"
                                                                   "12345678"),
       {"numpy.core.multiarray.scalar"}},
      {"NumpyArray",
       op::call(op::global("numpy._core.multiarray", "_reconstruct"),
                op::global("numpy", "ndarray") + op::numbers({0}) + "C\1b") +
           op::tuple("K\1" + op::tuple("K\2") +
                     "N\x89"
                     "C\2ab") +
           "b",
       {"numpy.ndarray"}},
      // Tensors of kinds that are not read.
      {"Complex", op::tensor(op::storage("ComplexFloatStorage", "9", 2), 0, {2}, {1}), {"torch.ComplexFloatStorage"}},
      {"UnknownStorage", op::tensor(op::storage("OtherStorage", "9", 2), 0, {2}, {1}), {"torch.OtherStorage"}},
      {"Fp8",
       op::call(op::global("torch._utils", "_rebuild_tensor_v3"),
                op::arguments(op::storage("UntypedStorage", "0", 16), 0, {16}, {1}) +
                    op::global("torch", "float8_e4m3fn") + "}"),
       {"torch.float8_e4m3fn"}},
      {"Fp8Parameter",
       op::call(op::global("torch._utils", "_rebuild_parameter"),
                op::call(op::global("torch._utils", "_rebuild_tensor_v3"),
                         op::arguments(op::storage("UntypedStorage", "0", 16), 0, {16}, {1}) +
                             op::global("torch", "float8_e5m2") + "}") +
                    "\x89}"),
       {"torch.float8_e5m2"}},
      {"SevenDimensions", op::tensor(kStorage, 0, {1, 1, 1, 1, 1, 1, 4}, {4, 4, 4, 4, 4, 4, 1}), {"7 dimensions"}},
      {"Expanded", op::tensor(kStorage, 0, {1000}, {0}), {"[1000]", "repeats"}},
      {"Negated",
       op::call(op::global("torch._utils", "_rebuild_tensor_v2"),
                op::arguments(kStorage, 0, {4}, {1}) + op::dict("neg", "\x88")),
       {"negated"}},
      {"Meta",
       op::call(op::global("torch._utils", "_rebuild_meta_tensor_no_storage"),
                op::global("torch", "float32") + op::tuple("K\2") + op::tuple("K\1") + "\x89"),
       {"_rebuild_meta_tensor_no_storage"}},
      {"WrapperSubclass",
       op::call(op::global("torch._tensor", "_rebuild_from_type_v2"),
                op::global("torch._utils", "_rebuild_wrapper_subclass") +
                    op::global("torch.distributed.tensor", "DTensor") + op::tuple("") + "}"),
       {"torch.distributed.tensor.DTensor"}},
      {"StorageAlone", kStorage, {"a storage"}},
      {"NameOfTwoLines", op::dict("a\nb", kTensor), {"unusable name"}},
  };
}

class Things : public ::testing::TestWithParam<ThingCase> {};

TEST_P(Things, AreNotInTheWay) {
  const Beside file(beside(GetParam().opcodes));
  ASSERT_EQ(file.source().tensors().size(), 1U);
  const Tensor weight = file.source().load(file.source().tensors()[0]);
  EXPECT_EQ(weight.view<float>()(3), 4.0F);
  if (GetParam().passed_over.empty()) {
    EXPECT_TRUE(file.passed_over().empty() || mentions(file.passed_over(), {"x.a: a container within itself"}));
  } else {
    EXPECT_TRUE(mentions(file.passed_over(), GetParam().passed_over));
    EXPECT_TRUE(mentions(file.passed_over(), {"x"}));
  }
}

// The same thing where a weight is asked for: an error that names it and says what to do.
TEST_P(Things, AreNoWeights) {
  if (GetParam().passed_over.empty() || GetParam().passed_over.front() == "unusable name") return;
  const Beside file(beside(GetParam().opcodes));
  const std::string& name = file.source().passed_over().front().name;
  const WeightMap map(file.shared(), "", "VAE");
  EXPECT_TRUE(map.has(name));
  const std::string message = failure_of([&] { static_cast<void>(map.shape(name)); });
  Parts parts = GetParam().passed_over;
  parts.insert(parts.end(), {"VAE in ", "a.pth", in_quotes(name), "not read as a weight", "save"});
  EXPECT_TRUE(mentions(message, parts));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Things, ::testing::ValuesIn(things()),
                         [](const auto& info) { return info.param.name; });

TEST(PickledThings, OddKeysNameTensors) {
  const auto names = [](std::string_view key) {
    const Beside file("}" + std::string(key) + kTensor + "s");
    return file.source().tensors()[0].name;
  };
  EXPECT_EQ(names(std::string("G\x3f\xf0\0\0\0\0\0\0", 9)), "1.0");
  EXPECT_EQ(names(std::string("G\x54\xb2\x49\xad\x25\x94\xc3\x7d", 9)), "1e+100");
  EXPECT_EQ(names(std::string("G\xbf\xe8\0\0\0\0\0\0", 9)), "-0.75");
  EXPECT_EQ(names("I-3\n"), "-3");
  EXPECT_EQ(names("N"), "(key 0)");
  EXPECT_EQ(names(op::tuple("K\1")), "(key 0)");
}

// Containers of unknown classes hold their items under their names.
TEST(PickledThings, SubclassesOfContainersHoldWeights) {
  const std::string dict =
      op::global("easydict", "EasyDict") + ")\x81" + op::text("w") + kTensor + "s" + op::dict("w", kTensor) + "b";
  EXPECT_EQ(Beside(op::dict("model", dict)).source().tensors()[0].name, "model.w");
  const std::string list = op::global("a", "List") + ")\x81" + kTensor + "a";
  EXPECT_EQ(Beside(op::dict("model", list)).source().tensors()[0].name, "model.0");
}

// The files that the official fine-tuning code writes, in every format: all tensors, bit for bit.
class FineTuning : public ::testing::TestWithParam<std::string> {};

TEST_P(FineTuning, HoldsItsTensors) {
  const auto source = open_tensor_source(data_file(GetParam()));
  const auto twin = open_tensor_source(data_file("fine-tuning.twin.safetensors"));
  Parts names, expected;
  for (const TensorInfo& info : source->tensors()) names.push_back(info.name);
  for (const TensorInfo& info : twin->tensors()) {
    expected.push_back(info.name);
    const TensorInfo* found = source->find(info.name);
    ASSERT_NE(found, nullptr) << info.name;
    const Tensor a = source->load(*found), b = twin->load(info);
    ASSERT_EQ(a.bytes(), b.bytes());
    EXPECT_EQ(std::memcmp(a.raw(), b.raw(), static_cast<std::size_t>(a.bytes())), 0) << info.name;
  }
  EXPECT_EQ(names, expected);
  EXPECT_GT(source->passed_over().size(), 30U);
}

INSTANTIATE_TEST_SUITE_P(Formats, FineTuning,
                         ::testing::Values("fine-tuning-protocol2.pth", "fine-tuning-protocol5.pth",
                                           "fine-tuning-legacy.pth"),
                         [](const auto& info) { return "f" + std::to_string(info.index); });

TEST(PickledThings, ShardsOfTensorsAreToBeGathered) {
  const auto source = open_tensor_source(data_file("sharded.pth"));
  EXPECT_NE(source->find("pos_start"), nullptr);
  const WeightMap map(source, "", "transformer");
  EXPECT_TRUE(mentions(failure_of([&] { static_cast<void>(map.shape("word_embed.weight")); }),
                       {"\"word_embed.weight\"", "DTensor", "gather the shards"}));
}

TEST(PickledThings, FilesWithoutTensorsSayWhatTheyHold) {
  const auto failure = [](std::string_view opcodes) {
    const TemporaryFolder folder;
    const auto path = folder.write("a.pth", zip_bytes(torch_parts(opcodes)));
    return failure_of([&] { open_tensor_source(path); });
  };
  EXPECT_TRUE(
      mentions(failure(object("net", "Infinity") + op::dict("_modules", "}") + "b"), {"net.Infinity", "state_dict"}));
  EXPECT_TRUE(mentions(failure(op::dict("w", op::tensor(op::storage("ComplexFloatStorage", "0", 2), 0, {2}, {1}))),
                       {"\"w\"", "ComplexFloatStorage"}));
}

// In fp8 or complex numbers, or of seven dimensions, in the other format.
TEST(SafetensorsThings, TensorsThatNobodyAsksForArePassedOver) {
  const TemporaryFolder folder;
  constexpr std::string_view kHeader = R"({"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]},)"
                                       R"("b":{"dtype":"C64","shape":[1],"data_offsets":[4,12]},)"
                                       R"("c":{"dtype":"F32","shape":[1,1,1,1,1,1,1],"data_offsets":[12,16]},)"
                                       R"("w":{"dtype":"F32","shape":[1],"data_offsets":[16,20]}})";
  const auto source =
      open_tensor_source(folder.write("a.safetensors", safetensors_bytes(kHeader, std::string(16, '\0') + le(2.5F))));
  ASSERT_EQ(source->tensors().size(), 1U);
  const Tensor weight = source->load(source->tensors()[0]);
  EXPECT_EQ(weight.view<float>()(0), 2.5F);
  const WeightMap map(source, "", "VAE");
  const auto failure = [&](const char* name) { return failure_of([&] { static_cast<void>(map.shape(name)); }); };
  EXPECT_TRUE(mentions(failure("a"), {"a.safetensors", "\"a\"", "F8_E4M3", "bfloat16"}));
  EXPECT_TRUE(mentions(failure("b"), {"\"b\"", "C64"}));
  EXPECT_TRUE(mentions(failure("c"), {"\"c\"", "7 dimensions"}));
}

// Names that can only do harm are refused wherever they stand, used or not.
TEST(HarmfulGlobals, AreRefusedEverywhere) {
  const auto failure = [](std::string_view opcodes) {
    const TemporaryFolder folder;
    const auto path = folder.write("bad.pth", zip_bytes(torch_parts(opcodes)));
    return failure_of([&] { open_tensor_source(path); });
  };
  for (const auto& [module, name] : {std::pair("os", "system"),
                                     std::pair("os.path", "join"),
                                     std::pair("posix", "popen"),
                                     std::pair("nt", "system"),
                                     std::pair("subprocess", "Popen"),
                                     std::pair("sys", "modules"),
                                     std::pair("builtins", "eval"),
                                     std::pair("builtins", "exec"),
                                     std::pair("builtins", "getattr"),
                                     std::pair("builtins", "__import__"),
                                     std::pair("builtins", "getattr.__call__"),
                                     std::pair("__builtin__", "execfile"),
                                     std::pair("runpy", "_run_code"),
                                     std::pair("importlib", "import_module"),
                                     std::pair("importlib.machinery", "SourceFileLoader"),
                                     std::pair("shutil", "rmtree"),
                                     std::pair("socket", "socket"),
                                     std::pair("pty", "spawn"),
                                     std::pair("pickle", "loads"),
                                     std::pair("_pickle", "loads"),
                                     std::pair("marshal", "loads"),
                                     std::pair("ctypes", "CDLL"),
                                     std::pair("webbrowser", "open"),
                                     std::pair("io", "open"),
                                     std::pair("operator", "attrgetter"),
                                     std::pair("torch", "load"),
                                     std::pair("torch", "hub.load"),
                                     std::pair("torch.hub", "load"),
                                     std::pair("numpy", "load"),
                                     std::pair("logging", "os.system"),
                                     std::pair("a.b", "Class.__init__.__globals__"),
                                     std::pair("asyncio.subprocess", "Process"),
                                     std::pair("a", "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a"),
                                     std::pair("types", "FunctionType"),
                                     std::pair("code", "InteractiveInterpreter")}) {
    const std::string quoted = fmt::format("\"{}.{}\"", module, name);
    const std::string by_name = op::global(module, name);
    const std::string by_stack = op::text(module) + op::text(name) + "\x93";
    for (const std::string& global : {by_name, by_stack}) {
      for (const std::string& use :
           {global, global + "0N", op::call(global, op::text("true")), global + ")\x81", global + ")}\x92",
            "(" + global + "o", "}" + global + "Ns", op::call(op::global("functools", "partial"), global)}) {
        EXPECT_TRUE(mentions(failure(beside(use)), {"bad.pth", quoted, "refused", "nothing was executed"})) << quoted;
      }
    }
    EXPECT_TRUE(mentions(failure(beside(fmt::format("(i{}\n{}\n", module, name))), {quoted, "refused"}));
  }
}

TEST(HarmfulGlobals, AlikeNamesAreNot) {
  for (const auto& [module, name] :
       {std::pair("osmnx", "system"), std::pair("a.os", "x"), std::pair("builtins", "set"),
        std::pair("builtins", "evaluate"), std::pair("systems", "modules"), std::pair("posixpath", "join"),
        std::pair("pathlib", "PosixPath"), std::pair("torch", "load_state"), std::pair("copyreg", "__newobj__"),
        std::pair("__main__", "Args"), std::pair("types", "SimpleNamespace"), std::pair("io", "BytesIO"),
        std::pair("code.models", "Config"), std::pair("inspect", "Signature")}) {
    EXPECT_EQ(Beside(beside(op::call(op::global(module, name), ""))).source().tensors().size(), 1U) << module << name;
  }
}

}  // namespace
}  // namespace scalekv::formats
