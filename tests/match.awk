# Does text match a pattern? awk -f match.awk PATTERN TEXT; exit 0 if so.
# A pattern line "..." stands for any number of lines, "..." within a line for any text.

function line_matches(pattern, line,    at) {
	if ((at = index(pattern, "...")) == 0)
		return pattern == line
	if (substr(line, 1, at - 1) != substr(pattern, 1, at - 1))
		return 0
	pattern = substr(pattern, at + 3)
	for (; at <= length(line) + 1; at++)
		if (line_matches(pattern, substr(line, at)))
			return 1
	return 0
}

# Pattern lines from p on against text lines from t on.
function matches(p, t) {
	if (p > patterns)
		return t > lines
	if (pattern[p] == "...") {
		for (; t <= lines + 1; t++)
			if (matches(p + 1, t))
				return 1
		return 0
	}
	return t <= lines && line_matches(pattern[p], line[t]) && matches(p + 1, t + 1)
}

FILENAME == ARGV[1] { pattern[++patterns] = $0; next }
{ line[++lines] = $0 }
END { exit !matches(1, 1) }
