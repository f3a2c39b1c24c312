#include "cli/program_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

namespace scalekv::testing {
namespace {

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

int threads_of(pid_t process) {
  std::ifstream status(fmt::format("/proc/{}/status", process));
  for (std::string word; status >> word;) {
    int count = 0;
    if (word == "Threads:" && status >> count) return count;
  }
  return 0;
}

}  // namespace

ProgramRun run_program(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                       const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  const std::string out = folder.string() + ".out", err = folder.string() + ".err";
  std::vector<std::string> words = {program.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t process = ::fork();
  if (process == 0) {
    const int output = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int error = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const bool ready = ::dup2(output, STDOUT_FILENO) >= 0 && ::dup2(error, STDERR_FILENO) >= 0;
    if (ready && ::chdir(folder.c_str()) == 0) ::execv(argv.front(), argv.data());
    ::_exit(127);
  }
  ProgramRun run{.folder = folder, .exit_code = -1, .output = {}, .error = {}, .most_threads = 0};
  int status = 0;
  while (process > 0 && ::waitpid(process, &status, WNOHANG) == 0) {
    run.most_threads = std::max(run.most_threads, threads_of(process));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  if (process > 0 && WIFEXITED(status)) run.exit_code = WEXITSTATUS(status);
  run.output = contents(out);
  run.error = contents(err);
  return run;
}

}  // namespace scalekv::testing
