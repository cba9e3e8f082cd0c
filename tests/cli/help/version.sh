#!/bin/sh
# What a report of a defect needs.
. "$CLI"
edgetrain --version
ET_ISA=generic edgetrain -V | grep -q "^instruction set  generic " || fail "ET_ISA does not count"
edgetrain --isa generic -V | grep -q "^instruction set  generic " || fail "--isa does not count"
