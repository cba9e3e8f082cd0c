#!/bin/sh
# The unit files, as systemd reads them, for the system and for a user.
. "$CLI"
command -v systemd-analyze >/dev/null || skip "no systemd-analyze"
nightly=${CLI%/*}/../../configs/nightly
mkdir units
for unit in "$nightly"/*.service "$nightly"/*.timer; do
	sed "s|/usr/local/share/edgetrain/configs/nightly|$PWD|" "$unit" >"units/${unit##*/}"
done
cp "$nightly/edgetrain-nightly.sh" . && chmod +x edgetrain-nightly.sh
for unit in service timer; do
	for who in --system --user; do
		XDG_RUNTIME_DIR=$PWD SYSTEMD_UNIT_PATH=$PWD/units: systemd-analyze --man=no $who verify \
			"$PWD/units/edgetrain-nightly@flowers.$unit" >out 2>&1
		code=$?
		case $(cat out) in
		*"ailed to initialize manager"* | *"ailed to connect"*) skip "systemd-analyze does not work here: $(cat out)" ;;
		esac
		[ $code -eq 0 ] && ! grep -q edgetrain out || fail "$unit $who: $code: $(cat out)"
	done
done
# What it complains of otherwise.
sed -i 's/^WatchdogSec=.*/WatchdogSec=long/' units/edgetrain-nightly@.service
SYSTEMD_UNIT_PATH=$PWD/units: systemd-analyze --man=no verify "$PWD/units/edgetrain-nightly@flowers.service" >out 2>&1
grep -q edgetrain-nightly out || fail "finds nothing wrong"
