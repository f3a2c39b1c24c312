// Every option of every command acts: CLI11 knows the options, options.cases says what shows each of them acting, and
// the program shows it.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <set>
#include <thread>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/option_cases.h"
#include "cli/program_run.h"
#include "formats/safetensors_writer.h"
#include "formats/tensor_source.h"
#include "model/bundle.h"
#include "scalekv/image.h"

namespace scalekv {
namespace {

using testing::OptionCase;
using testing::ProgramRun;

std::vector<OptionCase> cases() { return testing::read_option_cases(SCALEKV_SOURCE_DIR "/tests/cli/options.cases"); }

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

TEST(Options, EveryOneOfEveryCommandHasACase) {
  CLI::App app;
  cli::add_commands(app);
  std::set<const CLI::Option*> shown;
  for (const OptionCase& one : cases()) {
    const CLI::App* command = find_command(app, one.command);
    for (const std::string& name : one.options) {
      const CLI::Option* option = command == nullptr ? nullptr : command->get_option_no_throw(name);
      if (option == nullptr) ADD_FAILURE() << "line " << one.line << ": there is no " << one.command << " " << name;
      shown.insert(option);
    }
  }
  for (const CLI::App* command : app.get_subcommands({})) {
    for (const CLI::Option* option : command->get_options()) {
      if (option == command->get_help_ptr() || shown.contains(option)) continue;
      ADD_FAILURE() << "no case shows `" << command->get_name() << " " << option->get_name(option->get_positional())
                    << "` acting; tests/cli/options.cases says how to add one";
    }
  }
}

// The files that cases name as @/...
class Fixtures {
 public:
  explicit Fixtures(std::filesystem::path folder) : folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_);
    const std::filesystem::path model = SCALEKV_EMBEDDED_MODEL;
    std::filesystem::copy_file(model, folder_ / "model.safetensors");
    run({"convert", "--model", "model.safetensors", "--weights", "int8", "-o", "int8.safetensors"});
    make_other_model();
    make_text_encoder();
    make_averages();
    std::filesystem::copy_file(SCALEKV_SOURCE_DIR "/tests/data/text/odd.model", folder_ / "odd.model");
    write_file(folder_ / "prompts.txt", "a red circle\n");
    write_file(folder_ / "two.txt", "a red circle\ntwo green stars\n");
    write_file(folder_ / "person.txt", "a red circle and a man\n");
    for (const auto& [file, prompt] : {std::pair("captions.jsonl", "a red circle"), {"woman.jsonl", "a red woman"}}) {
      const nlohmann::json circle = {{"shape", "circle"}, {"colour", "red"}, {"count", 1}, {"size", nullptr}};
      const nlohmann::json caption = {{"prompt", prompt},    {"category", "single"},  {"objects", {circle}},
                                      {"relation", nullptr}, {"background", nullptr}, {"unseen", false}};
      write_file(folder_ / file, caption.dump() + "\n" + caption.dump() + "\n");
    }
    run({"generate", "a red circle", "-o", "picture.png"});
    run({"calibrate", "--prompts", "two.txt", "-o", "two.calibration.json"});
    std::filesystem::copy_file(folder_ / "two.calibration.json", folder_ / "fresh.calibration.json");
    run({"evaluate", "--prompts", "prompts.txt", "--policies", "full", "--strips", "0", "-o", "evaluated"});
    run({"calibrate", "--prompts", "prompts.txt", "--size", "0.06M", "--policy", "heatkv", "-b", "4%", "-o",
         "heatkv.json"});
    make_folders();
  }

  const std::filesystem::path& folder() const { return folder_; }

 private:
  void run(const std::vector<std::string>& arguments) const {
    const ProgramRun made = testing::run_program(SCALEKV_PROGRAM, arguments, folder_);
    if (made.exit_code != 0) throw std::runtime_error(made.error);
  }

  // The same names and shapes; vectors (biases, norms) run backwards, so that every part computes something else.
  void make_other_model() const {
    const auto source = formats::open_tensor_file(folder_ / "model.safetensors");
    formats::SafetensorsWriter writer(folder_ / "other.safetensors", source->tensors(), source->metadata());
    for (const formats::TensorInfo& info : source->tensors()) {
      const Tensor tensor = source->load(info);
      const auto* first = static_cast<const std::byte*>(tensor.raw());
      std::vector<std::byte> bytes(first, first + tensor.bytes());
      if (info.shape.rank() == 1 && info.dtype == DType::f32) {
        auto* values = reinterpret_cast<float*>(bytes.data());
        std::reverse(values, values + tensor.elements());
      }
      writer.append(bytes);
    }
    writer.finish();
  }

