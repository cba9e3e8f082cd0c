#!/bin/sh
# make install: every file in its place under DESTDIR, and a program that uses the library builds
# from what was installed alone.
#
#   B=build/TRIPLE-MODE MAKE=make tests/install.sh
set -u
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0 skipped=0

ok() { passed=$((passed + 1)); }
bad() {
	failed=$((failed + 1))
	printf '  FAIL %s\n' "$*"
}

root=$(mktemp -d "${TMPDIR:-/tmp}/edgetrain-install.XXXXXX") || exit 1
trap 'rm -rf "$root"' EXIT
trap 'exit 1' HUP INT TERM

# A job server handed down by make would only be complained about.
unset MAKEFLAGS MFLAGS
if ${MAKE:-make} --no-print-directory install DESTDIR="$root" PREFIX=/usr >"$root/log" 2>&1; then
	ok
else
	bad "make install: $(tail -n 3 "$root/log")"
fi

for file in bin/edgetrain lib/libedgetrain.a include/edgetrain/edgetrain.h \
	$(cd man && printf 'share/man/man1/%s ' *.1) $(cd man && printf 'share/man/man5/%s ' *.5) \
	$(cd man && printf 'share/man/man7/%s ' *.7) \
	$(cd configs && printf 'share/edgetrain/configs/%s ' *.json *.sh nightly/*) \
	$(cd configs/nightly && printf 'lib/systemd/system/%s lib/systemd/user/%s ' edgetrain-nightly@.service \
		edgetrain-nightly@.service edgetrain-nightly@.timer edgetrain-nightly@.timer); do
	if [ -s "$root/usr/$file" ]; then ok; else bad "no $file"; fi
done
# Installed, the service calls the script that was installed.
if grep -q "^ExecStart=/usr/share/edgetrain/configs/nightly/edgetrain-nightly.sh$" \
	"$root/usr/lib/systemd/system/edgetrain-nightly@.service"; then ok; else bad "the service: no such ExecStart"; fi
# Installed, a study finds its network beside itself and the program in PATH.
study=$root/usr/share/edgetrain/configs/gradient-filter-study.sh
found=$(PATH=$root/usr/bin:$PATH "$study" --out "$root/out" "$root/log" "$root" 2>&1 | tail -n 1)
case $found in
"edgetrain fit: Found 0 pictures"*) ok ;;
*) bad "an installed study: $found" ;;
esac
rm -rf "$root/out"
others=$(find "$root" -type f ! -path "$root/usr/*" ! -name log)
if [ -z "$others" ]; then ok; else bad "outside PREFIX: $others"; fi

cat >"$root/user.c" <<'END'
#include <edgetrain.h>
#include <stdio.h>

int main(void)
{
	struct et_env env = {0};
	struct et_version v;
	struct et_err err;
	if (et_version_get(&env, &v, &err) < 0)
		return 1;
	return printf("%s\n", v.version) < 0;
}
END
cc=${CC:-cc}
if ! command -v "$cc" >/dev/null; then
	skipped=$((skipped + 1))
	echo "  skip a user's program: no $cc here"
else
	# shellcheck disable=SC2046 # words
	if "$cc" -std=c11 -I"$root/usr/include/edgetrain" -o "$root/user" "$root/user.c" -L"$root/usr/lib" \
		-ledgetrain $(pkg-config --libs libpng libjpeg zlib libcjson) -fopenmp -pthread -lm \
		>"$root/log" 2>&1 && [ -n "$("$root/user")" ]; then
		ok
	else
		bad "a program with the installed library: $(tail -n 5 "$root/log")"
	fi
fi

printf 'install: %d passed, %d failed, %d skipped\n' $passed $failed $skipped
[ $failed -eq 0 ]
