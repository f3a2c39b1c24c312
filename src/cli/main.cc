// scalekv: the command line. Exit codes: 0 done, 1 something failed, 2 the request made no sense, 130 interrupted.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>

#include "cli/program.h"
#include "cli/words.h"
#include "runtime/runtime.h"
#include "scalekv/errors.h"

namespace {

// What was given may hold line ends, which a sentence repeats; it is one line all the same.
std::string one_line(std::string sentence) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  std::replace_if(sentence.begin(), sentence.end(), is_control, ' ');
  return sentence;
}

int report(const CLI::App& app, const std::exception& error, int code) {
  const std::vector<CLI::App*> ran = app.get_subcommands();
  const std::string sentence = scalekv::cli::in_options(error.what(), ran.empty() ? nullptr : ran.front());
  fmt::print(stderr, "scalekv: {}\n", one_line(sentence));
  return code;
}

// One line as for any other error, in the place of CLI11's two.
std::string usage_failure(const CLI::App*, const CLI::Error& error) {
  return fmt::format("scalekv: {}; --help lists what there is\n", one_line(error.what()));
}

}  // namespace

int main(int argc, char** argv) {
  scalekv::Runtime runtime;
  const scalekv::Runtime::Scope scope(runtime);
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is then an error like a full disk
  const std::unique_ptr<CLI::App> app = scalekv::cli::make_program();
  app->failure_message(usage_failure);
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app->exit(error) == 0 ? 0 : 2;
  } catch (const scalekv::Cancelled& error) {
    return report(*app, error, 130);
  } catch (const scalekv::UsageError& error) {
    return report(*app, error, 2);
  } catch (const std::bad_alloc&) {
    return report(*app, scalekv::Error("out of memory; ask for a smaller --size, --batch or --budget"), 1);
  } catch (const std::exception& error) {
    return report(*app, error, 1);
  }
  return 0;
}
