#!/bin/sh
# The study of gradient filtering: rows of what was measured, no training twice, one set of settings.
. "$CLI"
study=${CLI%/tests/cli/lib.sh}/configs/gradient-filter-study.sh
# shellcheck disable=SC2016 # for the script
printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$RUNNER" "$EDGETRAIN" >et
chmod +x et

# The network is for five classes, data and weights have three.
data d 30 15
spec s.json 5
spec three.json
edgetrain fit three.json d --epochs 1 -q -o first || fail "no weights"

run() {
	EDGETRAIN=./et "$study" --spec s.json --classes 3 --last '1 2' --modes 'exact filter:2,scale=paper' \
		--epochs 2 --batch-size 10 --out study "$@" first/model.safetensors d -- --seed 4 \
		>out 2>err
}
run || fail "$(cat err)"
[ "$(wc -l <study/study.csv)" -eq 5 ] || fail "expected 4 rows: $(cat study/study.csv)"
[ "$(cut -d , -f 1-3 study/study.csv | tr '\n' ' ')" = \
	'spec,last,mode s,1,exact s,1,"filter:2 s,2,exact s,2,"filter:2 ' ] ||
	fail "rows: $(cat study/study.csv)"

# cell ROW COLUMN: of a row without commas in its mode.
cell() {
	awk -F, -v name="$2" -v row="$1" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i }
		NR == row { print $at }' study/study.csv
}
want=$(tail -n 1 study/s-last2-exact/epochs.csv | cut -d , -f 5)
[ "$(cell 4 accuracy)" = "$want" ] || fail "accuracy $(cell 4 accuracy), expected $want"
[ "$(cell 4 epochs)" -eq 2 ] || fail "epochs"
want=$(edgetrain plan study/s.json d --init first/model.safetensors --last 2 --batch-size 10 --momentum 0 \
	--format json | sed -n 's/.*"training".*"saved": \([0-9]*\).*/\1/p')
[ "$want" ] && [ "$(cell 4 saved_bytes)" = "$want" ] ||
	fail "saved $(cell 4 saved_bytes), expected $want"
# Of the three steps of the last epoch the one in the middle.
want=$(awk -F, '$2 == 2 { print $8 }' study/s-last2-exact/steps.csv | sort -n | sed -n 2p)
[ "$want" ] && [ "$(cell 4 forward_ms)" = "$want" ] ||
	fail "forward_ms $(cell 4 forward_ms), expected $want"
for setting in '"lr":	0.05,' '"seed":	4,' '"momentum":	0,' '"clip_norm":	2,' '"last":	1,'; do
	grep -q "$setting" study/s-last1-exact/run.json ||
		fail "no $setting: $(cat study/s-last1-exact/run.json)"
done

# Again: nothing to do. A row lost: that one training, which was finished. A run lost: all of it.
cp study/study.csv before.csv
run || fail "$(cat err)"
cmp before.csv study/study.csv || fail "rows changed"
[ ! -s err ] || fail "trained again: $(cat err)"
sed -i '$d' study/study.csv
run || fail "$(cat err)"
[ "$(cut -d , -f 1-7 study/study.csv)" = "$(cut -d , -f 1-7 before.csv)" ] || fail "another row"
sed -i '2d' study/study.csv
rm study/s-last1-exact/state.safetensors
run || fail "$(cat err)"
[ "$(sort study/study.csv | cut -d , -f 1-6)" = "$(sort before.csv | cut -d , -f 1-6)" ] ||
	fail "another result: $(cat study/study.csv)"

run --lr 0.1 && fail "mixed settings"
grep -q 'study holds a study with other settings' err || fail "$(cat err)"
