#!/bin/sh
# The order of the rooms: who may include whom, and what may lie at the top of the sources.
#
#   base < kern < op < mode < net < run < cmd; io, data and power stand on base alone, and net and
#   run on them. cmd sees the public header, and the public header sees base/err.h and base/tools.h.
set -u
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0

ok() { passed=$((passed + 1)); }
bad() {
	failed=$((failed + 1))
	printf '  FAIL %s\n' "$*"
}

# What files of a room may include: "room/" any header of it, otherwise the very name.
allowed() {
	case $1 in
	base) echo base/ ;;
	io | data) echo base/ "$1/" ;;
	power) echo base/ power/ edgetrain.h ;;
	kern) echo base/ kern/ ;;
	op) echo base/ kern/ op/ ;;
	mode) echo base/ kern/ op/ mode/ ;;
	net) echo base/ kern/ op/ mode/ io/ data/ power/ net/ edgetrain.h ;;
	run) echo base/ kern/ op/ mode/ io/ data/ power/ net/ run/ edgetrain.h version.h ;;
	face) echo base/err.h base/tools.h ;;
	cmd) echo edgetrain.h "$(cd cmd && echo *.h)" ;;
	esac
}

# "line name" of each quoted include of a file, and of those in angle brackets that are ours.
includes() {
	awk '
	match($0, /^[ \t]*#[ \t]*include[ \t]*["<][^">]*/) {
		name = substr($0, RSTART, RLENGTH)
		ours = name ~ /"/ || name ~ /<(base|io|data|power|kern|op|mode|net|run)\// ||
			name ~ /<(edgetrain|version)\.h$/
		sub(/^[^"<]*["<]/, "", name)
		if (ours)
			print NR, name
	}' "$1"
}

# check_file FILE ROOM
check_file() {
	may=$(allowed "$2")
	wrong=$(includes "$1" | while read -r line name; do
		for m in $may; do
			case $m in
			*/) [ "${name#"$m"}" != "$name" ] && [ "${name#*..}" = "$name" ] && continue 2 ;;
			*) [ "$name" = "$m" ] && continue 2 ;;
			esac
		done
		echo "$1:$line includes $name, which is not below $2"
	done)
	if [ -z "$wrong" ]; then ok; else bad "$wrong"; fi
}

for dir in lib/*/; do
	room=$(basename "$dir")
	if [ -z "$(allowed "$room")" ]; then
		bad "lib/$room is no room of this house"
		continue
	fi
	for file in "$dir"*.[ch]; do
		[ -e "$file" ] && check_file "$file" "$room"
	done
done
for file in lib/*.[ch]; do
	[ "$file" = lib/edgetrain.h ] || bad "$file: lib/ has rooms and edgetrain.h alone"
done
check_file lib/edgetrain.h face
for file in cmd/*.[ch]; do
	check_file "$file" cmd
done

for entry in *; do
	case $entry in
	cmd | lib | configs | datasets | tests | man | Makefile | README.md | LICENSE | build) ok ;;
	*) bad "$entry does not belong at the top" ;;
	esac
done

printf 'layers: %d passed, %d failed, 0 skipped\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
