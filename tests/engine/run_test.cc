// A model that is open: what is done once, however often it is asked for.
#include "engine/run.h"

#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>

#include "runtime/ledger.h"
#include "scalekv/inspect.h"

namespace scalekv::engine {
namespace {

ResolvedRequest request_of(const Model& model, const std::string& prompt, const std::string& policy = "full",
                           const std::string& negative = {}) {
  return resolve_request(model, {.prompt = prompt, .negative_prompt = negative, .cache = {.policy = policy}});
}

// Whether the text encoder's weights, which are freed after every text, were loaded meanwhile.
template <typename Work>
bool loads_text_encoder(const Work& work) {
  ledger().reset_peaks();
  const std::int64_t before = ledger().current(MemoryKind::weights);
  work();
  return ledger().peak(MemoryKind::weights) > before;
}

TEST(Run, ATextIsEncodedOnceWhileItIsAskedFor) {
  const auto model = open_model({}, {});
  EXPECT_TRUE(loads_text_encoder([&] { encode_texts(*model, std::vector<std::string>{"a red ring"}); }));
  EXPECT_FALSE(loads_text_encoder([&] { run(*model, request_of(*model, "a red ring")); }));
  EXPECT_FALSE(loads_text_encoder([&] { run(*model, request_of(*model, "a red ring", "scalekv")); }));
  EXPECT_FALSE(loads_text_encoder([&] { run(*model, request_of(*model, "a red ring", "full", "a red ring")); }));
  EXPECT_TRUE(loads_text_encoder([&] { encode_texts(*model, std::vector<std::string>{"two stars", ""}); }));
  EXPECT_TRUE(loads_text_encoder([&] { encode_texts(*model, std::vector<std::string>{"a red ring"}); }))
      << "only the last run's texts are held";
}

TEST(Run, EqualTextsAreOne) {
  const auto model = open_model({}, {});
  const std::vector<std::string> texts = {"a red ring", "", "two stars", "a red ring"};
  const std::vector<View<const float>> features = encode_texts(*model, texts);
  EXPECT_EQ(features[0].data(), features[3].data());
  EXPECT_NE(features[0].data(), features[2].data());
  EXPECT_TRUE(features[1].empty());
}

// What the text of the run before held is not counted.
TEST(Run, TakesWhatIsPlannedWhateverRanBefore) {
  const auto model = open_model({}, {});
  const auto text_peak = [&](const std::string& prompt) {
    return run(*model, request_of(*model, prompt)).statistics.peak_bytes.at("text");
  };
  const std::int64_t alone = text_peak("a red ring");
  text_peak("a large red ring above a small blue square and two green stars on a white ground");
  EXPECT_EQ(text_peak("a red ring"), alone);
}

TEST(Run, ATextOfAListIsEncodedOnceThoughOthersComeBetween) {
  const auto model = open_model({}, {});
  const TextList list({"a red ring", "two stars", "a red ring"});
  const auto loads = [&](std::size_t i) { return loads_text_encoder([&] { encode_texts(*model, list.wanted(i)); }); };
  EXPECT_TRUE(loads(0));
  EXPECT_TRUE(loads(1));
  EXPECT_FALSE(loads(2));
}

// How often a file is opened meanwhile. Its closing is watched, too: equal events after each other become one.
template <typename Work>
int count_opens(const std::filesystem::path& file, const Work& work) {
  const int watch = ::inotify_init1(IN_NONBLOCK);
  ::inotify_add_watch(watch, file.c_str(), IN_OPEN | IN_CLOSE);
  work();
  int opens = 0;
  std::array<inotify_event, 256> events{};  // those of a file have no name behind them
  for (ssize_t bytes = 0; (bytes = ::read(watch, events.data(), sizeof events)) > 0;) {
    const std::size_t count = static_cast<std::size_t>(bytes) / sizeof(inotify_event);
    for (std::size_t i = 0; i < count; ++i) opens += (events[i].mask & IN_OPEN) != 0U ? 1 : 0;
  }
  ::close(watch);
  return opens;
}

TEST(Run, FilesAreOpenedOnce) {
  const std::filesystem::path file = std::filesystem::path(::testing::TempDir()) / "opened-once.safetensors";
  std::filesystem::copy_file(SCALEKV_SOURCE_DIR "/models/shapes-7s.safetensors", file,
                             std::filesystem::copy_options::overwrite_existing);
  std::filesystem::permissions(file, std::filesystem::perms::owner_write, std::filesystem::perm_options::add);
  const int once = count_opens(file, [&] { model::open_bundle({.model = file}); });
  EXPECT_EQ(count_opens(file,
                        [&] {
                          model::open_bundle({.model = file});
                          model::open_bundle({.model = file});
                        }),
            2 * once);
  EXPECT_EQ(count_opens(file,
                        [&] {
                          Pipeline pipeline = Pipeline::open(file);
                          pipeline.generate({.prompt = "a red ring", .cache = {.policy = "full"}});
                          pipeline.reconstruct({64, 64, std::vector<std::uint8_t>(64 * 64 * 3)});
                        }),
            once);
  // Nor is it opened again to say what would fit, or to look at it in two ways.
  EXPECT_EQ(count_opens(file,
                        [&] {
                          Pipeline pipeline = Pipeline::open(file, {.memory_limit = 64 << 20});
                          EXPECT_THROW(pipeline.generate({.prompt = "a red ring", .size = "1M"}), Error);
                        }),
            once);
  EXPECT_EQ(count_opens(file, [&] { inspect(file); }), once);
}

}  // namespace
}  // namespace scalekv::engine
