#!/bin/sh
# Installs what is missing for: building, testing, the demo, lint, cross-building for aarch64, its
# report on loops, and tests beside other programs, which are skipped without them.
#
#   datasets/deps.sh GROUP...      groups: build test demo lint cross asm peers
#
# Prints nothing and asks for nothing when all is there. Otherwise says what it installs and does so
# with apt-get, through sudo when not root.
set -eu

say() { printf 'datasets/deps.sh: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

# A line a need: group, Debian package, and what shows that it is there, whoever put it there:
# "run COMMAND", "lib PKG_CONFIG_MODULE", "file PATH", "include CC HEADER", "module PYTHON_MODULE".
needs() {
	cat <<-'END'
	build gcc include gcc stdlib.h
	build libc6-dev include gcc stdlib.h
	build make run make
	build pkg-config run pkg-config
	build libpng-dev lib libpng
	build libjpeg-dev lib libjpeg
	build zlib1g-dev lib zlib
	build libcjson-dev lib libcjson
	test check lib check
	test binutils run objdump
	test mandoc run mandoc
	test faketime run faketime
	demo dataset-fashion-mnist file /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz
	lint shellcheck run shellcheck
	lint mandoc run mandoc
	lint clang-format run clang-format
	lint clang include clang stdlib.h
	lint libomp-dev include clang omp.h
	cross gcc-aarch64-linux-gnu run aarch64-linux-gnu-gcc
	cross libc6-dev-arm64-cross file /usr/aarch64-linux-gnu/include/stdlib.h
	cross qemu-user-static run qemu-aarch64-static
	cross libpng-dev:arm64 file /usr/lib/aarch64-linux-gnu/pkgconfig/libpng.pc
	cross libjpeg-dev:arm64 file /usr/lib/aarch64-linux-gnu/pkgconfig/libjpeg.pc
	cross zlib1g-dev:arm64 file /usr/lib/aarch64-linux-gnu/pkgconfig/zlib.pc
	cross libcjson-dev:arm64 file /usr/lib/aarch64-linux-gnu/pkgconfig/libcjson.pc
	cross check:arm64 file /usr/lib/aarch64-linux-gnu/pkgconfig/check.pc
	cross libgomp1:arm64 file /usr/lib/aarch64-linux-gnu/libgomp.so.1
	asm gcc-aarch64-linux-gnu run aarch64-linux-gnu-gcc
	asm libc6-dev-arm64-cross include aarch64-linux-gnu-gcc stdlib.h
	asm llvm run llvm-mca
	peers python3-torchvision module torchvision
	peers python3-onnx module onnx
	peers python3-opencv module cv2
	END
}

present() {
	case $1 in
	run) command -v "$2" >/dev/null 2>&1 ;;
	lib) pkg-config --exists "$2" 2>/dev/null ;;
	file) [ -e "$2" ] ;;
	module) /usr/bin/python3 -c "import $2" 2>/dev/null ;;
	include) printf '#include <%s>\n' "$3" | "$2" -E -fopenmp - >/dev/null 2>&1 ;;
	*) die "unknown kind of need: $1" ;;
	esac
}

# Packages of the groups wanted whose need is not met.
missing() {
	needs | while read -r group package kind what more; do
		case " $* " in
		*" $group "*) present "$kind" "$what" "$more" || printf '%s ' "$package" ;;
		esac
	done
}

for group; do
	case $group in
	build | test | demo | lint | cross | asm | peers) ;;
	*) die "unknown group '$group': expected build, test, demo, lint, cross, asm or peers" ;;
	esac
done
[ $# -gt 0 ] || die "expected groups: build test demo lint cross asm peers"

list=$(missing "$@")
[ -n "$list" ] || exit 0
list=${list% }

command -v apt-get >/dev/null 2>&1 ||
	die "this system has no apt-get; install what Debian calls: $list"
root=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null 2>&1 || die "run this as root, or install sudo; missing: $list"
	root=sudo
fi

say "installing with apt-get: $list"
case $list in
*:arm64*)
	dpkg --print-foreign-architectures | grep -qx arm64 ||
		$root dpkg --add-architecture arm64 ;;
esac
$root apt-get -qq update || say "apt-get update failed; going on with the lists that are there" >&2
# shellcheck disable=SC2086 # a list of packages
$root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
	-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install $list ||
	die "apt-get could not install: $list"

list=$(missing "$@")
[ -z "$list" ] || die "installed, but still not found: ${list% }"
