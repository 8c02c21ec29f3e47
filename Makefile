# What people type. Every target is a script in tools/ and works from a fresh clone: tools/setup installs what is missing.
.PHONY: demo test check soak lint bench
demo:  # real files through each mechanism that is built in
	@tools/setup
	@tools/demo
test:  # every test once
	@tools/setup
	@tools/test
check:  # lint, sanitizers, the second compiler, other systems, fuzzing, each mechanism left out in turn
	@tools/setup check
	@tools/check
lint:
	@tools/setup check
	@tools/check lint
soak:  # SOAK_MINUTES=30: what happens at once, again and again, and kills by the hundred, under load
	@tools/setup soak
	@tools/soak
bench:  # Sluice against hand-written programs over the same system calls; wants a machine on which nothing else runs
	@tools/setup
	@tools/bench
