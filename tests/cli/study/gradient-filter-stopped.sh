#!/bin/sh
# A study stopped in the middle of a training goes on with it, to the same numbers.
. "$CLI"
study=${CLI%/tests/cli/lib.sh}/configs/gradient-filter-study.sh
# Stops the first training that finds the file "armed", once it has made some steps.
cat >et <<-END
	#!/bin/sh
	[ "\$1" = fit ] && [ -e armed ] || exec $RUNNER "$EDGETRAIN" "\$@"
	rm armed
	$RUNNER "$EDGETRAIN" "\$@" &
	until [ -e stopped/s-last1-exact/steps.csv ] && [ "\$(wc -l <stopped/s-last1-exact/steps.csv)" -gt 9 ]; do
		sleep 0.05
	done
	kill \$!
	wait \$!
END
chmod +x et
data d 60 15 && spec s.json && edgetrain fit s.json d --epochs 1 -q -o first || fail "no weights"

run() {
	EDGETRAIN=./et "$study" --spec s.json --classes 3 --last 1 --modes exact --epochs 150 \
		--batch-size 10 --out "$1" first/model.safetensors d -- --save-steps 2 --threads 1 -q >out 2>err
}
run whole || fail "$(cat err)"
: >armed
code=0
run stopped || code=$?
[ $code -eq 143 ] || fail "not stopped in time: exit code $code: $(cat err)"
[ "$(wc -l <stopped/study.csv)" -eq 1 ] || fail "a row of an unfinished training"
head -n 6 stopped/s-last1-exact/steps.csv >begun
run stopped || fail "$(cat err)"
# Times differ from run to run: these first steps were not made again.
head -n 6 stopped/s-last1-exact/steps.csv | cmp begun - || fail "begun anew"
for run in whole stopped; do
	cut -d , -f 1-6 $run/study.csv >$run.csv
	tail -n 1 $run/s-last1-exact/steps.csv | cut -d , -f 1-6 >>$run.csv
done
cmp whole.csv stopped.csv || fail "other numbers: $(cat stopped.csv)"
