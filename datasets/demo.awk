# The table of datasets/demo.sh, and a line of words for each mode that is compared with the first.
# Lines: "before ACCURACY", then "MODE ACCURACY FORWARD_MS BACKWARD_MS STEP_MS SAVED_BYTES PEAK_MB".

# As in the table, so that the words agree with it.
function percent(a) { return sprintf("%.1f", 100 * a) }

# Less than 5 % is within what the same run varies; 0.001 ms is the least that steps.csv tells.
function speed(old, new) {
	old = old > 0.001 ? old : 0.001
	new = new > 0.001 ? new : 0.001
	if (new < old * 0.95)
		return sprintf("%.1f times as fast", old / new)
	if (new > old * 1.05)
		return sprintf("%.1f times as slow", new / old)
	return "as fast"
}

function kept(old, new) {
	if (old <= 0 || new == old)
		return "as much"
	return sprintf("%.0f %% %s", 100 * (new > old ? new - old : old - new) / old, new > old ? "more" : "less")
}

function gain(a) {
	a = percent(a) - percent(before)
	return a > 0.05 ? sprintf("gained %.1f points", a) : a < -0.05 ? sprintf("lost %.1f points", -a) : "gained nothing"
}

$1 == "before" {
	before = $2
	printf "%-9s %8s  %10s  %11s  %7s  %7s  %11s\n", "mode", "accuracy", "forward ms", "backward ms", "step ms", "saved",
		"peak memory"
	printf "%-9s %6s %%\n", $1, percent($2)
	next
}
{
	printf "%-9s %6s %%  %10.2f  %11.2f  %7.2f  %4.2f MB  %8.0f MB\n", $1, percent($2), $3, $4, $5, $6 / 1e6, $7
}
!first {
	first = $1
	accuracy = $2
	forward = $3
	backward = $4
	step = $5
	bytes = $6
	next
}
{
	text = text sprintf("\nWith %s the backward pass was %s as with %s, the whole step %s; ", $1, speed(backward, $4), first, speed(step, $5))
	text = text sprintf("%s was kept for it; accuracy %s, with %s it %s.\n", kept(bytes, $6), gain($2), first, gain(accuracy))
	# The modes of the demo leave forward nearly alone, so that it tells how steady the machine was.
	if ($3 > 1.2 * forward || forward > 1.2 * $3)
		text = text sprintf("(Forward is the same work in both, yet took %.2f and %.2f ms: the machine was busy or hot, " \
			"and the other times are no better.)\n", forward, $3)
}
END { printf "%s", text }
