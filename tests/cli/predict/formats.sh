#!/bin/sh
# Names that need quoting, in each format; without names classes are numbers.
. "$CLI"
colour_spec s.json && pictures d
edgetrain fit s.json d -q -o run --epochs 1 --lr 0
name=$(printf 'a "b",\n\377\303\274')
cp d/disc/a-disc0.png "$name" && cp "$name" plain
printf 'x,"y"\n\303\274\n' >names
for format in text csv json; do
	edgetrain predict run "$name" plain --labels names --format $format --top 1
	edgetrain predict s.json plain --weights run/model.safetensors --format $format --top 1
done | sed 's/0\.[0-9]*/P/g' | LC_ALL=C tr '\377' '#'
# Of equals the first classes.
flat_spec flat.json && flat_weights w
edgetrain predict flat.json plain --weights w --top 2
