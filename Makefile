# SPDX-License-Identifier: MIT
#
# The front door. Meson builds; this makes sure that it can, and names what there
# is to do.

PREFIX ?= /usr/local
# Below PREFIX. Loader and pkg-config look there, whatever Meson knows of the system.
LIBDIR ?= lib
DESTDIR ?=
FUZZ_SECONDS ?= 60
# Installed kernels for the guests of attachments, by their versions; default: a 6.1.
KERNELS ?=
# Options of bench/peers: what is measured with any stays out of docs.
PEERS ?=
# The same of bench/filter and bench/selective.
FILTER ?=
SELECTIVE ?=
TREES = build build-asan build-tsan

tools = ./tools
deps = $(tools)/install-deps.sh

.DEFAULT_GOAL := all
.PHONY: all demo demo-kernel check check-long check-vm check-vm-debug core-kernel attachments style bench bench-filter bench-kernel bench-peers bench-selective scale fuzz install uninstall deb newcomer help clean

all:
	@$(deps) build
	@$(tools)/build.sh build

demo:
	@$(deps) demo
	@$(tools)/build.sh build
	@build/demo/kecho-demo

demo-kernel:
	@$(deps) demo-kernel
	@$(tools)/build.sh build
	@demo/kernel.sh build

check:
	@$(deps) check
	@$(tools)/run-tests.sh $(TREES)

check-long:
	@$(deps) check
	@KECHO_LONG=1 $(tools)/run-tests.sh $(TREES)

check-vm:
	@$(deps) check-vm
	@$(tools)/run-tests.sh -s vm build

check-vm-debug:
	@$(deps) check-vm-debug
	@$(tools)/build.sh build
	@tests/vm/debug.sh build build/vm-debug

attachments:
	@$(deps) check-vm
	@$(tools)/build.sh build
	@tests/vm/attachments.sh build build/attachments $(KERNELS)

core-kernel:
	@$(deps) check
	@tests/vm/core-kernel.sh build/core-kernel

style:
	@$(deps) check
	@$(tools)/style-check.sh

bench:
	@$(deps) bench
	@$(tools)/build.sh build
	@bench/run.sh build

bench-filter:
	@$(deps) bench
	@$(tools)/build.sh build
	@bench/filter.py build/bench $(if $(FILTER),build/bench $(FILTER),docs)

bench-kernel:
	@$(deps) bench-kernel
	@$(tools)/build.sh build
	@bench/kernel/kernel.py build docs

bench-peers:
	@$(deps) bench-peers
	@$(tools)/build.sh build -Dpeers=true
	@bench/peers/peers.py build/bench/peers $(if $(PEERS),build/bench $(PEERS),docs)

bench-selective:
	@$(deps) bench-peers
	@$(tools)/build.sh build -Dpeers=true
	@bench/selective/selective.py build/bench/selective $(if $(SELECTIVE),build/bench $(SELECTIVE),docs)

scale:
	@$(deps) build
	@$(tools)/build.sh build
	@sim/scale.py build/sim/kecho-sim docs

fuzz:
	@$(deps) fuzz
	@tests/fuzz/run.sh $(FUZZ_SECONDS)

install:
	@$(deps) build
	@$(tools)/build.sh build --prefix='$(PREFIX)' --libdir='$(LIBDIR)'
	@DESTDIR='$(DESTDIR)' $(tools)/install.sh build

uninstall:
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' $(tools)/install.sh -u build

deb:
	@$(deps) deb
	@$(tools)/build-deb.sh build/deb

# Not below build, whose files are given back to the tree's owner.
newcomer: deb
	@$(deps) newcomer
	@tests/newcomer/base.sh build-newcomer/base
	@tests/newcomer/run.py build-newcomer/base build/deb docs/tutorial.md
	@tests/newcomer/unit.sh build-newcomer/base build/deb build-newcomer

clean:
	rm -rf $(TREES) build-newcomer

help:
	@echo "make              build the library and the commands, in build/"
	@echo "make demo         three hosts, live kernel events, a cut link; under a minute"
	@echo "make demo-kernel  two guests' kernels tell what happens in them, one is killed"
	@echo "make check        all tests, plain and under the sanitizers, and in a kernel"
	@echo "make check-long   the same with full counts in the plain tree; two hours"
	@echo "make check-vm     those of the kernel module and of core in guests; 15 minutes"
	@echo "make check-vm-debug the same guests where KASAN and lockdep watch; an hour"
	@echo "make attachments  one list of tests: embedded, with kechod, in guests of KERNELS; 15 minutes"
	@echo "make core-kernel  core's tests inside a Linux 6.1 guest"
	@echo "make style        the rules of the source text"
	@echo "make bench        the measurements"
	@echo "make bench-filter what filters save and cost: docs/filtering.md; 30 minutes"
	@echo "make bench-kernel what the kernel's node takes, in instructions: docs/kernel-performance.md; 10 minutes"
	@echo "make bench-peers  kecho beside ZeroMQ, DDS, NATS and others: docs/peers.md; 10 minutes"
	@echo "make bench-selective sinks that want 1 event in 100, and peers: docs/selective.md; 6 minutes"
	@echo "make scale        simulate 10 to 1,000 nodes, and write docs/scale.md's figures"
	@echo "make fuzz         fuzz core's readers, FUZZ_SECONDS ($(FUZZ_SECONDS)) each"
	@echo "make install      into PREFIX ($(PREFIX)) and its LIBDIR ($(LIBDIR)), under DESTDIR"
	@echo "make uninstall    what was installed in PREFIX, under DESTDIR"
	@echo "make deb          Debian's packages, in build/deb/"
	@echo "make newcomer     the tutorial and kechod's unit, on fresh Debians; as root"
	@echo "make clean        remove the build trees"
