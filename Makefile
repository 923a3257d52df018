# Thin: each target is the command you would type.
# rustup's place, for shells that have not read its profile yet; an installed cargo goes first.
export PATH := $(PATH):$(HOME)/.cargo/bin

CARGO ?= cargo
PREFIX ?= /usr
DESTDIR ?=
BINARY ?= target/release/tipring

BIN := $(DESTDIR)$(PREFIX)/bin
LIB := $(DESTDIR)$(PREFIX)/lib
DOC := $(DESTDIR)$(PREFIX)/share/doc/tipring
ETC := $(DESTDIR)/etc/tipring

.PHONY: build test demo bench lint deny fuzz-build interop install uninstall tools clean

build: tools
	$(CARGO) build --release --locked

test: tools
	$(CARGO) test --workspace --all-features --locked

# A whole call between two virtual telephones; leaves recordings and a picture in demo-out/.
demo: tools
	$(CARGO) build --release --locked --bin tipring --example demo
	$(CARGO) run --release --locked --quiet --example demo

# The whole program beside baresip, then single functions.
bench: tools
	$(CARGO) bench --locked --bench whole
	$(CARGO) test --release --locked --test flood -- --nocapture
	$(CARGO) bench --locked --bench dsp --bench media --bench sip

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features --locked -- -D warnings
	$(CARGO) clippy --test interop --all-features --locked -- -D warnings
	$(CARGO) clippy --workspace --no-default-features --locked -- -D warnings

# Advisories need their database from the Internet; everything else does not.
deny:
	$(CARGO) deny --all-features check bans licenses sources
	@if $(CARGO) deny --all-features fetch db >/dev/null 2>&1; then \
		$(CARGO) deny --all-features check advisories; \
	else \
		echo "deny: advisories not checked: their database cannot be fetched from here"; \
	fi

fuzz-build:
	cd fuzz && RUSTC_BOOTSTRAP=1 $(CARGO) fuzz build --sanitizer none

interop:
	sh tests/lab/interop.sh

# Installs what building needs and this machine has not: cargo, gcc, pkg-config, ALSA's headers.
tools:
	@sh tests/lab/setup.sh build

# Into $(DESTDIR)$(PREFIX); needs no cargo, so that `make && sudo make install` works. An existing configuration stays.
install:
	@test -x $(BINARY) || { echo "install: no $(BINARY) yet: run make first" >&2; exit 1; }
	install -D -m 0755 $(BINARY) $(BIN)/tipring
	install -d $(LIB)/systemd/system
	sed 's|/usr/bin/tipring|$(PREFIX)/bin/tipring|' systemd/tipring.service > $(LIB)/systemd/system/tipring.service
	chmod 0644 $(LIB)/systemd/system/tipring.service
	install -D -m 0644 systemd/tipring.sysusers $(LIB)/sysusers.d/tipring.conf
	install -D -m 0644 systemd/tipring.tmpfiles $(LIB)/tmpfiles.d/tipring.conf
	install -D -m 0644 hw/udev/60-tipring.rules $(LIB)/udev/rules.d/60-tipring.rules
	install -D -m 0644 -t $(DOC)/examples configs/*.yaml
	install -D -m 0644 -t $(DOC) README.md CHANGELOG.md LICENSE LICENSE-APACHE LICENSE-MIT docs/*.md
	install -d -m 0750 $(ETC)
	test -e $(ETC)/tipring.yaml || install -m 0640 configs/minimal.yaml $(ETC)/tipring.yaml
	@if [ -z "$(DESTDIR)" ]; then $(TELL_SYSTEM); fi

# The user, who may read what, the new unit and rules; each where this system has it.
define TELL_SYSTEM
	! command -v systemd-sysusers >/dev/null || systemd-sysusers $(LIB)/sysusers.d/tipring.conf; \
	! command -v systemd-tmpfiles >/dev/null || systemd-tmpfiles --create $(LIB)/tmpfiles.d/tipring.conf; \
	[ ! -d /run/systemd/system ] || systemctl daemon-reload; \
	[ ! -S /run/udev/control ] || { udevadm control --reload && udevadm trigger --subsystem-match=gpio --subsystem-match=spidev; }
endef

uninstall:
	rm -f $(BIN)/tipring $(LIB)/systemd/system/tipring.service $(LIB)/sysusers.d/tipring.conf \
		$(LIB)/tmpfiles.d/tipring.conf $(LIB)/udev/rules.d/60-tipring.rules
	rm -rf $(DOC)
	@echo "uninstall: $(ETC) and the call history stay; remove them by hand"

clean:
	$(CARGO) clean