  // A training checkpoint: the model's transformer as the weights of the last step, the other one's as their averages.
  void make_averages() const {
    const auto model = formats::open_tensor_file(folder_ / "model.safetensors");
    const auto other = formats::open_tensor_file(folder_ / "other.safetensors");
    std::vector<formats::TensorInfo> tensors;
    std::vector<Tensor> values;
    const auto add = [&](const formats::TensorSource& source, const formats::TensorInfo& info,
                         const std::string& name) {
      tensors.push_back(info);
      tensors.back().name = name;
      values.push_back(source.load(info));
    };
    for (const formats::TensorInfo& info : model->tensors()) {
      const bool weight = info.name.starts_with("gpt.");
      add(*model, info, weight ? "trainer.gpt_fsdp" + info.name.substr(3) : info.name);
      if (weight) add(*other, *other->find(info.name), "trainer.gpt_ema_fsdp" + info.name.substr(3));
    }
    formats::SafetensorsWriter writer(folder_ / "averages.safetensors", tensors, model->metadata());
    for (const Tensor& tensor : values) {
      const auto* first = static_cast<const std::byte*>(tensor.raw());
      writer.append({first, static_cast<std::size_t>(tensor.bytes())});
    }
    writer.finish();
  }

  // A published text encoder: the other model's weights, its configuration and tokenizer.
  void make_text_encoder() const {
    std::filesystem::create_directories(folder_ / "t5");
    std::filesystem::copy_file(folder_ / "other.safetensors", folder_ / "t5/model.safetensors");
    write_file(folder_ / "t5/config.json", R"({"model_type": "t5", "layer_norm_epsilon": 1e-6})");
    const auto source = formats::open_tensor_file(folder_ / "model.safetensors");
    const Tensor tokenizer = source->load(*source->find(model::kTokenizerTensor));
    write_file(folder_ / "t5/spiece.model",
               {static_cast<const char*>(tokenizer.raw()), static_cast<std::size_t>(tokenizer.bytes())});
  }

  // Pictures for metrics: a and b of the same names, photographs of another size.
  void make_folders() const {
    const std::filesystem::path shapes = SCALEKV_SOURCE_DIR "/tests/data/shapes";
    for (const char* name : {"a", "b", "photographs"}) std::filesystem::create_directories(folder_ / name);
    for (const int i : {0, 1}) {
      const std::string file = fmt::format("{:05}.png", i);
      std::filesystem::copy_file(shapes / fmt::format("{:02}.png", i), folder_ / "a" / file);
      std::filesystem::copy_file(shapes / fmt::format("{:02}.png", 18 + i), folder_ / "b" / file);
      std::filesystem::copy_file(SCALEKV_SOURCE_DIR "/tests/data/images/gradient.jpg",
                                 folder_ / "photographs" / fmt::format("{:05}.jpg", i));
    }
    const ProgramRun made =
        testing::run_program(SCALEKV_RANDOM_NETWORKS, {SCALEKV_SOURCE_DIR "/tests/data", "."}, folder_);
    if (made.exit_code != 0) throw std::runtime_error(made.error);
  }

  std::filesystem::path folder_;
};

bool has(const std::vector<std::string>& words, std::initializer_list<const char*> any) {
  return std::any_of(any.begin(), any.end(),
                     [&](const char* word) { return std::find(words.begin(), words.end(), word) != words.end(); });
}

// Runs cases; those with the same base share its run.
class CaseRunner {
 public:
  explicit CaseRunner(std::filesystem::path root) : root_(std::move(root)), fixtures_(root_ / "fixtures") {
    cli::add_commands(app_);
  }

  // What is wrong; empty where the option acts.
  std::string check(const OptionCase& one) {
    const bool json = one.effect == "json" && !one.changed.ends_with("--json");
    const std::string suffix = json ? " --json" : "";
    const std::vector<std::string> base_words = words_of(one, one.base + suffix);
    const std::shared_future<ProgramRun> base = base_run(base_words);
    base.wait();
    const std::string words =
        one.changed.starts_with('!') ? one.command + one.changed.substr(1) : one.base + " " + one.changed;
    const ProgramRun changed = run(words_of(one, words + suffix));
    const std::string fault = compare(one, base.get(), changed);
    if (fault.empty()) std::filesystem::remove_all(changed.folder);
    return fault;
  }

 private:
  // One thread, unless the case says otherwise: what is drawn does not depend on it, and cases run side by side.
  std::vector<std::string> words_of(const OptionCase& one, std::string text) const {
    for (std::size_t at = text.find("@/"); at != std::string::npos; at = text.find("@/", at + 1)) {
      text.replace(at, 1, fixtures_.folder().string());
    }
    std::vector<std::string> words = testing::split_arguments(text);
    const bool judges = one.command == "evaluate-shapes" && has(words, {"--images"});
    const bool threads = !judges && find_command(app_, one.command)->get_option_no_throw("--threads") != nullptr;
    if (threads && !has(words, {"-t", "--threads"})) words.insert(words.end(), {"--threads", "1"});
    return words;
  }

