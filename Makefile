# The front door. `make demo` draws a picture; `make test` builds and runs the tests. Both install what is missing.
.PHONY: help demo test check build bench lint format package packages clean

BUILD := build/release
# By the environment, so that the shell takes them as they are, with spaces and quotes.
export PROMPT ?= a red circle
export OUT ?= out/demo.png

help:
	@echo "make demo    install what is missing, build, draw a picture (PROMPT='...' OUT=file.png)"
	@echo "make test    install what is missing, build, run all tests"
	@echo "make check   the unit tests under the sanitizers of addresses, undefined behaviour and threads"
	@echo "make build   build only            make bench   run the kernel benchmarks"
	@echo "make lint    formatting, include order of the rooms, clang-tidy, shell scripts"
	@echo "make package Debian packages and an archive that runs anywhere, in build/package"
	@echo "make format  format the sources    make clean   remove build/"

packages:
	@tools/install_packages.sh build

build: packages
	@cmake --preset release -DSCALEKV_TESTS=OFF -DSCALEKV_BENCH=OFF >/dev/null
	@cmake --build --preset release
	@echo "built: $(BUILD)/scalekv"

demo: build
	@mkdir -p "$$(dirname "$$OUT")"
	@$(BUILD)/scalekv generate "$$PROMPT" -o "$$OUT"
	@printf 'prompt: %s\nthe picture is at %s\n' "$$PROMPT" "$$OUT"

test:
	@tools/install_packages.sh test
	@cmake --preset release -DSCALEKV_TESTS=ON -DSCALEKV_BENCH=ON >/dev/null
	@cmake --build --preset release
	@ctest --preset release -j2

# The unit tests once under AddressSanitizer and UndefinedBehaviorSanitizer; left out are minutes of the same code that
# others run, too: larger networks, and whole runs and products compared with each other. Then those of threads, and of
# two pipelines that draw at the same time, under ThreadSanitizer (Clang).
SANITIZED := -LE 'slow|golden' \
  -E 'Folders.AgreeWithCleanFid|IsDeterministicAndForgets|Linear.*RowsAndThreads|ThreadsAndBatchChangeNothing'
check:
	@tools/install_packages.sh test lint
	@cmake --preset asan -DSCALEKV_TESTS=ON >/dev/null
	@cmake --build --preset asan --target unit_tests
	@ctest --preset asan -j2 $(SANITIZED) --quiet && echo "sanitizers: no findings" || \
	  { ctest --preset asan $(SANITIZED) --rerun-failed; exit 1; }
	@cmake --preset tsan -DSCALEKV_TESTS=ON >/dev/null
	@cmake --build --preset tsan --target test_runtime test_engine
	@ctest --preset tsan -j2 -R '^runtime|TwoPipelines' --quiet && echo "ThreadSanitizer: no findings" || \
	  { ctest --preset tsan -R '^runtime|TwoPipelines' --rerun-failed; exit 1; }

bench:
	@tools/install_packages.sh test
	@cmake --preset release -DSCALEKV_TESTS=ON -DSCALEKV_BENCH=ON >/dev/null
	@cmake --build --preset release
	@$(BUILD)/bench/bench_kernels

lint:
	@tools/install_packages.sh lint
	@tools/lint.sh

format:
	@tools/install_packages.sh lint
	@git ls-files '*.cc' '*.h' | xargs clang-format -i

# Debian packages of this release, and an archive that carries its libraries; both in build/package.
package:
	@tools/install_packages.sh test package
	@cmake --preset package >/dev/null
	@cmake --build --preset package
	@cd build/package && { cpack >cpack.log 2>&1 || { cat cpack.log; exit 1; }; } && ls *.deb *.ddeb
	@packaging/tarball.sh build/package

clean:
	rm -rf build
