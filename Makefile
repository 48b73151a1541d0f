# Everything a developer does, one target each. `make` alone lists them.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS   += --no-print-directory

GO        ?= go
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BIN       := bin/pxecast
TESTFLAGS ?=
FUZZTIME  ?= 30s
FUZZJOBS  ?= 2

# Debian packages that the tests, the demo and the benchmarks call.
PACKAGES := nftables iproute2 ethtool util-linux zstd xz-utils bzip2 gdisk \
            dosfstools mtools e2fsprogs cpio mmdebstrap qemu-utils tftp-hpa atftp \
            systemd dnsmasq-base udhcpc

# Packages that test by themselves: room compares times, machines are slow.
APART := /bench/(room|machines)$$

.PHONY: help build test race e2e fuzz lint demo bench man completion clean packages

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the static binary bin/pxecast
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) ./cmd/pxecast

test: packages ## install what the tests need (as root), vet, run all tests
	$(GO) vet ./...
	$(GO) test -timeout 30m $(TESTFLAGS) $$($(GO) list ./... | grep -vE '$(APART)')
	$(GO) test -timeout 30m $(TESTFLAGS) ./bench/room # by itself: it compares times

race: PACKAGES += gcc libc6-dev
race: packages ## run the tests under the race detector, but for bench/room and e2e: other processes do the work there
	CGO_ENABLED=1 $(GO) test -race -short -timeout 40m $(TESTFLAGS) $$($(GO) list ./... | grep -vE '$(APART)')

e2e: PACKAGES += qemu-system-x86 ipxe-qemu ovmf dnsmasq-base
e2e: packages ## boot, image and restart machines in QEMU, a quarter of an hour (as root)
	$(GO) test -timeout 40m -v $(TESTFLAGS) ./bench/machines

fuzz: ## run every fuzzer in the module for FUZZTIME (30s), FUZZJOBS (2) at a time
	@logs=$$(mktemp -d); trap 'rm -rf "$$logs"' EXIT; \
	$(GO) test -list '^Fuzz' ./... > "$$logs/list" || { cat "$$logs/list"; exit 1; }; \
	awk '/^Fuzz/ { name[++n] = $$1 } /^ok/ { while (n) print name[n--], $$2 }' "$$logs/list" > "$$logs/fuzzers"; \
	[ -s "$$logs/fuzzers" ] || { echo "no fuzzers found"; exit 1; }; \
	echo "$$(wc -l < "$$logs/fuzzers") fuzzers, $(FUZZTIME) each"; \
	export logs; xargs -P $(FUZZJOBS) -n 2 $(SHELL) $(.SHELLFLAGS) '$(FUZZ)' fuzz < "$$logs/fuzzers"

# Runs fuzzer $$1 of package $$2, one line if it passes and the whole log if not. Go
# sometimes takes the end of the time for a failure, with no input that failed: then
# once more.
define FUZZ
log=$$logs/$$1-$${2//\//_}; \
once() { $(GO) test -run "^$$1\$$" -fuzz "^$$1\$$" -fuzztime $(FUZZTIME) -parallel 1 "$$2" > "$$log" 2>&1; }; \
late() { grep -q "context deadline exceeded" "$$log" && ! grep -q "Failing input" "$$log"; }; \
if once "$$1" "$$2" || { late && once "$$1" "$$2"; } \
then echo "ok    $$1 ($$2): $$(grep -o "execs: [0-9]*" "$$log" | tail -1)"; \
else echo "FAIL  $$1 ($$2)"; cat "$$log"; exit 255; fi
endef

lint: ## check formatting, vet, staticcheck
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { printf 'run gofmt -w on:\n%s\n' "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

demo: packages ## image a room of four simulated machines with loss on the wire (as root)
	$(GO) run ./bench/demo

bench: PACKAGES += udpcast uftp
bench: packages ## measure pxecast beside its rivals and its limits, 40 minutes; QUICK=1: 3 (as root)
	$(GO) run ./bench/compare

man: build ## write the man page to bin/pxecast.8
	$(BIN) man > bin/pxecast.8

completion: build ## write bash, zsh and fish completions to bin/completion
	mkdir -p bin/completion
	for shell in bash zsh fish; do $(BIN) completion $$shell > bin/completion/pxecast.$$shell; done

clean: ## remove what was built
	rm -rf bin

# Only apt-get is asked, and only for what is missing; quiet unless it fails.
packages:
	@missing=; for p in $(PACKAGES); do \
	  dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q ' installed$$' || missing+=" $$p"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ]; then echo "not root, what needs these is skipped:$$missing"; exit 0; fi; \
	echo "installing$$missing"; log=$$(mktemp); \
	{ apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends install $$missing; } \
	  > "$$log" 2>&1 || { cat "$$log"; rm "$$log"; exit 1; }; rm "$$log"
