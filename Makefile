# Thin: every verb is tools/dev/run's, which says what it does with `tools/dev/run help`.
.PHONY: all demo test test-all bench bench-proxy bench-audit coverage format tidy fuzz setup install clean help
.DEFAULT_GOAL := all

all:        ; @tools/dev/run build
demo:       ; @tools/dev/run demo
test:       ; @tools/dev/run test
test-all:   ; @tools/dev/run test-all
bench:      ; @tools/dev/run bench
bench-proxy: ; @tools/dev/run bench-proxy
bench-audit: ; @tools/dev/run bench-audit "$(CORPORA)"
coverage:   ; @tools/dev/run coverage
format:     ; @tools/dev/run format
tidy:       ; @tools/dev/run tidy
fuzz:       ; @tools/dev/run fuzz
setup:      ; @tools/dev/run setup
install:    ; @tools/dev/run install
clean:      ; rm -rf build
help:       ; @tools/dev/run help