  ProgramRun run(const std::vector<std::string>& words) {
    return testing::run_program(SCALEKV_PROGRAM, words, root_ / fmt::format("run-{}", number_++));
  }

  std::shared_future<ProgramRun> base_run(const std::vector<std::string>& words) {
    const std::lock_guard lock(mutex_);
    auto& known = bases_[words];
    if (!known.valid()) known = std::async(std::launch::deferred, [this, words] { return run(words); }).share();
    return known;
  }

  static std::string said(const ProgramRun& run) { return fmt::format("exit {}: {}", run.exit_code, run.error); }

  // One sentence in one line that begins with the program's name, beside remarks.
  static bool refused(const ProgramRun& run, const std::string& pattern) {
    const std::regex sentence("(^|\n)scalekv: [^\n]*(" + pattern + ")[^\n]*\n");
    return (run.exit_code == 1 || run.exit_code == 2) && std::regex_search(run.error, sentence);
  }

  static std::optional<nlohmann::json> value_of(const ProgramRun& run, const std::string& pointer) {
    const nlohmann::json report = nlohmann::json::parse(run.output, nullptr, false);
    const nlohmann::json::json_pointer at(pointer);
    if (report.is_discarded() || !report.contains(at)) return std::nullopt;
    return report.at(at);
  }

  static std::string compare(const OptionCase& one, const ProgramRun& base, const ProgramRun& changed) {
    if (one.effect == "refused") {
      if (base.exit_code != 0) return "the base run failed, " + said(base);
      return refused(changed, one.of) ? "" : "not refused so, " + said(changed);
    }
    if (changed.exit_code != 0) return "the changed run failed, " + said(changed);
    if (one.effect == "accepted") return refused(base, one.of) ? "" : "the base run is not refused so, " + said(base);
    if (base.exit_code != 0) return "the base run failed, " + said(base);
    return compare_results(one, base, changed);
  }

  static std::string compare_results(const OptionCase& one, const ProgramRun& base, const ProgramRun& changed) {
    const auto differs = [](bool yes) { return yes ? "" : "nothing differs"; };
    const auto before = base.folder / one.of, after = changed.folder / one.of;
    if (one.effect == "picture" && !std::filesystem::exists(after)) return "there is no " + after.string();
    if (one.effect == "picture") return differs(Image::read(before) != Image::read(after));
    if (one.effect == "bytes") return differs(read_file(before) != read_file(after));
    if (one.effect == "file") return differs(!std::filesystem::exists(before) && std::filesystem::exists(after));
    if (one.effect == "prints") return differs(!has_line(base.output, one.of) && has_line(changed.output, one.of));
    if (one.effect == "remarks") return differs(!has_line(base.error, one.of) && has_line(changed.error, one.of));
    if (one.effect == "silences") {
      return differs(one.of == "stderr" ? !base.error.empty() && changed.error.empty()
                                        : !base.output.empty() && changed.output.empty());
    }
    if (one.effect == "json") {
      const auto value = value_of(changed, one.of);
      return value ? differs(value != value_of(base, one.of)) : "no such value in " + changed.output.substr(0, 500);
    }
    if (one.effect == "threads") {
      const int wanted = std::stoi(one.of);
      return base.most_threads < wanted && changed.most_threads >= wanted
                 ? ""
                 : fmt::format("{} threads, then {}", base.most_threads, changed.most_threads);
    }
    return "no effect is named " + one.effect;
  }

  static bool has_line(const std::string& text, const std::string& pattern) {
    return std::regex_search(text, std::regex(pattern));
  }

  std::filesystem::path root_;
  Fixtures fixtures_;
  CLI::App app_;
  std::mutex mutex_;
  std::map<std::vector<std::string>, std::shared_future<ProgramRun>> bases_;
  std::atomic<int> number_ = 0;
};

TEST(Options, EveryCaseShowsItActing) {
  const std::filesystem::path root =
      std::filesystem::temp_directory_path() / fmt::format("scalekv-options-{}", ::getpid());
  const std::vector<OptionCase> all = cases();
  std::vector<std::string> faults(all.size());
  {
    CaseRunner runner(root);
    std::atomic<std::size_t> next = 0;
    const auto work = [&] {
      for (std::size_t i = next++; i < all.size(); i = next++) {
        try {
          faults[i] = runner.check(all[i]);
        } catch (const std::exception& error) {
          faults[i] = error.what();
        }
      }
    };
    std::thread other(work);
    work();
    other.join();
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(faults[i], "") << "options.cases, line " << all[i].line << ": " << all[i].base << " (" << all[i].changed
                             << ")";
  }
  if (!HasFailure()) std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace scalekv
